// Copying to the clipboard, with an answer.

const TOLD_MS = 2000;

/** Copies `text` and says so on `button` and by `announce`. Where the page may not, `source` is selected, for the keys to copy. */
export async function copyText(text, button, source, announce) {
  const name = (button.dataset.name ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Only secure pages may.
    if (source.select) source.select();
    else getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  announce(`${button.textContent}.`);
  setTimeout(() => (button.textContent = name), TOLD_MS);
}

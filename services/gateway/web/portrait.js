// A person's portrait: one that does not come at first is asked for again, for the part that draws it may still be starting.

const AGAIN_MS = [1000, 2000, 4000, 8000, 15_000, 30_000];

const tries = new WeakMap(); // image -> {source, failed, givenUp, timer}

/** Shows the portrait when there is one. */
export function loadPortrait(image, persona, base) {
  const source = persona.portrait ? new URL(persona.portrait, base).href : "";
  const before = tries.get(image);
  if (before?.source === source && !before.givenUp) return;
  clearTimeout(before?.timer);
  image.hidden = true;
  image.removeAttribute("src");
  const current = { source, failed: 0, givenUp: false, timer: 0 };
  tries.set(image, current);
  image.onload = () => (image.hidden = false);
  image.onerror = () => {
    if (tries.get(image) !== current) return;
    image.hidden = true;
    const wait = AGAIN_MS[current.failed];
    current.failed += 1;
    current.givenUp = wait === undefined; // until somebody asks for it anew
    if (!current.givenUp) current.timer = setTimeout(() => image.isConnected && (image.src = source), wait);
  };
  if (source) image.src = source;
}

// The keyboard: single keys that work wherever no control wants them.

import { prefs } from "./prefs.js";

/**
 * `mute`, `stop`, `help`, `captions` do it; `field()` gives the text field or null; `close()` closes what is open and says whether
 * it did.
 */
export function onKeys({ mute, stop, help, captions, field, close }) {
  addEventListener("keydown", (event) => {
    // No single key, for the letters are for typing; by its place, for on a Mac it writes another letter.
    if (event.altKey && !event.ctrlKey && !event.metaKey && event.code === "KeyC" && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      if (!event.repeat) captions();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return; // closes by itself
    if (event.key === "Escape") {
      if (!close()) stop();
      return;
    }
    if (!prefs.shortcuts || wanted(event)) return;
    if (event.key === " ") {
      event.preventDefault();
      if (!event.repeat) mute();
    } else if (event.key === "?") {
      event.preventDefault();
      help();
    } else if (event.key.length === 1) {
      field()?.focus(); // and the letter goes there
    }
  });
}

/** Whether the focused control makes something of this key itself. */
function wanted(event) {
  const { target } = event;
  if (target.closest?.("input, textarea, select, [contenteditable]")) return true;
  return event.key === " " && Boolean(target.closest?.("button, a[href], summary, label, .scroll"));
}

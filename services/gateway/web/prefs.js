// What this browser remembers of the user's choices. A browser that stores nothing is fine too.

const KEY = "vivant";
const DEFAULTS = { theme: "auto", size: "100", microphone: "", speaker: "", shortcuts: true, announce: true, log: true, captions: true, persona: "", name: "" };

export const prefs = { ...DEFAULTS, ...read() };

/** Changes and remembers some of them. */
export function remember(changes) {
  Object.assign(prefs, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs));
  } catch {}
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

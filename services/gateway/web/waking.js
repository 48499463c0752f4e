// Waits for the server, and for the parts of the system behind it.

import { getInfo } from "./api.js";
import { $ } from "./dom.js";
import { showLoading, showScreen } from "./view.js";

const POLL_MS = 1000;
/** Parts that do not come by then may be left out. */
const PATIENCE_POLLS = 10;

/**
 * What is known of the server at `base` when all is ready, or when the visitor starts without what is missing. Meanwhile `onKnown`
 * is told what is known, as soon as that says who is there.
 */
export async function awaken(base, onKnown) {
  showScreen("loading");
  for (let polls = 0; ; polls += 1) {
    const info = await getInfo(base).catch(() => null);
    const known = Boolean(info?.personas.length);
    if (known) onKnown(info);
    if (known && info.ready) return info;
    showLoading(info);
    $("start-anyway").hidden = !known || polls < PATIENCE_POLLS;
    if (await Promise.race([sleep(POLL_MS), clicked("start-anyway")])) return info;
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms, false));
}

function clicked(id) {
  return new Promise((resolve) => ($(id).onclick = () => resolve(true)));
}

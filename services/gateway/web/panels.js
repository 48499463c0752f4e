// The log and the numbers: beside the face where there is room, else over it.

import { $ } from "./dom.js";
import { prefs, remember } from "./prefs.js";

const wide = matchMedia("(min-width: 68rem)");
let showLog;
let showNumbers;

export function setUpPanels() {
  showLog = toggles("open-log", "logbook", "close-log", (open) => wide.matches && remember({ log: open }));
  showNumbers = toggles("open-numbers", "numbers", "close-numbers");
  // Beside the face where there is room; else it would cover her, and comes when it is asked for.
  wide.onchange = () => showLog(wide.matches && prefs.log, { quiet: true });
  wide.onchange();
}

/** Closes the sheet that covers the page; whether there was one. */
export function closeOpen() {
  const [panel, closer] = [["numbers", "close-numbers"], ["logbook", "close-log"]].find(([id]) => $(id).contains(document.activeElement)) ?? [];
  if (panel && !wide.matches) $(closer).click();
  return Boolean(panel) && !wide.matches;
}

function toggles(opener, panel, closer, then = () => {}) {
  const set = (open, { quiet = false } = {}) => {
    $(panel).hidden = !open;
    $(opener).setAttribute("aria-expanded", String(open));
    // There is room for one where they cover the page.
    if (open && !wide.matches) (panel === "numbers" ? showLog : showNumbers)(false);
    $("side").hidden = $("logbook").hidden && $("numbers").hidden;
    if (!quiet) then(open);
  };
  $(opener).onclick = () => {
    set($(panel).hidden);
    if (!$(panel).hidden && !wide.matches) $(closer).focus();
  };
  $(closer).onclick = () => {
    set(false);
    $(opener).focus();
  };
  return set;
}

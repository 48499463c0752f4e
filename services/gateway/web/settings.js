// The settings dialog: persona, devices, text size, light.

import { devices } from "./microphone.js";
import { prefs, remember } from "./prefs.js";
import { $ } from "./dom.js";
import { fillSelect } from "./view.js";

/** Joins the controls with what they change; `changed` has a function each for `persona`, `name`, `microphone` and `speaker`. */
export function setUpSettings(changed) {
  $("persona").onchange = ({ target }) => changed.persona(target.value);
  $("name").onchange = ({ target }) => changed.name(target.value.trim());
  $("microphone").onchange = ({ target }) => changed.microphone(target.value);
  $("speaker").onchange = ({ target }) => changed.speaker(target.value);
  $("sizes").onchange = ({ target }) => (remember({ size: target.value }), apply());
  $("themes").onchange = ({ target }) => (remember({ theme: target.value }), apply());
  $("announce").onchange = ({ target }) => (remember({ announce: target.checked }), apply());
  $("shortcuts").onchange = ({ target }) => remember({ shortcuts: target.checked });
  $("shortcuts").checked = prefs.shortcuts;
  $("announce").checked = prefs.announce;
  navigator.mediaDevices?.addEventListener?.("devicechange", () => $("settings").open && fillDevices());
  apply();
}

/** Shows the dialog with the devices of this moment. */
export async function openSettings(microphone) {
  $("name").value = prefs.name;
  check("size", prefs.size);
  check("theme", prefs.theme);
  $("meter").hidden = !microphone.stream;
  $("settings").showModal();
  await fillDevices(microphone);
}

async function fillDevices(microphone) {
  const { microphones, speakers } = await devices();
  const named = (list, what) => list.map(({ id, label }, index) => ({ id, label: label || `${what} ${index + 1}` }));
  const usual = { id: "", label: "The system's choice" };
  const others = (list, what) => [usual, ...named(list, what).filter(({ id }) => id !== "default")];
  fillSelect($("microphone"), others(microphones, "Microphone"), prefs.microphone || microphone?.deviceId);
  fillSelect($("speaker"), others(speakers, "Speaker"), prefs.speaker);
  $("speaker-row").hidden = !HTMLMediaElement.prototype.setSinkId || !speakers.length;
}

/** Shows the words below the face, or hides them; remembered. */
export function toggleCaptions() {
  remember({ captions: !prefs.captions });
  apply();
}

function apply() {
  const { dataset } = document.documentElement;
  if (prefs.theme === "auto") delete dataset.theme;
  else dataset.theme = prefs.theme;
  dataset.size = prefs.size;
  dataset.captions = prefs.captions ? "on" : "off";
  $("captions").setAttribute("aria-pressed", String(prefs.captions));
  $("log-scroll").setAttribute("aria-live", prefs.announce ? "polite" : "off");
}

function check(name, value) {
  const radio = document.querySelector(`input[name=${name}][value="${value}"]`);
  if (radio) radio.checked = true;
}

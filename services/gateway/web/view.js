// Draws the page from a model. Knows the document and nothing of connections.

import { ABILITIES } from "./conversation.js";
import { $, element } from "./dom.js";
import { showLog } from "./log-view.js";
import { loadPortrait } from "./portrait.js";
import { ReplyLine } from "./reply-line.js";
import { STAGES } from "./stats.js";
import { nameOf, othersOf } from "./people.js";
import { firstName } from "./wording.js";

const MURMUR_MS = 2000;
const FLOORS = {
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
  paused: "Paused",
  silent: "Quiet",
};
const SERVICES = ["orchestrator", "asr", "turn", "llm", "tts", "face"];

/** Shows the panel of `screen` and hides the others. */
export function showScreen(screen) {
  document.body.dataset.screen = screen;
  const live = screen === "live" || screen === "reconnecting";
  for (const panel of document.querySelectorAll("[data-for]")) {
    panel.hidden = panel.dataset.for !== (screen === "reconnecting" ? "live" : screen);
  }
  $("controls").hidden = $("floor").hidden = $("picture").hidden = !live;
  $("leave").hidden = !(live || screen === "connecting" || screen === "refused");
}

/** Moves the focus to the heading of what has just replaced what had it. */
export function focusHeading(id) {
  const heading = $(id);
  heading.tabIndex = -1;
  heading.focus();
}

export function showLoading(info) {
  if (!info) {
    $("loading-title").textContent = "Waiting for the server";
    $("loading-text").textContent = "It does not answer yet. This page goes on trying.";
    $("loading-bar").removeAttribute("value");
    $("awaited").replaceChildren();
    return;
  }
  if (info.ready && !info.personas.length) {
    $("loading-title").textContent = "Nobody is here";
    $("loading-text").textContent = "There is no persona on this server that can be used. The log of its llm service says why.";
    $("loading-bar").removeAttribute("value");
    $("awaited").replaceChildren();
    return;
  }
  const missing = new Map(info.missing.map(({ service, reason }) => [service, reason]));
  const services = [...new Set([...SERVICES, ...missing.keys()])];
  // Nothing is known of the others while the one that knows them is away.
  const ready = missing.has("orchestrator") ? [] : services.filter((service) => !missing.has(service));
  $("loading-title").textContent = info.personas.length === 1 ? `${firstName(info.personas[0])} is waking up` : "Waking up";
  $("loading-text").textContent = `${ready.length} of ${services.length} parts are ready.`;
  $("loading-bar").max = services.length;
  $("loading-bar").value = ready.length;
  $("awaited").replaceChildren(
    ...services.map((service) => {
      const item = element("li", { className: ready.includes(service) ? "ready" : "waiting" });
      const reason = missing.get(service);
      item.append(
        element("b", { textContent: ABILITIES[service] ?? service }),
        element("span", { textContent: ready.includes(service) ? "ready" : (reason ?? "waiting") }),
      );
      return item;
    }),
  );
}

/** Name, disclosure and portrait wherever they stand. */
export function showPersona(persona, base) {
  if (!persona) return;
  const name = firstName(persona);
  document.title = `${persona.name} · AI · Vivant`;
  $("start-name").textContent = persona.name;
  $("start-description").textContent = persona.description ?? "";
  $("start-disclosure").textContent = persona.disclosure ?? "";
  $("live-title").textContent = `Talking with ${persona.name}`;
  $("ai-title").textContent = `${persona.name} is an AI`;
  $("ai-disclosure").textContent = persona.disclosure ?? "";
  $("ai-name").textContent = `${name} is an AI`;
  $("ai-where").textContent = `Your voice and your words go to ${location.host}, where this Vivant runs.`;
  $("video").setAttribute("aria-label", `${persona.name}, live: a face made by an AI`);
  $("words").placeholder = `Type to ${name}`;
  document.querySelector("label[for=words]").textContent = `Type to ${name}`;
  $("stop-hint").textContent = `stop ${name}`;
  $("stop").querySelector("span").textContent = `Stop ${name}`;
  $("monogram").textContent = persona.name.slice(0, 1);
  $("portrait").alt = `Portrait of ${persona.name}, who is an AI`;
  loadPortrait($("portrait"), persona, base);
  for (const id of ["start-starters", "live-starters"]) showStarters($(id), persona);
}

/** Questions of the persona's own to begin with; none when it has none. What is chosen is the text of its button. */
function showStarters(group, { name, starters = [] }) {
  group.hidden = !starters.length;
  group.setAttribute("aria-label", `Questions for ${name}`);
  group.replaceChildren(...starters.map((text) => element("button", { type: "button", className: "starter", textContent: text })));
}

/** Nobody is there at the moment. */
export function showAway() {
  $("frame").dataset.floor = "away";
  $("floor-text").textContent = "Connection lost. Trying again";
  $("stop").disabled = true;
}

/** Everything that the conversation's view says, except the words of the reply, which go by time. */
export function showConversation(view) {
  showYou(view.you, view.people);
  showCompany(othersOf(view.people));
  showNotices(view.notices);
  showLog(view);
  showStages(view.stages);
  // Only for the beginning: once the user has spoken they would be in the way.
  const begun = view.you || view.log.some(({ who }) => who === "you");
  $("live-starters").hidden = Boolean(begun) || !$("live-starters").children.length;
  if (document.body.dataset.screen === "reconnecting") return;
  const floor = view.stopped && view.floor === "listening" ? "stopped" : view.floor;
  $("frame").dataset.floor = floor;
  $("floor-text").textContent = floor === "stopped" ? "Stopped. Listening" : (FLOORS[floor] ?? "");
  showBackchannel(view.backchannel);
  $("stop").disabled = !["speaking", "thinking", "paused"].includes(view.floor);
}

function showYou(you, people) {
  $("you").hidden = !you;
  if (!you) return;
  $("you").classList.toggle("final", you.final);
  $("you-name").textContent = nameOf(people, you.by);
  $("you-stable").textContent = you.stable;
  $("you-rest").textContent = you.rest;
}

/** Who else is in the conversation. */
function showCompany(names) {
  $("company").hidden = !names.length;
  const text = `Also here: ${names.join(", ")}`;
  if (names.length && $("company").textContent !== text) $("company").textContent = text;
}

let replyLine = null;

/** The words of the reply that have begun at `ms`. Called for each picture. */
export function showReply(reply, ms) {
  replyLine ??= new ReplyLine($("reply"));
  // Where large text does not fit, what is being said is in sight.
  replyLine.show(reply, ms)?.scrollIntoView({ block: "nearest" });
  // A reply without a voice is shown even to who has switched captions off.
  $("reply").classList.toggle("voiceless", Boolean(reply?.words.every(({ end }) => end === -Infinity)));
  $("caption-hint").hidden = !$("reply").hidden || !$("you").hidden;
}

const noticed = new Map();

function showNotices(notices) {
  const keys = new Set(notices.map(({ key }) => key));
  for (const [key, item] of noticed) {
    if (keys.has(key)) continue;
    item.remove();
    noticed.delete(key);
  }
  for (const { key, severity, message } of notices) {
    if (noticed.has(key)) continue;
    const item = element("p", { className: `notice ${severity}` });
    const close = element("button", { type: "button", className: "tool close" });
    close.dataset.dismiss = key;
    close.innerHTML = '<svg aria-hidden="true"><use href="#i-close"/></svg><span class="hidden">Dismiss</span>';
    item.append(element("span", { textContent: message }), close);
    noticed.set(key, item);
    $("notices").append(item);
    item.scrollIntoView({ block: "nearest" });
  }
}

/** "Mm-hm" beside the state, for as long as a word stays in the ear. */
function showBackchannel(backchannel) {
  const element = $("backchannel");
  if (!backchannel || element.dataset.key === String(backchannel.key)) return;
  element.dataset.key = backchannel.key;
  element.textContent = backchannel.text;
  element.animate([{ opacity: 1, offset: 0.7 }, { opacity: 0 }], MURMUR_MS).finished.then(
    () => element.dataset.key === String(backchannel.key) && element.replaceChildren(),
    () => {},
  );
}

function showStages(stages) {
  $("stages-nothing").hidden = Boolean(stages?.length);
  const most = Math.max(1, ...(stages ?? []).map(([, ms]) => ms));
  $("stages").replaceChildren(
    ...(stages ?? []).map(([name, ms]) => {
      const item = element("li");
      const bar = element("i", { ariaHidden: "true" });
      bar.style.width = `${Math.max(1, (100 * ms) / most)}%`;
      item.append(element("span", { textContent: STAGES[name] ?? name.replaceAll("_", " ") }), element("b", { textContent: `${Math.round(ms)} ms` }), bar);
      return item;
    }),
  );
}

export function showFigures(stats) {
  const ms = (value) => (value === null ? "–" : `${Math.round(value)} ms`);
  const delay = stats.buffer_ms ?? stats.audio_delay_ms;
  const figures = {
    transport: stats.transport ?? "–",
    fps: stats.fps ? String(stats.fps) : "–",
    av: ms(stats.av_offset_ms),
    lost: stats.lost_pct === null ? "–" : `${stats.lost_pct.toFixed(1)} %`,
    rtt: ms(stats.rtt_ms),
    delay: ms(delay),
  };
  for (const [name, text] of Object.entries(figures)) document.querySelector(`[data-figure=${name}]`).textContent = text;
}

/** How loud the microphone is, 0 to 1, as the ring of the button, the ring of the face, and the meter of the settings. */
export function showLevel(level) {
  const shown = level > 0 ? Math.max(0, Math.min(1, 1 + Math.log10(level) / 2.4)) : 0;
  for (const id of ["mute", "frame", "meter"]) $(id).style.setProperty("--level", shown.toFixed(2));
}

export function showMute({ present, muted }) {
  const button = $("mute");
  const off = muted || !present;
  button.classList.toggle("off", off);
  button.classList.toggle("absent", !present);
  button.querySelector("use").setAttribute("href", off ? "#i-mic-off" : "#i-mic");
  button.querySelector("span").textContent = present ? "Mute the microphone" : "Use the microphone";
  if (present) button.setAttribute("aria-pressed", String(muted));
  else button.removeAttribute("aria-pressed");
}

let people = "";

export function showPeople(personas, chosen, base) {
  const group = $("people");
  group.hidden = $("persona-row").hidden = personas.length < 2;
  const now = JSON.stringify(personas);
  // Whoever chooses by the arrow keys stays where they are.
  if (now !== people) group.replaceChildren(group.querySelector("legend"), ...personas.map((persona) => personLabel(persona, base)));
  people = now;
  for (const radio of group.querySelectorAll("input")) radio.checked = radio.value === chosen;
  fillSelect($("persona"), personas.map(({ id, name }) => ({ id, label: name })), chosen);
}

function personLabel(persona, base) {
  const label = element("label");
  const radio = element("input", { type: "radio", name: "person", value: persona.id });
  const picture = element("img", { alt: "", width: 56, height: 56, hidden: true });
  const face = element("i", { ariaHidden: "true" });
  face.append(persona.name.slice(0, 1), picture);
  label.append(radio, face, element("span", { textContent: persona.name }));
  loadPortrait(picture, persona, base);
  return label;
}

export function fillSelect(select, options, chosen) {
  select.replaceChildren(...options.map(({ id, label }) => element("option", { value: id, textContent: label, selected: id === chosen })));
}

/** A sentence for screen readers, outside of the conversation. */
export function announce(text) {
  $("announcer").textContent = text;
}

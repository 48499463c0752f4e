// The page: joins what is seen (view), what is said (conversation) and how it comes here (talk).

import { dismiss, empty, reduce } from "./conversation.js";
import { copyText } from "./copying.js";
import { $ } from "./dom.js";
import { dropInvitation, invitedTo, showInvitation } from "./invitation.js";
import { onKeys } from "./keys.js";
import { Microphone, MicrophoneProblem } from "./microphone.js";
import { MicrophoneControl } from "./microphone-control.js";
import { closeOpen, setUpPanels } from "./panels.js";
import { bringBack, setUpPicture } from "./picture.js";
import { prefs, remember } from "./prefs.js";
import { openSettings, setUpSettings, toggleCaptions } from "./settings.js";
import { openShare, setUpShare } from "./share.js";
import { context } from "./sound.js";
import { Stats } from "./stats.js";
import { Talk } from "./talk.js";
import { linesOf, save } from "./transcript.js";
import * as show from "./view.js";
import { awaken } from "./waking.js";
import { firstName, whatEnded, whatLost, whatRefused } from "./wording.js";

const BASE = new URL("./", location.href);
const query = new URLSearchParams(location.search);
const video = $("video");
const microphone = new Microphone();
const control = new MicrophoneControl(microphone, { running: () => (goesOn() ? talk : null), tell: addNotice, untell: removeNotice });
let info = null;
let persona = null;
let talk = null;
let heard = null; // ends the listening to the talk in hand: what an older one says is no longer the page's
let stats = null;
let view = empty();

// --- before the conversation ---

async function load() {
  info = await awaken(BASE, (known) => {
    info = known;
    if (!persona) choosePersona(firstChoice());
  });
  toStart(persona?.id ?? firstChoice());
  const asked = query.get("persona");
  if (asked && asked !== persona.id && !isHere(asked)) addNotice("persona", "info", `There is nobody called “${asked}” here.`);
}

/** Whom the address names, else whom this visitor chose last, else whom the server has set. */
function firstChoice() {
  return [query.get("persona"), prefs.persona, info.persona].find(isHere);
}

function isHere(id) {
  return info.personas.some((each) => each.id === id);
}

function choosePersona(id) {
  persona = info.personas.find((each) => each.id === id) ?? info.personas[0];
  show.showPeople(info.personas, persona.id, BASE);
  show.showPersona(persona, BASE);
  showInvitation();
}

/** The user has chosen somebody. */
function choose(id) {
  choosePersona(id);
  remember({ persona: id });
}

function toStart(id = persona.id) {
  if (talk?.phase.reason === "unknown_conversation") dropInvitation();
  hangUp();
  choosePersona(id);
  bringBack();
  show.showScreen("start");
}

async function startTalking() {
  context();
  try {
    // Nothing, when the user has gone on without waiting for it.
    if (!(await microphone.open(prefs.microphone))) return;
  } catch (problem) {
    return showProblem(problem, start);
  }
  start();
}

/** Begins without a microphone; `text` is the first thing said. */
function startTyping(text = "") {
  microphone.close();
  start({ text });
}

function showProblem(problem, then) {
  if (!(problem instanceof MicrophoneProblem)) throw problem;
  $("microphone-title").textContent = problem.title;
  $("microphone-help").textContent = problem.help;
  show.showScreen("microphone");
  show.focusHeading("microphone-title");
  $("microphone-again").onclick = () => startTalking();
  $("microphone-type").onclick = () => then();
}

// --- the conversation ---

function start({ text = "" } = {}) {
  hangUp({ keepMicrophone: true });
  context();
  view = { ...empty(), persona };
  talk = new Talk(BASE, video, { transport: query.get("transport") ?? "" });
  stats = new Stats(talk);
  heard = new AbortController();
  const { signal } = heard;
  talk.addEventListener("phase", ({ detail }) => onPhase(detail), { signal });
  talk.addEventListener("message", ({ detail }) => onMessage(detail), { signal });
  talk.addEventListener("fallback", () => onFallback(), { signal });
  const silenced = "The browser keeps the sound back: click anywhere to hear.";
  talk.addEventListener("silenced", () => addNotice("silenced", "warning", silenced), { signal });
  control.show();
  show.showConversation(view);
  show.showReply(null);
  // A greeting would only be cut off by who has already said something.
  const greeting = query.get("greeting") !== "0" && !text;
  talk.start({ persona: persona.id, join: invitedTo(), name: prefs.name, greeting, microphone: microphone.stream, text });
}

/** Ends the talk in hand, if any. The microphone is the page's and may go on into the next one. */
function hangUp({ keepMicrophone = false } = {}) {
  heard?.abort();
  talk?.leave();
  stats?.end();
  talk = stats = null;
  if (!keepMicrophone) microphone.close();
}

function onPhase(phase) {
  const before = document.body.dataset.screen;
  const { title, text } = phase.phase === "ended" ? whatEnded(phase, persona) : whatRefused(phase, talk.info ?? info);
  if (phase.phase === "live") {
    show.showScreen("live");
    removeNotice("reconnecting");
    stats.attend(video.srcObject, () => view.turnId).catch(() => {});
    setSpeaker();
    show.showConversation(view);
    $("caption-hint").textContent = microphone.stream ? "Say hello." : `Write something to ${firstName(persona)}.`;
    if (before !== "live") show.announce(`Connected to ${persona.name}.`);
    if (before === "connecting") $(microphone.stream ? "mute" : "words").focus();
  } else if (phase.phase === "reconnecting") {
    show.showScreen("reconnecting");
    show.showAway();
    addNotice("reconnecting", "warning", whatLost(phase, persona));
  } else if (phase.phase === "refused" || phase.phase === "ended") {
    $(`${phase.phase}-title`).textContent = title;
    $(`${phase.phase}-text`).textContent = text;
    $("retry").hidden = phase.retryAt === undefined;
    show.showScreen(phase.phase);
    if (before !== phase.phase) show.focusHeading(`${phase.phase}-title`);
    if (phase.phase === "ended") microphone.close();
    bringBack();
  } else if (phase.phase === "connecting") {
    $("connecting-title").textContent = `Connecting to ${firstName(persona)}`;
    show.showScreen("connecting");
  }
}

function onMessage(message) {
  const next = reduce(view, message, Date.now());
  if (next === view) return;
  view = next;
  if (message.type === "ready" && message.persona?.id) {
    view.persona = persona = info.personas.find((each) => each.id === message.persona.id) ?? { ...persona, ...message.persona };
    show.showPersona(persona, BASE);
  }
  show.showConversation(view);
}

function onFallback() {
  addNotice("fallback", "info", "WebRTC does not get through here, so this is the plain stream: it answers about half a second later.");
}

function addNotice(reason, severity, message) {
  onMessage({ type: "notice", reason, severity, message });
}

function removeNotice(reason) {
  view = { ...view, notices: view.notices.filter((notice) => notice.reason !== reason) };
  show.showConversation(view);
}

/** Whether there is a talk, and it is not over. */
function goesOn() {
  return Boolean(talk) && talk.phase.phase !== "ended";
}

function stopReply() {
  if (!$("stop").disabled) talk?.interrupt();
}

function submitWords(event) {
  event.preventDefault();
  const text = $("words").value.trim();
  if (!text || !talk?.say(text)) return;
  $("words").value = "";
  $("send").disabled = true;
}

async function setSpeaker() {
  if (prefs.speaker && video.setSinkId) await video.setSinkId(prefs.speaker).catch(() => remember({ speaker: "" }));
}

// --- every picture, every second ---

function tick() {
  if (talk) show.showReply(view.reply, view.reply && talk.turnMs(view.reply.turnId));
  const left = Math.ceil(((talk?.phase.retryAt ?? 0) - performance.now()) / 1000);
  const line = left > 0 ? `Trying again in ${left} s.` : "Trying …";
  if ($("refused-countdown").textContent !== line) $("refused-countdown").textContent = talk?.phase.retryAt === undefined ? "" : line;
  requestAnimationFrame(tick);
}

setInterval(async () => {
  if (!$("numbers").hidden && stats) show.showFigures(await stats.read());
}, 1000);

/**
 * For benchmarks and the curious, in the console: fps, av_offset_ms (median of the last second, positive: the sound comes after
 * its picture), av_offsets_ms (every frame since the last call), lost_pct, rtt_ms, heard_at ([{at_ms since 1970, turn_id}]).
 */
window.vivantStats = async () => (stats ? { ...(await stats.read()), av_offsets_ms: talk.lips.drainOffsets(), stages: view.stages } : null);

// --- what the user does ---

$("start-talking").onclick = startTalking;
$("start-typing").onclick = () => startTyping();
$("start-starters").onclick = ({ target }) => target.matches("button") && startTyping(target.textContent);
$("live-starters").onclick = ({ target }) => target.matches("button") && talk?.say(target.textContent) && $("words").focus();
$("people").onchange = ({ target }) => choose(target.value);
$("retry").onclick = () => talk?.retry();
$("again").onclick = () => startTalking();
for (const id of ["give-up", "to-start"]) $(id).onclick = () => toStart();
$("leave").onclick = () => (["live", "reconnecting"].includes(talk?.phase.phase) ? talk.leave() : toStart());
$("mute").onclick = () => control.toggle();
$("stop").onclick = stopReply;
$("controls").onsubmit = submitWords;
$("words").oninput = () => ($("send").disabled = !$("words").value.trim());
$("copy").onclick = () => copyText(linesOf(view), $("copy"), $("log"), show.announce);
$("save").onclick = ({ target }) => target.dataset.save && save(view, target.dataset.save);
$("save-ended").onclick = () => save(view, "txt");
$("notices").onclick = ({ target }) => {
  const key = target.closest("[data-dismiss]")?.dataset.dismiss;
  if (key === undefined) return;
  view = dismiss(view, Number(key));
  show.showConversation(view);
};
for (const id of ["ai", "keys", "settings", "share"]) {
  // Beside the dialog is its own backdrop.
  $(id).addEventListener("click", ({ target }) => target === $(id) && $(id).close());
}
$("open-ai").onclick = () => $("ai").showModal();
$("open-keys").onclick = () => $("keys").showModal();
$("open-settings").onclick = () => openSettings(microphone);
$("open-share").onclick = () => openShare(persona, BASE, goesOn() ? view.conversationId : "");
$("captions").onclick = toggleCaptions;
setUpPanels();
setUpShare();
setUpPicture(video, $("stage"), (message) => addNotice("picture", "info", message));

setUpSettings({
  persona: (id) => {
    dropInvitation();
    choose(id);
    // What has ended stays ended until somebody begins anew.
    if (goesOn()) start();
  },
  name: (name) => {
    remember({ name });
    talk?.rename(name);
  },
  microphone: async (id) => {
    remember({ microphone: id });
    await control.change();
  },
  speaker: (id) => (remember({ speaker: id }), setSpeaker()),
});
onKeys({
  mute: () => control.toggle(),
  stop: stopReply,
  help: () => $("keys").showModal(),
  captions: toggleCaptions,
  field: () => ($("controls").hidden ? null : $("words")),
  close: closeOpen,
});

// A page that is only kept aside by the browser finds its conversation ended when it comes back.
addEventListener("pagehide", () => talk?.leave());
addEventListener("click", () => talk && video.paused && (video.srcObject || video.src) && video.play().catch(() => {}));

tick();
load();

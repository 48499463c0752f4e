// The page: joins what is seen (view), what is said (conversation) and how it comes here (talk).

import { getInfo } from "./api.js";
import { dismiss, empty, reduce, transcriptText } from "./conversation.js";
import { onKeys } from "./keys.js";
import { Microphone, MicrophoneProblem } from "./microphone.js";
import { openSettings, setUpSettings } from "./settings.js";
import { prefs, remember } from "./prefs.js";
import { context } from "./sound.js";
import { Stats } from "./stats.js";
import { Talk } from "./talk.js";
import * as show from "./view.js";
import { whatEnded, whatLost, whatRefused } from "./wording.js";

const { $ } = show;
const BASE = new URL("./", location.href);
const POLL_MS = 1000;
/** Parts that do not come by then may be left out. */
const PATIENCE_POLLS = 10;
const query = new URLSearchParams(location.search);
const video = $("video");
const microphone = new Microphone();
let info = null;
let persona = null;
let talk = null;
let stats = null;
let view = empty();

// --- before the conversation ---

async function load() {
  show.showScreen("loading");
  for (let polls = 0; ; polls += 1) {
    info = await getInfo(BASE).catch(() => null);
    const known = Boolean(info?.personas.length);
    if (known && info.ready) break;
    show.showLoading(info);
    if (known && !persona) choosePersona(query.get("persona") || info.persona);
    $("start-anyway").hidden = !known || polls < PATIENCE_POLLS;
    const anyway = await Promise.race([sleep(POLL_MS), clicked("start-anyway")]);
    if (anyway) break;
  }
  choosePersona(query.get("persona") || persona?.id || info.persona);
  toStart();
}

function choosePersona(id) {
  persona = info.personas.find((each) => each.id === id) ?? info.personas[0];
  show.showPeople(info.personas, persona.id, BASE);
  show.showPersona(persona, BASE);
}

function toStart() {
  hangUp();
  show.showScreen("start");
}

async function startTalking() {
  context();
  try {
    await microphone.open(prefs.microphone);
  } catch (problem) {
    return showProblem(problem, start);
  }
  start();
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

function start() {
  hangUp({ keepMicrophone: true });
  context();
  view = { ...empty(), persona };
  talk = new Talk(BASE, video, { transport: query.get("transport") ?? "" });
  stats = new Stats(talk);
  talk.addEventListener("phase", ({ detail }) => onPhase(detail));
  talk.addEventListener("message", ({ detail }) => onMessage(detail));
  talk.addEventListener("fallback", ({ detail }) => onFallback(detail));
  talk.addEventListener("silenced", () => addNotice("silenced", "warning", "The browser keeps the sound back: click anywhere to hear."));
  show.showMute({ present: Boolean(microphone.stream), muted: microphone.muted });
  show.showConversation(view);
  show.showReply(null);
  talk.start({ persona: persona.id, greeting: query.get("greeting") !== "0", microphone: microphone.stream });
}

function hangUp({ keepMicrophone = false } = {}) {
  talk?.leave();
  stats?.end();
  talk = stats = null;
  if (!keepMicrophone) microphone.close();
}

function onPhase(phase) {
  const before = document.body.dataset.screen;
  const { title, text } = phase.phase === "ended" ? whatEnded(phase, persona) : whatRefused(phase, info);
  if (phase.phase === "live") {
    show.showScreen("live");
    removeNotice("reconnecting");
    stats.attend(video.srcObject, () => view.turnId).catch(() => {});
    setSpeaker();
    show.showConversation(view);
    $("caption-hint").textContent = microphone.stream ? "Say hello." : `Write something to ${show.firstName(persona)}.`;
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
  } else if (phase.phase === "connecting") {
    $("connecting-title").textContent = `Connecting to ${show.firstName(persona)}`;
    show.showScreen("connecting");
  }
}

function onMessage(message) {
  const next = reduce(view, message);
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

async function toggleMute() {
  if (microphone.stream) {
    microphone.mute(!microphone.muted);
  } else {
    try {
      microphone.mute(false);
      await talk?.useMicrophone(await microphone.open(prefs.microphone));
    } catch (problem) {
      if (!(problem instanceof MicrophoneProblem)) throw problem;
      addNotice("microphone", "warning", `${problem.title}. ${problem.help}`);
    }
  }
  show.showMute({ present: Boolean(microphone.stream), muted: microphone.muted });
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
$("start-typing").onclick = () => (microphone.close(), start());
$("people").onchange = ({ target }) => choosePersona(target.value);
$("retry").onclick = () => talk?.retry();
$("again").onclick = () => startTalking();
for (const id of ["give-up", "to-start"]) $(id).onclick = toStart;
$("leave").onclick = () => (talk?.phase.phase === "live" ? talk.leave() : toStart());
$("mute").onclick = toggleMute;
$("stop").onclick = stopReply;
$("controls").onsubmit = submitWords;
$("words").oninput = () => ($("send").disabled = !$("words").value.trim());
$("copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText(transcriptText(view));
    $("copy").textContent = "Copied";
  } catch {
    // Only secure pages may; others get it selected, for Ctrl-C.
    getSelection().selectAllChildren($("log"));
    $("copy").textContent = "Selected";
  }
  setTimeout(() => ($("copy").textContent = "Copy"), 2000);
};
$("notices").onclick = ({ target }) => {
  const key = target.closest("[data-dismiss]")?.dataset.dismiss;
  if (key === undefined) return;
  view = dismiss(view, Number(key));
  show.showConversation(view);
};
for (const id of ["ai", "keys", "settings"]) {
  // Beside the dialog is its own backdrop.
  $(id).addEventListener("click", ({ target }) => target === $(id) && $(id).close());
}
$("open-ai").onclick = () => $("ai").showModal();
$("open-keys").onclick = () => $("keys").showModal();
$("open-settings").onclick = () => openSettings(microphone);
const wide = matchMedia("(min-width: 68rem)");
const showLog = toggles("open-log", "logbook", "close-log", (open) => wide.matches && remember({ log: open }));
const showNumbers = toggles("open-numbers", "numbers", "close-numbers");
// Beside the face where there is room; else it would cover her, and comes when it is asked for.
wide.onchange = () => showLog(wide.matches && prefs.log, { quiet: true });
wide.onchange();

setUpSettings({
  persona: (id) => {
    choosePersona(id);
    if (talk) start();
  },
  microphone: async (id) => {
    remember({ microphone: id });
    if (!microphone.stream) return;
    await microphone.open(id).then(
      (stream) => talk?.useMicrophone(stream),
      (problem) => addNotice("microphone", "warning", `${problem.title}. ${problem.help}`),
    );
  },
  speaker: (id) => (remember({ speaker: id }), setSpeaker()),
});
onKeys({
  mute: () => talk && toggleMute(),
  stop: stopReply,
  help: () => $("keys").showModal(),
  field: () => ($("controls").hidden ? null : $("words")),
  close: () => closeOpen(),
});

microphone.addEventListener("level", ({ detail }) => show.showLevel(detail));
microphone.addEventListener("silent", ({ detail }) => {
  if (!talk) return;
  if (detail) addNotice("quiet", "warning", `Nothing comes from ${microphone.label || "the microphone"}. Is it switched off, or is another one meant? Choose in the settings, or type.`);
  else removeNotice("quiet");
});
microphone.addEventListener("ended", async () => {
  addNotice("microphone", "warning", "The microphone was unplugged. Choose another one in the settings, or type.");
  microphone.close();
  show.showMute({ present: false, muted: false });
});
addEventListener("pagehide", () => talk?.send({ type: "leave" }));
addEventListener("click", () => talk && video.paused && (video.srcObject || video.src) && video.play().catch(() => {}));

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

/** Closes the sheet that covers the page; whether there was one. */
function closeOpen() {
  const [panel, closer] = [["numbers", "close-numbers"], ["logbook", "close-log"]].find(([id]) => $(id).contains(document.activeElement)) ?? [];
  if (panel && !wide.matches) $(closer).click();
  return Boolean(panel) && !wide.matches;
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms, false));
}

function clicked(id) {
  return new Promise((resolve) => ($(id).onclick = () => resolve(true)));
}

tick();
load();

// <vivant-person src="https://host" persona="june" greeting>: a person of a Vivant server, on any page.
//
//   <script type="module" src="https://host/vivant-person.js"></script>
//
// Attributes  src (default: where this script came from), persona, greeting
// Methods     start({microphone = true}), stop(), say(text), interrupt()
// Events      vivant-state       {phase, floor}            phase: idle, connecting, live, reconnecting, refused, ended
//             vivant-caption     {turnId, text, words}     what she is about to say, as it becomes known
//             vivant-transcript  {text, final, typed}      what was understood of the user
//             vivant-error       {reason, message}
//
// The server must allow the page's origin: GATEWAY_ORIGINS.

import { getInfo } from "./api.js";
import { empty, reduce } from "./conversation.js";
import { Microphone } from "./microphone.js";
import { sheet, template } from "./person-parts.js";
import { loadPortrait } from "./portrait.js";
import { ReplyLine } from "./reply-line.js";
import { context } from "./sound.js";
import { Talk } from "./talk.js";

const FLOORS = { listening: "Listening", thinking: "Thinking", speaking: "Speaking", paused: "Paused", silent: "Quiet" };
const WAITING = { connecting: "Connecting …", reconnecting: "Connection lost. Trying again …" };

export class VivantPerson extends HTMLElement {
  static observedAttributes = ["src", "persona"];
  #root = this.attachShadow({ mode: "open" });
  #microphone = new Microphone();
  #talk = null;
  #view = empty();
  #reply;
  #persona = null;
  #unsaid = []; // texts from before the connection was there
  #onHide = () => this.stop();

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [sheet()];
    this.#root.append(template());
    this.#reply = new ReplyLine(this.#part("reply"));
    this.#part("start").onclick = () => this.start();
    this.#part("type").onclick = () => this.start({ microphone: false });
    this.#part("end").onclick = () => this.stop();
    this.#part("stop").onclick = () => this.interrupt();
    this.#part("mute").onclick = () => this.#toggleMute();
    this.#part("ai").onclick = () => this.#part("disclosure").toggleAttribute("hidden");
    this.#part("form").onsubmit = (event) => {
      event.preventDefault();
      const field = this.#part("words");
      if (field.value.trim()) this.say(field.value.trim());
      field.value = "";
    };
    this.#microphone.addEventListener("level", ({ detail }) => this.style.setProperty("--level", Math.min(1, detail * 4).toFixed(2)));
  }

  connectedCallback() {
    addEventListener("pagehide", this.#onHide);
    this.#introduce();
  }

  disconnectedCallback() {
    removeEventListener("pagehide", this.#onHide);
    this.stop();
  }

  attributeChangedCallback() {
    if (this.isConnected && !this.#talk) this.#introduce();
  }

  /** Begins a conversation; call it from a click or a key, so that the browser lets it sound. */
  async start({ microphone = true } = {}) {
    this.stop();
    context();
    this.#view = empty();
    const talk = (this.#talk = new Talk(this.#base, this.#part("video")));
    talk.addEventListener("phase", ({ detail }) => this.#onPhase(detail));
    talk.addEventListener("message", ({ detail }) => this.#onMessage(detail));
    this.#onPhase({ phase: "connecting" });
    if (microphone) await this.#microphone.open().catch((problem) => this.#fail(problem.reason, `${problem.title}. ${problem.help}`));
    if (talk !== this.#talk) return;
    talk.start({
      persona: this.getAttribute("persona") ?? "",
      greeting: this.hasAttribute("greeting"),
      microphone: this.#microphone.stream,
    });
    this.#draw();
  }

  /** Ends the conversation. */
  stop() {
    const talk = this.#talk;
    this.#talk = null;
    this.#microphone.close();
    if (!talk) return;
    talk.leave();
    this.#onPhase({ phase: "ended" });
  }

  /** Says it to the person; begins a conversation without a microphone when there is none. */
  say(text) {
    if (this.#talk?.say(text)) return;
    this.#unsaid.push(text);
    if (!this.#talk) this.start({ microphone: false });
  }

  /** Stops what is being said. */
  interrupt() {
    this.#talk?.interrupt();
  }

  get #base() {
    const given = this.getAttribute("src");
    return given ? new URL(`${given.replace(/\/$/, "")}/`, location.href) : new URL("./", import.meta.url);
  }

  async #introduce() {
    try {
      const info = await getInfo(this.#base);
      this.#persona = info.personas.find(({ id }) => id === (this.getAttribute("persona") || info.persona)) ?? info.personas[0] ?? null;
    } catch (refusal) {
      return this.#fail(refusal.reason, refusal.message);
    }
    const { name = "", disclosure = "", portrait = "" } = this.#persona ?? {};
    this.#part("ai-name").textContent = name ? `${name} is an AI` : "AI";
    this.#part("disclosure").textContent = disclosure;
    this.#part("words").placeholder = name ? `Type to ${name.split(" ")[0]}` : "Type a message";
    loadPortrait(this.#part("portrait"), { portrait }, this.#base);
  }

  #onPhase(phase) {
    const live = phase.phase === "live" || phase.phase === "reconnecting";
    this.#part("controls").hidden = !live;
    this.#part("idle").hidden = live || phase.phase === "connecting";
    this.#part("trouble").textContent = phase.phase === "refused" ? phase.message : [phase.bye?.message, WAITING[phase.phase]].filter(Boolean).join(" ");
    this.#part("frame").dataset.phase = phase.phase;
    if (phase.phase === "refused") this.#fail(phase.reason, phase.message);
    if (phase.phase === "live") for (const text of this.#unsaid.splice(0)) this.#talk.say(text);
    if (phase.phase === "ended") {
      this.#microphone.close();
      this.#talk = null;
      if (phase.message) this.#part("trouble").textContent = phase.message;
    }
    this.#emit("vivant-state", { phase: phase.phase, floor: this.#view.floor });
    this.#show();
  }

  #onMessage(message) {
    this.#view = reduce(this.#view, message, Date.now());
    if (message.type === "state") this.#emit("vivant-state", { phase: "live", floor: message.state });
    if (message.type === "caption") this.#emit("vivant-caption", { turnId: message.turn_id, text: message.text, words: message.words });
    if (message.type === "transcript") this.#emit("vivant-transcript", { text: message.text, final: message.final, typed: message.typed });
    if (message.type === "notice" && message.severity === "error") this.#emit("vivant-error", { reason: message.reason, message: message.message });
    this.#show();
  }

  #show() {
    const { floor, you } = this.#view;
    this.#part("frame").dataset.floor = floor;
    this.#part("floor").textContent = FLOORS[floor] ?? "";
    this.#part("you").textContent = you ? you.stable + you.rest : "";
    this.#part("you").classList.toggle("final", Boolean(you?.final));
    this.#part("stop").disabled = floor === "listening" || floor === "silent";
    this.#part("mute").hidden = !this.#microphone.stream;
    this.#part("mute").setAttribute("aria-pressed", String(this.#microphone.muted));
  }

  #draw() {
    if (!this.#talk) return this.#reply.show(null);
    const { reply } = this.#view;
    this.#reply.show(reply, reply && this.#talk.turnMs(reply.turnId));
    requestAnimationFrame(() => this.#draw());
  }

  #toggleMute() {
    this.#microphone.mute(!this.#microphone.muted);
    this.#show();
  }

  #fail(reason, message) {
    this.#part("trouble").textContent = message;
    this.#emit("vivant-error", { reason, message });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #part(name) {
    return this.#root.getElementById(name);
  }
}

if (!customElements.get("vivant-person")) customElements.define("vivant-person", VivantPerson);

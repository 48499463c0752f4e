// One conversation over connections that come and go: connects, falls back, reconnects, and says what it is doing.

import { Refused, getInfo, postLeave } from "./api.js";
import * as webrtc from "./connection-webrtc.js";
import * as websocket from "./connection-websocket.js";
import { LipSync } from "./lip-sync.js";
import { Playhead } from "./playhead.js";

/** The gateway keeps a conversation for so long; see GATEWAY_RESUME_S. */
const RESUME_MS = 30_000;
const QUICK_MS = [250, 500, 1000, 2000, 4000];
const FIRST_MS = 3000;
const SLOW_MS = 10_000;
const PLAYED_MS = 200;
/** Refusals that waiting does not change. */
const FINAL = new Set(["forbidden_origin", "unknown_persona", "not_found", "unknown_conversation", "bad_request", "too_large", "unsupported"]);
/** Ends that are not the end: a part of the system goes and comes back. */
const PASSING = new Set(["shutdown", "unavailable", "loading", "unreachable", "connection_lost", "timeout", "client_too_slow"]);
/** A connection that was lost sooner than this counts as one more try. */
const STABLE_MS = 5000;

/**
 * Events: `phase` ({phase, reason, message, retryAt, lostAt, bye: what the gateway said before a connection was lost}), `message` (one of the gateway), `fallback` (reason).
 * Phases: idle, connecting, live, reconnecting, refused (waits and tries again when `retryAt` is set), ended.
 */
export class Talk extends EventTarget {
  phase = { phase: "idle" };
  playhead = new Playhead();
  /** How well sound and picture keep together. */
  lips;
  connection = null;
  /** What the server said of itself before the last connection; null before the first. */
  info = null;
  #base;
  #video;
  #microphone = null;
  #options = {};
  #visit = "";
  #token = "";
  #conversationId = "";
  #transport = "webrtc";
  #told = false;
  #run = 0; // what belongs to an older run of #connect stops by itself
  #wake = null;
  #timer = 0;
  #lastPlayed = "";
  #liveSince = -Infinity;
  #tries = 0;
  #sounding = null; // the microphone that the connection has
  #own = ""; // the id under which this page is heard
  #unheard = []; // texts of which no transcript has come: a connection that is lost takes them with it

  /** `base`: address of the gateway; `video`: the element that shows and sounds. */
  constructor(base, video, { transport = "" } = {}) {
    super();
    this.#base = base;
    this.#video = video;
    this.lips = new LipSync(this, video);
    this.#transport = transport || (webrtc.supported() ? "webrtc" : "websocket");
  }

  get transport() {
    return this.connection?.transport ?? this.#transport;
  }

  /**
   * Begins a new conversation, or enters the one to `join`, under a `name` or none. `microphone` is a MediaStream or null; `text` is
   * said as soon as somebody hears it.
   */
  start({ persona = "", join = "", name = "", greeting = true, microphone = null, text = "" }) {
    this.#options = { persona, join, name, greeting };
    this.#microphone = microphone;
    this.#visit = random();
    this.#token = this.#conversationId = "";
    this.#liveSince = -Infinity;
    this.#unheard = text ? [text] : [];
    this.#own = "";
    this.#connect("connecting");
  }

  /**
   * Another microphone, or the first one: in place when that is possible, else by a new connection to the same conversation. A
   * connection that is still being made gets it when it is there.
   */
  async useMicrophone(stream) {
    this.#microphone = stream;
    if (!this.connection || this.phase.phase !== "live") return;
    this.#sounding = stream;
    const replaced = stream && (await this.connection.replaceMicrophone(stream));
    if (replaced) return;
    this.#liveSince = -Infinity; // wanted, not lost
    this.#connect("reconnecting");
  }

  say(text) {
    const sent = this.send({ type: "text", text });
    if (sent) this.#unheard.push(text);
    return sent;
  }

  /** Whoever is at this page is called so from now on. */
  rename(name) {
    this.#options = { ...this.#options, name };
    return Boolean(name) && this.send({ type: "name", name });
  }

  interrupt() {
    return this.send({ type: "interrupt" });
  }

  send(message) {
    return this.connection?.send(message) ?? false;
  }

  /** Tries again now instead of when the countdown is over. */
  retry() {
    if (this.#wake) this.#wake();
    else if (this.phase.phase !== "live") this.#connect(this.#token ? "reconnecting" : "connecting");
  }

  /** Ends the conversation. One that has ended stays as it ended. */
  leave() {
    if (this.phase.phase === "ended") return;
    this.send({ type: "leave" });
    // A message may die with its connection, and the place of a conversation that nobody left is kept for a while.
    if (this.phase.phase !== "idle") postLeave(this.#base, this.#token, this.#visit);
    this.#stop();
    this.#enter({ phase: "ended", reason: "left", message: "" });
  }

  /** Ms of reply `turnId` that have been heard; null when unknown. */
  turnMs(turnId) {
    return this.playhead.turnMs(turnId, performance.now(), (clock) => this.connection?.elapsed(clock) ?? null);
  }

  async #connect(phase, bye = null) {
    const run = this.#stop();
    const lostAt = performance.now();
    this.#tries = lostAt - this.#liveSince < STABLE_MS ? this.#tries + 1 : 0;
    this.#enter({ phase, lostAt, bye });
    if (this.#tries) await this.#pause(QUICK_MS[Math.min(this.#tries, QUICK_MS.length - 1)]);
    while (run === this.#run) {
      try {
        await this.#open(run);
        return;
      } catch (error) {
        if (run !== this.#run) return;
        const refusal = error instanceof Refused ? error : new Refused("fault", error.message);
        if (!(error instanceof Refused)) console.error(error);
        if (FINAL.has(refusal.reason)) return this.#enter({ phase: "refused", reason: refusal.reason, message: refusal.message });
        const quick = phase === "reconnecting" && refusal.reason !== "full" && performance.now() - lostAt < RESUME_MS;
        const wait = quick ? QUICK_MS[Math.min(this.#tries, QUICK_MS.length - 1)] : this.#tries ? SLOW_MS : FIRST_MS;
        this.#tries += 1;
        const shown = quick ? "reconnecting" : "refused";
        this.#enter({ phase: shown, reason: refusal.reason, message: refusal.message, retryAt: performance.now() + wait, lostAt, bye });
        await this.#pause(wait);
        if (run === this.#run) this.#enter({ ...this.phase, retryAt: 0 });
      }
    }
  }

  async #open(run) {
    const info = await getInfo(this.#base);
    if (run !== this.#run) return;
    this.info = info;
    try {
      await this.#try(run, this.#transport, info);
    } catch (error) {
      if (error.reason !== "no_webrtc" || run !== this.#run) throw error;
      if (!websocket.supported()) throw new Refused("unsupported", "This browser can play neither WebRTC nor the plain stream.");
      await this.#try(run, "websocket", info);
      this.#transport = "websocket";
      if (!this.#told) this.dispatchEvent(new CustomEvent("fallback", { detail: error.message }));
      this.#told = true;
    }
  }

  async #try(run, transport, info) {
    const callbacks = {
      onAnswer: (answer) => run === this.#run && this.#remember(answer),
      onMessage: (message) => run === this.#run && this.#receive(message),
      onLost: () => run === this.#run && this.#connect("reconnecting"),
      onQuiet: (quiet) => run === this.#run && this.#onQuiet(quiet),
    };
    const connection =
      transport === "webrtc" ? new webrtc.WebRtcConnection(callbacks) : new websocket.WebSocketConnection(callbacks, this.#video);
    this.connection = connection;
    if (transport === "webrtc") {
      this.#video.removeAttribute("src");
      this.#video.srcObject = connection.stream;
    }
    this.#sounding = this.#microphone;
    await connection.open({
      base: this.#base,
      iceServers: info.ice_servers ?? [],
      microphone: this.#microphone,
      ...this.#options,
      // She greets once, not after every lost connection.
      greeting: this.#options.greeting && !this.#token,
      // Who comes back finds the others by the conversation, or begins it anew where all had to leave.
      join: this.#conversationId ? "" : this.#options.join,
      visit: this.#visit,
      token: this.#token,
      conversationId: this.#conversationId,
    });
    if (run !== this.#run) return connection.close();
    this.#video.play().catch(({ name }) => name === "NotAllowedError" && this.dispatchEvent(new Event("silenced")));
    this.#timer = setInterval(() => this.#reportPlayed(), PLAYED_MS);
    this.#liveSince = performance.now();
    this.#goLive();
    for (const text of this.#unheard.splice(0)) this.say(text);
  }

  #goLive() {
    this.#enter({ phase: "live" });
    if (this.#microphone !== this.#sounding) this.useMicrophone(this.#microphone);
  }

  /** Nothing comes any more, or again: whatever is tried for it, what is shown is not what the persona does. */
  #onQuiet(quiet) {
    if (quiet && this.phase.phase === "live") this.#enter({ phase: "reconnecting", lostAt: performance.now(), bye: null });
    else if (!quiet && this.phase.phase === "reconnecting") this.#goLive();
  }

  #receive(message) {
    if (message.type === "ready") {
      this.#remember(message);
      this.#own = message.participant.id;
    }
    if (message.type === "relabel" && message.from_id === this.#own) this.#own = message.to_id;
    if (message.type === "transcript" && message.typed && message.final && message.participant_id === this.#own) this.#unheard.shift();
    const elapsed = (clock) => this.connection?.elapsed(clock) ?? null;
    this.playhead.feed(message, performance.now(), elapsed, this.connection?.delayMs() ?? 0);
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
    if (message.type !== "bye") return;
    if (PASSING.has(message.reason)) return this.#connect("reconnecting", message);
    this.#stop();
    const phase = message.reason === "full" ? "refused" : "ended";
    this.#enter({ phase, reason: message.reason, message: message.message });
  }

  #remember({ token, conversation_id: conversationId }) {
    this.#token = token || this.#token;
    this.#conversationId = conversationId || this.#conversationId;
  }

  #reportPlayed() {
    const played = this.connection?.played();
    const text = JSON.stringify(played);
    if (!played || text === this.#lastPlayed) return;
    this.#lastPlayed = text;
    this.send({ type: "played", ...played });
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      this.#wake = done;
      addEventListener("online", done, { once: true });
      function done() {
        clearTimeout(timer);
        removeEventListener("online", done);
        resolve();
      }
    }).finally(() => (this.#wake = null));
  }

  #stop() {
    clearInterval(this.#timer);
    this.connection?.close();
    this.connection = null;
    this.playhead = new Playhead();
    this.#wake?.();
    return (this.#run += 1);
  }

  #enter(phase) {
    this.phase = phase;
    if (phase.phase === "ended") this.lips.end();
    this.dispatchEvent(new CustomEvent("phase", { detail: phase }));
  }
}

/** 128 bits that nobody guesses; pages without https have no `randomUUID`. */
function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// One WebSocket connection to the gateway, for networks without WebRTC: a WebM stream for media source extensions in, the
// microphone as PCM out, messages as text.

import { Refused } from "./api.js";
import { Heartbeat } from "./heartbeat.js";
import { LiveSource } from "./live-source.js";
import { pcmOf } from "./sound.js";

const OPEN_MS = 8000;
const MISSES = 4;
/** More than this waiting to be sent is no conversation any more: the microphone's oldest is dropped. */
const MOST_WAITING_BYTES = 32_000;

/** Whether this browser can. */
export const supported = () => typeof WebSocket === "function" && LiveSource.supported();

export class WebSocketConnection {
  transport = "websocket";
  #socket;
  #source;
  #callbacks;
  #stopMicrophone = null;
  #heart = new Heartbeat(
    MISSES,
    (message) => this.send(message),
    () => this.#lose(),
    (quiet) => this.#callbacks.onQuiet(quiet),
  );
  #closed = false;

  /** `onMessage`, `onLost` and `onQuiet` as of the WebRTC connection. `video` plays it. */
  constructor(callbacks, video) {
    this.#callbacks = callbacks;
    this.#source = new LiveSource(video);
  }

  /** Resolves when messages can be sent. Raises Refused. */
  async open({ base, microphone, persona, join, name, greeting, visit, token, conversationId }) {
    const url = new URL("api/stream", base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const query = { persona, join, name, visit, token, conversation_id: conversationId, greeting: greeting ? "1" : "", microphone: microphone ? "1" : "" };
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    const socket = (this.#socket = new WebSocket(url));
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.#receive(event.data);
    try {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Refused("unreachable", "The server does not answer.")), OPEN_MS);
        socket.onopen = () => resolve(clearTimeout(timer));
        socket.onclose = () => reject(new Refused("unreachable", "The server does not answer.", clearTimeout(timer)));
      });
      socket.onclose = () => this.#lose();
      if (microphone) this.#stopMicrophone = await pcmOf(microphone, (pcm) => this.#sendSound(pcm));
    } catch (error) {
      this.close();
      throw error instanceof Refused ? error : new Refused("unreachable", error.message);
    }
    if (this.#closed) throw new Refused("closed", "The connection was given up.");
    this.#heart.begin();
  }

  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  async replaceMicrophone(stream) {
    if (!this.#stopMicrophone) return false;
    this.#stopMicrophone();
    this.#stopMicrophone = await pcmOf(stream, (pcm) => this.#sendSound(pcm));
    return true;
  }

  /** What is being played, for the message `played`; null before the first sound. */
  played() {
    const ms = this.#source.positionMs();
    return ms === null ? null : { ms: Math.round(ms) };
  }

  /** Milliseconds since the unit of `clock` began to be heard, negative before; null when unknown. */
  elapsed(clock) {
    const ms = this.#source.positionMs();
    return ms === null || clock.ms === undefined ? null : ms - clock.ms;
  }

  /** What was sent now is heard when all before it has been played. */
  delayMs() {
    return this.#source.aheadMs() ?? 0;
  }

  /** Picture and sound come out of one stream: the browser keeps them together and does not say how well. */
  lag() {
    return null;
  }

  /** Nothing to do, then. */
  shiftSound() {}

  async numbers() {
    return { transport: "WebSocket", rttMs: this.#heart.rttMs, bufferMs: this.#source.aheadMs(), skippedMs: this.#source.skippedMs };
  }

  close() {
    this.#closed = true;
    this.#heart.end();
    this.#stopMicrophone?.();
    this.#source.close();
    if (this.#socket) {
      this.#socket.onclose = this.#socket.onmessage = null;
      this.#socket.close();
    }
  }

  #receive(data) {
    if (typeof data !== "string") {
      this.#heart.sign();
      return this.#source.append(data);
    }
    const message = this.#heart.read(data);
    if (message?.type === "ready") this.#source.withPicture = message.video !== null;
    if (message) this.#callbacks.onMessage(message);
  }

  #sendSound(pcm) {
    if (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount < MOST_WAITING_BYTES) this.#socket.send(pcm);
  }

  #lose() {
    if (this.#closed) return;
    this.close();
    this.#callbacks.onLost();
  }
}

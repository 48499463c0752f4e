// How well the connection does: frames per second, A/V offset, loss, round trip, and when the persona began to be heard.

import { listen } from "./sound.js";

const WINDOW_MS = 1000;
const KEPT = 1500; // a minute of frames

/** Stages of a reply in words for people. */
export const STAGES = {
  end_of_turn: "End of your turn noticed",
  filler: "A little word to bridge",
  llm_first_text: "First words thought of",
  tts_first_audio: "First sound made",
  first_unit: "First picture and sound sent",
};

export class Stats {
  /** When the persona began to be heard: `[{at_ms, turn_id}]`, ms since 1970. */
  heardAt = [];
  #talk;
  #video;
  #frames = []; // [displayed at, offset or null]
  #fresh = [];
  #stopEar = null;
  #ended = false;

  constructor(talk, video) {
    this.#talk = talk;
    this.#video = video;
    this.#nextFrame();
  }

  /** Listens to what comes in; call it when a connection has its tracks. */
  async attend(stream, turnId) {
    this.#stopEar?.();
    this.#stopEar = null;
    if (!stream?.getAudioTracks().length) return;
    this.#stopEar = await listen(stream, (at) => {
      this.heardAt = [...this.heardAt, { at_ms: at, turn_id: turnId() }].slice(-100);
    });
  }

  /**
   * Now: `fps` of the last second; `av_offset_ms`, median of the last second, positive when the sound comes after its picture;
   * `lost_pct` of all packets of this connection; `rtt_ms`; `heard_at`; `transport`. What is not known is null.
   */
  async read() {
    const now = performance.now();
    const recent = this.#frames.filter(([at]) => at > now - WINDOW_MS);
    const offsets = recent.map(([, offset]) => offset).filter((offset) => offset !== null);
    const numbers = (await this.#talk.connection?.numbers().catch(() => ({}))) ?? {};
    const { lost, received } = numbers;
    return {
      fps: recent.length,
      av_offset_ms: median(offsets) ?? numbers.playoutLagMs ?? null,
      lost_pct: lost === undefined ? null : (100 * lost) / Math.max(1, lost + received),
      rtt_ms: numbers.rttMs ?? null,
      audio_delay_ms: numbers.audioDelayMs ?? null,
      video_delay_ms: numbers.videoDelayMs ?? null,
      buffer_ms: numbers.bufferMs ?? null,
      transport: numbers.transport ?? null,
      heard_at: this.heardAt,
    };
  }

  /** The A/V offset of every frame since the last call, in ms. */
  drainOffsets() {
    return this.#fresh.splice(0);
  }

  end() {
    this.#ended = true;
    this.#stopEar?.();
  }

  #nextFrame() {
    this.#video.requestVideoFrameCallback?.((_, frame) => {
      if (this.#ended) return;
      const { clock } = this.#talk.playhead;
      const { connection } = this.#talk;
      const offset = clock && connection ? connection.lag(clock, frame.rtpTimestamp, frame.expectedDisplayTime) : null;
      this.#frames.push([frame.expectedDisplayTime, offset]);
      if (this.#frames.length > KEPT) this.#frames.shift();
      if (offset !== null && this.#fresh.push(offset) > KEPT) this.#fresh.shift();
      this.#nextFrame();
    });
  }

}

function median(values) {
  if (!values.length) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

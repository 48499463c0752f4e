// How well the connection does: frames per second, A/V offset, loss, round trip, and when the persona began to be heard.

import { listen } from "./sound.js";

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
  #stopEar = null;

  constructor(talk) {
    this.#talk = talk;
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
    const { lips } = this.#talk;
    const numbers = (await this.#talk.connection?.numbers().catch(() => ({}))) ?? {};
    const { lost, received } = numbers;
    return {
      fps: lips.fps,
      av_offset_ms: lips.offsetMs ?? numbers.playoutLagMs ?? null,
      lost_pct: lost === undefined ? null : (100 * lost) / Math.max(1, lost + received),
      rtt_ms: numbers.rttMs ?? null,
      audio_delay_ms: numbers.audioDelayMs ?? null,
      video_delay_ms: numbers.videoDelayMs ?? null,
      buffer_ms: numbers.bufferMs ?? null,
      transport: numbers.transport ?? null,
      heard_at: this.heardAt,
    };
  }

  end() {
    this.#stopEar?.();
  }
}

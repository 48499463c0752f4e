// Plays a live WebM stream near its edge: what is old is dropped, never caught up with in full.

const TYPE = 'video/webm; codecs="vp8,opus"';
const SOUND_ONLY = 'audio/webm; codecs="opus"';
/** Where to be behind the edge, in seconds. */
const AIM = 0.2;
/** From here on a little faster; from LATE on with a jump. */
const BEHIND = 0.4;
const LATE = 1.0;
const FASTER = 1.08;
/**
 * What was played is kept for so long, in seconds. The browser forgets pictures up to the next one that stands alone, so this
 * must be longer than the gateway's ten seconds between two of those: else what is about to be shown would be forgotten too.
 */
const KEEP = 15;
/** Bytes that may wait for the decoder; more means that it stands still. */
const MOST_WAITING = 4_000_000;

const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

export class LiveSource {
  skippedMs = 0;
  /** Set before the first bytes. */
  withPicture = true;
  #video;
  #media = null;
  #buffer = null;
  #waiting = [];
  #bytes = 0;
  #url = "";

  static supported() {
    return Boolean(Source?.isTypeSupported(TYPE));
  }

  constructor(video) {
    this.#video = video;
  }

  /** The next bytes of the stream, from its very beginning on. */
  append(data) {
    if (!this.#media) this.#begin();
    this.#waiting.push(data);
    this.#bytes += data.byteLength;
    if (this.#bytes > MOST_WAITING) this.close();
    else this.#feed();
  }

  /** Position in the stream that is being played, in ms; null before it plays. */
  positionMs() {
    return this.#buffer?.buffered.length && this.#video.readyState >= 2 ? this.#video.currentTime * 1000 : null;
  }

  /** How much is there to be played, in ms. */
  aheadMs() {
    const edge = this.#edge();
    return edge === null ? undefined : (edge - this.#video.currentTime) * 1000;
  }

  close() {
    this.#waiting = [];
    this.#bytes = 0;
    if (!this.#media) return;
    if (this.#url) URL.revokeObjectURL(this.#url);
    if (this.#video.src === this.#url) {
      this.#video.removeAttribute("src");
      this.#video.load();
    }
    this.#media = this.#buffer = null;
    this.#url = "";
  }

  #begin() {
    const media = (this.#media = new Source());
    this.#url = URL.createObjectURL(media);
    this.#video.disableRemotePlayback = true; // a ManagedMediaSource wants it
    this.#video.srcObject = null;
    this.#video.src = this.#url;
    media.addEventListener("sourceopen", () => {
      if (media !== this.#media) return;
      const buffer = (this.#buffer = media.addSourceBuffer(this.withPicture ? TYPE : SOUND_ONLY));
      buffer.addEventListener("updateend", () => this.#feed());
      this.#feed();
    });
  }

  #feed() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#media.readyState !== "open") return;
    this.#follow();
    const { currentTime } = this.#video;
    if (buffer.buffered.length && buffer.buffered.start(0) < currentTime - 2 * KEEP) {
      buffer.remove(0, currentTime - KEEP);
    } else if (this.#waiting.length) {
      const data = joined(this.#waiting);
      this.#waiting = [];
      this.#bytes = 0;
      try {
        buffer.appendBuffer(data);
      } catch (error) {
        if (error.name !== "QuotaExceededError") throw error;
        buffer.remove(0, Math.max(0.1, this.#edge() - AIM));
      }
    }
  }

  #follow() {
    const edge = this.#edge();
    if (edge === null) return;
    const video = this.#video;
    const ranges = this.#buffer.buffered;
    const first = ranges.start(ranges.length - 1);
    const ahead = edge - video.currentTime;
    if (ahead > LATE || video.currentTime < first) {
      const target = Math.max(first, edge - AIM);
      this.skippedMs += Math.max(0, target - video.currentTime) * 1000;
      video.currentTime = target;
    }
    video.playbackRate = ahead > BEHIND && ahead <= LATE ? FASTER : 1;
    if (video.paused && !video.ended) video.play().catch(() => {});
  }

  #edge() {
    const ranges = this.#buffer?.buffered;
    return ranges?.length ? ranges.end(ranges.length - 1) : null;
  }
}

function joined(parts) {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return whole;
}

// How far sound and picture are apart, frame by frame, and keeping them together.

const WINDOW_MS = 1000;
const KEPT = 1500; // a minute of frames
/** Farther apart than this, and a second later still: the one that is early is held back. */
const APART_MS = 8;

/** Watches the frames of `video` and what the talk's connection plays with them. */
export class LipSync {
  #talk;
  #video;
  #frames = []; // [displayed at, offset or null]
  #fresh = [];
  #trim = new Trim();
  #timer = setInterval(() => this.#keepTogether(), WINDOW_MS);
  #ended = false;

  constructor(talk, video) {
    this.#talk = talk;
    this.#video = video;
    this.#nextFrame();
  }

  /** Frames of the last second. */
  get fps() {
    return this.#recent().length;
  }

  /** Median of the last second, in ms, positive when the sound comes after its picture; null when unknown. */
  get offsetMs() {
    return median(this.#recent().map(([, offset]) => offset).filter((offset) => offset !== null));
  }

  /** The offset of every frame since the last call, in ms. */
  drainOffsets() {
    return this.#fresh.splice(0);
  }

  end() {
    this.#ended = true;
    clearInterval(this.#timer);
  }

  #recent() {
    const since = performance.now() - WINDOW_MS;
    return this.#frames.filter(([at]) => at > since);
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

  #keepTogether() {
    const shift = this.#trim.note(this.offsetMs);
    if (shift) this.#talk.connection?.shiftSound(shift);
  }
}

/** When to do something about an offset: browsers keep the two together to some 30 ms only, and before the picture is drawn. */
export class Trim {
  #apart = 0;

  /** By how much the sound should come later, in ms, when this is the offset a second after the last one was told; 0: leave it. */
  note(offset) {
    const before = this.#apart;
    this.#apart = offset === null || Math.abs(offset) <= APART_MS ? 0 : offset;
    // Only what lasts: one second may have had a stutter in it.
    if (before * this.#apart <= 0) return 0;
    this.#apart = 0;
    return -(Math.abs(before) < Math.abs(offset) ? before : offset);
  }
}

function median(values) {
  return values.length ? values.toSorted((a, b) => a - b)[values.length >> 1] : null;
}

// Whether a connection still lives: it is asked once a second, and whatever comes is a sign of life.

const BEAT_MS = 1000;

export class Heartbeat {
  /** Round trip of the last ping; undefined before the first. */
  rttMs = undefined;
  #most;
  #send;
  #onDead;
  #timer = 0;
  #misses = 0;

  /** `most`: beats in a row without a sign of life; then `onDead()` is called. `send(message)` sends pings. */
  constructor(most, send, onDead) {
    this.#most = most;
    this.#send = send;
    this.#onDead = onDead;
  }

  get begun() {
    return this.#timer !== 0;
  }

  /** Whether nothing has come since the last ping. */
  get waits() {
    return this.#misses > 0;
  }

  begin() {
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
  }

  end() {
    clearInterval(this.#timer);
  }

  sign() {
    this.#misses = 0;
  }

  /** The message in `text`; null for answers to pings and for what is no message. */
  read(text) {
    this.sign();
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return null;
    }
    if (message?.type !== "pong") return message;
    this.rttMs = performance.now() - message.t;
    return null;
  }

  #beat() {
    // Counted in beats, not in time: the timers of a tab that sleeps do not run either.
    if (this.#misses >= this.#most) return this.#onDead();
    this.#misses += 1;
    this.#send({ type: "ping", t: performance.now() });
  }
}

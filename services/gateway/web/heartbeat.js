// Whether a connection still lives: it is asked once a second, and whatever comes is a sign of life.

const BEAT_MS = 1000;
/** Beats in a row without a sign of life until somebody should be told. A slow network answers within them. */
const QUIET = 2;

export class Heartbeat {
  /** Round trip of the last ping; undefined before the first. */
  rttMs = undefined;
  #most;
  #send;
  #onDead;
  #onQuiet;
  #timer = 0;
  #misses = 0;
  #quiet = false;

  /**
   * `most`: beats in a row without a sign of life; then `onDead()` is called. `send(message)` sends pings. `onQuiet(true)` is called
   * when nothing has come for two to three seconds, `onQuiet(false)` when something comes again.
   */
  constructor(most, send, onDead, onQuiet) {
    this.#most = most;
    this.#send = send;
    this.#onDead = onDead;
    this.#onQuiet = onQuiet;
  }

  get begun() {
    return this.#timer !== 0;
  }

  /** Whether nothing has come since the last ping. */
  get waits() {
    return this.#misses > 0;
  }

  /** Whether nothing has come for as many beats as it takes to be dead. */
  get dead() {
    return this.#misses >= this.#most;
  }

  begin() {
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
  }

  end() {
    clearInterval(this.#timer);
  }

  sign() {
    this.#misses = 0;
    this.#tell(false);
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
    if (this.dead) return this.#onDead();
    if (this.#misses >= QUIET) this.#tell(true);
    this.#misses += 1;
    this.#send({ type: "ping", t: performance.now() });
  }

  #tell(quiet) {
    if (quiet === this.#quiet) return;
    this.#quiet = quiet;
    this.#onQuiet(quiet);
  }
}

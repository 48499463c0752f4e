// Where in a reply the sound is that is being heard now. Pure but for the `now` that it is given.

/** Clocks come before their unit is heard; no buffer holds as many. */
const MOST = 100;

/** Follows `clock` and `state` messages. `elapsed(clock)` tells how long ago the clock's unit began to be heard, or null. */
export class Playhead {
  #clocks = []; // oldest first: each says what is said from its unit on; turn 0 is silence
  #guess = null; // {turnId, turnMs, at}: when there is no clock to tell; `at` null: the voice is paused
  #reached = { turnId: 0, ms: null }; // what was heard stays heard

  /** The last clock; null before the first. */
  get clock() {
    return this.#clocks.at(-1) ?? null;
  }

  /** `delayMs`: the sound leaves the speaker about so long after the gateway has sent it. */
  feed(message, now, elapsed, delayMs) {
    if (message.type === "clock") {
      const heard = this.#heard(elapsed);
      this.#clocks = [...this.#clocks.slice(heard ? this.#clocks.indexOf(heard) : 0), message].slice(-MOST);
    } else if (message.type === "state") {
      this.#guessFrom(message.state, message.turn_id, now, delayMs);
    }
  }

  /** Milliseconds from the start of reply `turnId`; null when nothing of it was heard yet. Never goes back. */
  turnMs(turnId, now, elapsed) {
    const ms = this.#position(turnId, now, elapsed);
    if (this.#reached.turnId !== turnId) this.#reached = { turnId, ms };
    else if (ms !== null && !(ms < this.#reached.ms)) this.#reached.ms = ms;
    return this.#reached.ms;
  }

  /** The clock of what is being heard; undefined when none is heard yet, or none can tell. */
  #heard(elapsed) {
    return this.#clocks.findLast((clock) => (elapsed(clock) ?? -1) >= 0);
  }

  #position(turnId, now, elapsed) {
    if (this.clock && elapsed(this.clock) !== null) {
      const heard = this.#heard(elapsed);
      return heard?.turn_id === turnId ? heard.turn_ms + elapsed(heard) : null;
    }
    if (this.#guess?.turnId !== turnId) return null;
    return this.#guess.turnMs + (this.#guess.at === null ? 0 : now - this.#guess.at);
  }

  #guessFrom(floor, turnId, now, delayMs) {
    const known = this.#guess?.turnId === turnId;
    const { turnMs, at } = known ? this.#guess : { turnMs: 0, at: null };
    // What is sent now is heard later; what was sent before a pause is still heard in it.
    if (floor === "speaking" && at === null) this.#guess = { turnId, turnMs: turnMs - delayMs, at: now };
    else if (floor === "paused" && at !== null) this.#guess = { turnId, turnMs: turnMs + now - at + delayMs, at: null };
  }
}

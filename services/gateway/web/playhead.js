// Where in a reply the sound is that is being heard now. Pure but for the `now` that it is given.

/** Follows `clock` and `state` messages. `elapsed(clock)` tells how long ago the clock's unit began to be heard, or null. */
export class Playhead {
  #clock = null;
  #turnClock = null; // the last one of a reply
  #guess = null; // {turnId, turnMs, at}: when there is no clock to tell
  #held = null; // {turnId, turnMs, clock}: the voice is paused
  #reached = { turnId: 0, ms: null }; // what was heard stays heard
  #floor = "";

  /** The last clock of any turn; null before the first. */
  get clock() {
    return this.#clock;
  }

  /** `delayMs`: the sound leaves the speaker about so long after the gateway has sent it. */
  feed(message, now, elapsed, delayMs) {
    if (message.type === "clock") {
      this.#clock = message;
      if (message.turn_id) this.#turnClock = message;
    } else if (message.type === "state") {
      this.#move(message.state, message.turn_id, now, elapsed, delayMs);
    }
  }

  /** Milliseconds from the start of reply `turnId`; null when nothing is known of it. Never goes back. */
  turnMs(turnId, now, elapsed) {
    const ms = this.#position(turnId, now, elapsed);
    if (this.#reached.turnId !== turnId) this.#reached = { turnId, ms };
    else if (ms !== null && !(ms < this.#reached.ms)) this.#reached.ms = ms;
    return this.#reached.ms;
  }

  #move(floor, turnId, now, elapsed, delayMs) {
    const before = this.#floor;
    const heard = floor === "paused" && before !== "paused" ? this.turnMs(turnId, now, elapsed) : null;
    this.#floor = floor;
    if (floor === "paused" && before !== "paused") {
      this.#held = { turnId, turnMs: heard, clock: this.#turnClock };
    } else if (floor === "speaking" && before === "paused" && this.#held?.turnId === turnId) {
      // The clock from before the pause would count the pause too.
      if (this.#turnClock === this.#held.clock) this.#turnClock = null;
      this.#guess = { turnId, turnMs: (this.#held.turnMs ?? 0) - delayMs, at: now };
    } else if (floor === "speaking" && this.#guess?.turnId !== turnId) {
      this.#guess = { turnId, turnMs: -delayMs, at: now };
    }
  }

  #position(turnId, now, elapsed) {
    if (this.#floor === "paused" && this.#held?.turnId === turnId) return this.#held.turnMs;
    if (this.#turnClock?.turn_id === turnId) {
      const ms = elapsed(this.#turnClock);
      if (ms !== null) return this.#turnClock.turn_ms + ms;
    }
    return this.#guess?.turnId === turnId ? this.#guess.turnMs + (now - this.#guess.at) : null;
  }
}

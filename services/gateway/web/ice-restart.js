// Another network path under a connection that lives on, when the browser's network has changed or the path is dead.

const LOOK_MS = 250;
/** No new sound for so long, which else never ceases, and in so many looks, for a tab may sleep: the path is dead. */
const QUIET_MS = 750;
const QUIET_LOOKS = 2;
/** What the browser calls disconnected may come back by itself, for so long. */
const DISCONNECTED_MS = 1000;
const GATHER_MS = 500;
/** Nothing heard on another path by then: only a new connection helps. */
export const RESTART_MS = 5000;

export class IceRestart {
  /** While it tries, its verdict counts and no other. */
  trying = false;
  #peer;
  #ask;
  #heard;
  #waits;
  #onMoved;
  #onFailed;
  #onUnreachable;
  #abort = new AbortController();
  #timer = 0;
  #disconnected = 0;
  #last = { heard: null, at: 0 };
  #looks = 0; // since then
  #network = globalThis.navigator?.connection?.type;

  /**
   * `heard()`: something that changes with all sound that comes, or null; `waits()`: whether an answer to a ping is awaited.
   * `ask(sdp, signal)` gives the answer to an offer; when it raises with reason `unreachable`, the old path may still do. Calls
   * `onMoved()` when something is heard again, `onFailed()` when only a new connection helps, `onUnreachable()` when nobody answers.
   */
  constructor(peer, { heard, waits, ask, onMoved, onFailed, onUnreachable }) {
    this.#peer = peer;
    this.#heard = heard;
    this.#waits = waits;
    this.#ask = ask;
    this.#onMoved = onMoved;
    this.#onFailed = onFailed;
    this.#onUnreachable = onUnreachable;
  }

  /** Looks after the path from now on. */
  attend() {
    const { signal } = this.#abort;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#peer.addEventListener("iceconnectionstatechange", () => this.#follow(), { signal });
    addEventListener("online", () => this.begin(), { signal });
    // It also tells of every new guess at the speed, which is no other network.
    const changed = () => this.#network !== (this.#network = navigator.connection.type) && this.begin();
    navigator.connection?.addEventListener?.("change", changed, { signal });
  }

  end() {
    this.#abort.abort();
    clearInterval(this.#timer);
    clearTimeout(this.#disconnected);
  }

  /** Tries another path, if it does not already. */
  async begin() {
    if (this.trying || this.#abort.signal.aborted) return;
    this.trying = true;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), RESTART_MS);
    this.#abort.signal.addEventListener("abort", () => late.abort(), { signal: late.signal });
    try {
      await this.#move(late.signal);
      this.#onMoved();
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      if (error.reason === "unreachable") this.#onUnreachable();
      else this.#onFailed();
    } finally {
      clearTimeout(timer);
      late.abort();
      this.trying = false;
      this.#looks = 0;
    }
  }

  async #move(signal) {
    const peer = this.#peer;
    peer.restartIce();
    const complete = gathered(peer, signal);
    await peer.setLocalDescription();
    await complete;
    const answer = await this.#ask(peer.localDescription.sdp, signal);
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    const before = this.#heard();
    // Either says that something comes through: what is not played is not heard.
    while (this.#heard() === before && this.#waits()) {
      if (signal.aborted) throw new Error("nothing is heard on another path");
      await pause(LOOK_MS / 5);
    }
  }

  #look() {
    const [heard, now] = [this.#heard(), performance.now()];
    if (heard === null || heard !== this.#last.heard) {
      this.#last = { heard, at: now };
      this.#looks = 0;
      return;
    }
    this.#looks += 1;
    const quiet = this.#looks >= QUIET_LOOKS && now - this.#last.at >= QUIET_MS;
    // Where nobody plays the sound there is none to be seen either; then pings are still answered.
    if (quiet && this.#waits()) this.begin();
  }

  #follow() {
    clearTimeout(this.#disconnected);
    const { iceConnectionState: state } = this.#peer;
    if (state === "failed") this.begin();
    else if (state === "disconnected") this.#disconnected = setTimeout(() => this.begin(), DISCONNECTED_MS);
  }
}

/** Resolves when all of this browser's addresses are known, or after a while. */
function gathered(peer, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER_MS);
    peer.addEventListener("icecandidate", ({ candidate }) => candidate || resolve(), { signal });
  });
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// The user's microphone: opening it, muting it, how loud it is, and what is wrong with it in words that help.

import { context, meter } from "./sound.js";

const LOOK_MS = 100;
/** Quieter than this for so long, though it should be open: the user is told. */
const SILENT_MS = 5000;
const HEARD = 0.004; // -48 dB: more than the noise of a quiet room
const NOTHING = 0.00003; // less than any room: a switch is off

/** What is wrong with the microphone, by reason. */
const PROBLEMS = {
  denied: {
    title: "The microphone is blocked",
    help: "Allow it in the browser: click the icon left of the address, set “Microphone” to “Allow”, then try again.",
  },
  absent: {
    title: "No microphone was found",
    help: "Plug one in or switch it on, then try again.",
  },
  busy: {
    title: "The microphone cannot be opened",
    help: "Another program may be using it. Close that one, or choose another microphone in the settings, then try again.",
  },
  insecure: {
    title: "The microphone needs a secure page",
    help: "Browsers give the microphone only to https pages and to localhost. Open this page with https.",
  },
};

/** Why there is no microphone; `reason` is denied, absent, busy or insecure, `title` and `help` are for people. */
export class MicrophoneProblem extends Error {
  constructor(reason) {
    super(PROBLEMS[reason].title);
    Object.assign(this, { reason }, PROBLEMS[reason]);
  }
}

/** Events: `level` (detail 0..1, ten times a second), `silent` (detail true/false), `ended` (unplugged). */
export class Microphone extends EventTarget {
  stream = null;
  muted = false;
  #meter = null;
  #timer = 0;
  #heardAt = 0;
  #everHeard = false;
  #silent = false;
  #wish = 0; // an answer to an older one comes too late

  /** The name that the system gives to it. */
  get label() {
    return this.stream?.getAudioTracks()[0]?.label ?? "";
  }

  get deviceId() {
    return this.stream?.getAudioTracks()[0]?.getSettings().deviceId ?? "";
  }

  /**
   * Opens the device, or the system's default; raises MicrophoneProblem. An open one is closed when the new one works. Null when it
   * was closed, or opened anew, while the user was being asked.
   */
  async open(deviceId = "") {
    if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneProblem("insecure");
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    const wish = (this.#wish += 1);
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { ...wanted, ...(deviceId && { deviceId: { ideal: deviceId } }) } });
    } catch (error) {
      if (wish !== this.#wish) return null;
      throw new MicrophoneProblem(reasonOf(error));
    }
    if (wish !== this.#wish) {
      for (const track of stream.getTracks()) track.stop();
      return null;
    }
    this.close();
    this.stream = stream;
    const [track] = stream.getAudioTracks();
    track.enabled = !this.muted;
    track.addEventListener("ended", () => this.stream === stream && this.dispatchEvent(new Event("ended")));
    this.#watch(stream);
    return stream;
  }

  mute(muted) {
    this.muted = muted;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
    this.#heardAt = performance.now();
    this.#tell(false);
  }

  close() {
    this.#wish += 1;
    clearInterval(this.#timer);
    this.#meter?.end();
    this.#meter = null;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.#tell(false);
  }

  #watch(stream) {
    this.#meter = meter(stream);
    this.#heardAt = performance.now();
    this.#everHeard = false;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #look() {
    const level = this.muted ? 0 : this.#meter.level();
    this.dispatchEvent(new CustomEvent("level", { detail: level }));
    const now = performance.now();
    if (level >= HEARD) this.#everHeard = true;
    // Once it was heard it works, and a quiet user is no fault; only perfect silence still is.
    const deaf = context().state !== "running"; // the meter, not the microphone
    if (deaf || this.muted || level >= (this.#everHeard ? NOTHING : HEARD)) this.#heardAt = now;
    this.#tell(now - this.#heardAt > SILENT_MS);
  }

  #tell(silent) {
    if (silent === this.#silent) return;
    this.#silent = silent;
    this.dispatchEvent(new CustomEvent("silent", { detail: silent }));
  }
}

/** Devices to choose from: `{microphones, speakers}`, each `[{id, label}]`; without names until a microphone was allowed. */
export async function devices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const of = (kind) => all.filter((each) => each.kind === kind && each.deviceId).map(({ deviceId, label }) => ({ id: deviceId, label }));
  return { microphones: of("audioinput"), speakers: of("audiooutput") };
}

function reasonOf(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return "denied";
  return error.name === "NotFoundError" || error.name === "OverconstrainedError" ? "absent" : "busy";
}

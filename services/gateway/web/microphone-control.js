// The microphone in the middle of a talk: its button, another one, and what is said about it.

import { MicrophoneProblem } from "./microphone.js";
import { prefs } from "./prefs.js";
import { showLevel, showMute } from "./view.js";

export class MicrophoneControl {
  #microphone;
  #running;
  #tell;
  #untell;
  #unplugged = false; // the one in use is gone, and no other was chosen yet

  /** `running()` is the talk in hand or null; `tell(reason, severity, message)` shows a notice, `untell(reason)` takes it back. */
  constructor(microphone, { running, tell, untell }) {
    this.#microphone = microphone;
    this.#running = running;
    this.#tell = tell;
    this.#untell = untell;
    microphone.addEventListener("level", ({ detail }) => showLevel(detail));
    microphone.addEventListener("silent", ({ detail }) => this.#onSilent(detail));
    microphone.addEventListener("ended", () => this.#onUnplugged());
  }

  /** Shows whether there is one, and whether it is muted. */
  show() {
    showMute({ present: Boolean(this.#microphone.stream), muted: this.#microphone.muted });
  }

  /** Mutes it, or opens it again; without a talk there is nothing to open it for. */
  async toggle() {
    if (!this.#running()) return;
    if (!this.#microphone.stream) {
      this.#microphone.mute(false);
      await this.#open();
    } else {
      this.#microphone.mute(!this.#microphone.muted);
      this.show();
    }
  }

  /** Another one was chosen: it takes the place of the one in use, or of the one that was unplugged. */
  async change() {
    if (this.#microphone.stream || (this.#unplugged && this.#running())) await this.#open();
  }

  async #open() {
    try {
      const stream = await this.#microphone.open(prefs.microphone);
      if (!stream) return;
      this.#unplugged = false;
      this.#untell("microphone");
      await this.#running()?.useMicrophone(stream);
    } catch (problem) {
      if (!(problem instanceof MicrophoneProblem)) throw problem;
      this.#tell("microphone", "warning", `${problem.title}. ${problem.help}`);
    }
    this.show();
  }

  #onSilent(silent) {
    if (!silent) return this.#untell("quiet");
    if (!this.#running()) return;
    const name = this.#microphone.label || "the microphone";
    this.#tell("quiet", "warning", `Nothing comes from ${name}. Is it switched off, or is another one meant? Choose in the settings, or type.`);
  }

  #onUnplugged() {
    this.#tell("microphone", "warning", "The microphone was unplugged. Choose another one in the settings, or type.");
    this.#microphone.close();
    this.#unplugged = true;
    this.show();
  }
}

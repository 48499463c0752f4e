// Tells when sound begins after silence, to the sample: for the latency that a person hears.

const THRESHOLD = 0.0032; // -50 dBFS
const SILENCE_S = 0.3;

class Ear extends AudioWorkletProcessor {
  #last = -Infinity;
  #ended = false;

  constructor() {
    super();
    this.port.onmessage = () => (this.#ended = true);
  }

  process([channels]) {
    if (this.#ended) return false;
    const samples = channels?.[0];
    if (!samples) return true;
    for (let i = 0; i < samples.length; i += 1) {
      if (Math.abs(samples[i]) < THRESHOLD) continue;
      const at = currentTime + i / sampleRate;
      if (at - this.#last > SILENCE_S) this.port.postMessage(at);
      this.#last = at;
    }
    return true;
  }
}

registerProcessor("vivant-ear", Ear);

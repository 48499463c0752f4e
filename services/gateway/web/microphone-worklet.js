// The microphone at any rate and with any number of channels -> 16-bit mono PCM at 16 kHz in pieces of 40 ms.

const RATE_HZ = 16_000;
const PIECE = 640;
/** Half the length of the low-pass filter, in samples of the slower rate. */
const HALF = 12;

class Microphone extends AudioWorkletProcessor {
  #step = sampleRate / RATE_HZ;
  #cut = Math.min(1, RATE_HZ / sampleRate);
  #reach = Math.ceil(HALF / Math.min(1, RATE_HZ / sampleRate));
  #taps = new Map();
  #past = new Float32Array(2 * this.#reach + 1);
  #next = this.#reach; // position of the next output sample in #past, in input samples
  #piece = new Int16Array(PIECE);
  #filled = 0;
  #ended = false;

  constructor() {
    super();
    this.port.onmessage = () => (this.#ended = true);
  }

  process([channels]) {
    if (this.#ended) return false;
    if (!channels?.length) return true;
    const length = channels[0].length;
    const input = new Float32Array(this.#past.length + length);
    input.set(this.#past);
    for (const channel of channels) {
      for (let i = 0; i < length; i += 1) input[this.#past.length + i] += channel[i] / channels.length;
    }
    while (this.#next + this.#reach < input.length) {
      this.#emit(this.#sample(input, this.#next));
      this.#next += this.#step;
    }
    const drop = Math.max(0, Math.floor(this.#next) - this.#reach);
    this.#past = input.slice(drop);
    this.#next -= drop;
    return true;
  }

  #sample(input, at) {
    const whole = Math.floor(at);
    const taps = this.#filter(at - whole);
    let sum = 0;
    for (let k = 0; k < taps.length; k += 1) sum += taps[k] * input[whole - this.#reach + k];
    return sum;
  }

  /** A windowed sinc for one fraction of a sample; the rates in use need few. */
  #filter(fraction) {
    const key = Math.round(fraction * 512);
    let taps = this.#taps.get(key);
    if (!taps) {
      taps = new Float32Array(2 * this.#reach + 1);
      let sum = 0;
      for (let k = 0; k < taps.length; k += 1) {
        const x = k - this.#reach - key / 512;
        const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / (this.#reach + 1));
        taps[k] = (x === 0 ? 1 : Math.sin(Math.PI * x * this.#cut) / (Math.PI * x * this.#cut)) * window;
        sum += taps[k];
      }
      taps = taps.map((tap) => tap / sum);
      this.#taps.set(key, taps);
    }
    return taps;
  }

  #emit(sample) {
    this.#piece[this.#filled] = Math.max(-32768, Math.min(32767, Math.round(sample * 32767)));
    this.#filled += 1;
    if (this.#filled < PIECE) return;
    this.port.postMessage(this.#piece.buffer, [this.#piece.buffer]);
    this.#piece = new Int16Array(PIECE);
    this.#filled = 0;
  }
}

registerProcessor("vivant-microphone", Microphone);

// The page's one audio context: the microphone as PCM, and when the persona began to be heard.

const here = new URL(".", import.meta.url);
let shared = null;
const loaded = new Map();

/** The audio context; call it first while a click or key is handled, so that the browser lets it run. */
export function context() {
  shared ??= new AudioContext({ latencyHint: "interactive" });
  if (shared.state === "suspended") shared.resume().catch(() => {});
  return shared;
}

/**
 * Sends the stream as 16-bit mono PCM at 16 kHz, 40 ms each, to `sink(ArrayBuffer)`. Gives a function that ends it.
 */
export async function pcmOf(stream, sink) {
  const node = await worklet("microphone-worklet.js", "vivant-microphone");
  const source = context().createMediaStreamSource(stream);
  node.port.onmessage = ({ data }) => sink(data);
  source.connect(node);
  return () => {
    node.port.onmessage = null;
    source.disconnect();
    node.port.postMessage("end");
  };
}

/**
 * Calls `heard(at)` each time sound begins after silence; `at` is the moment of its first sample in ms since 1970, when it
 * was handed to the speaker. Gives a function that ends it.
 */
export async function listen(stream, heard) {
  const node = await worklet("ear-worklet.js", "vivant-ear");
  const audio = context();
  const source = audio.createMediaStreamSource(stream);
  node.port.onmessage = ({ data }) => heard(performance.timeOrigin + performance.now() - (audio.currentTime - data) * 1000);
  source.connect(node);
  return () => {
    node.port.onmessage = null;
    source.disconnect();
    node.port.postMessage("end");
  };
}

/** Gives `level()`: how loud the stream was at its loudest since the last call, 0 to 1; and `end()`. */
export function meter(stream) {
  const audio = context();
  const source = audio.createMediaStreamSource(stream);
  const analyser = new AnalyserNode(audio, { fftSize: 4096 });
  const samples = new Float32Array(analyser.fftSize);
  source.connect(analyser);
  return {
    level() {
      analyser.getFloatTimeDomainData(samples);
      return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    },
    end: () => source.disconnect(),
  };
}

async function worklet(file, name) {
  const audio = context();
  // From another site the file comes as a blob: a worklet must be of the page's own origin.
  if (!loaded.has(file)) loaded.set(file, addModule(audio, new URL(file, here)).catch((error) => (loaded.delete(file), Promise.reject(error))));
  await loaded.get(file);
  return new AudioWorkletNode(audio, name, { numberOfInputs: 1, numberOfOutputs: 0 });
}

async function addModule(audio, url) {
  if (url.origin === location.origin) return audio.audioWorklet.addModule(url);
  const text = await (await fetch(url)).text();
  const blob = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return audio.audioWorklet.addModule(blob).finally(() => URL.revokeObjectURL(blob));
}

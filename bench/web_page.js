// Before the page's own scripts: a microphone that says what the benchmark wants, and an ear that records.
(() => {
  const context = new AudioContext({ sampleRate: 48000 });
  const mouth = context.createMediaStreamDestination();
  // A quiet room, -66 dBFS, so that the microphone is never digitally silent.
  const room = context.createBuffer(1, 48000 * 4, 48000);
  const noise = room.getChannelData(0);
  for (let i = 0; i < noise.length; i += 1) noise[i] = (Math.random() - 0.5) * 0.0017;
  const source = new AudioBufferSourceNode(context, { buffer: room, loop: true });
  source.connect(mouth);
  source.start();

  navigator.mediaDevices.getUserMedia = async () => {
    await context.resume();
    return mouth.stream.clone();
  };
  const epoch = (at) => performance.timeOrigin + performance.now() + (at - context.currentTime) * 1000;

  /** Says 16-bit PCM at 16 kHz, base64; resolves at once with the moment at which its first sample is recorded, ms since 1970. */
  window.benchSay = (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const pcm = new Int16Array(bytes.buffer);
    const buffer = context.createBuffer(1, pcm.length, 16000);
    buffer.copyToChannel(Float32Array.from(pcm, (x) => x / 32768), 0);
    const node = new AudioBufferSourceNode(context, { buffer });
    node.connect(mouth);
    const at = context.currentTime + 0.05;
    node.start(at);
    return epoch(at);
  };

  /** What the persona's voice sounds like in this page for so long: WebM with Opus, base64. */
  window.benchRecord = async (ms) => {
    const stream = new MediaStream(document.querySelector("video").srcObject.getAudioTracks());
    const recorder = new MediaRecorder(stream, { mimeType: "audio/webm;codecs=opus" });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    await new Promise((done) => setTimeout(done, ms));
    recorder.stop();
    await stopped;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };
})();

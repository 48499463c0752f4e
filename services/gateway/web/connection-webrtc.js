// One WebRTC connection to the gateway: microphone out, voice and face in, messages on the data channel `vivant`.

import { Refused, postOffer } from "./api.js";
import { Heartbeat } from "./heartbeat.js";
import { IceRestart } from "./ice-restart.js";

const GATHER_MS = 1000;
/** Not connected by then: this network does not let it through. */
export const CONNECT_MS = 6000;
/** Heartbeats in a row without any sign of life. */
const MISSES = 3;
const TYPICAL_DELAY_MS = 150;
const MOST_HELD_MS = 250;
const ROUGHLY_MS = 5;
/** What RTP timestamps count in, per millisecond. */
const AUDIO_PER_MS = 48;
const VIDEO_PER_MS = 90;

/** Whether this browser can. */
export const supported = () => typeof RTCPeerConnection === "function";

export class WebRtcConnection {
  transport = "webrtc";
  stream = new MediaStream();
  #peer;
  #channel;
  #callbacks;
  #heart = new Heartbeat(
    MISSES,
    (ping) => this.#beat(ping),
    () => this.#restart.trying || this.#lose(),
    (quiet) => this.#callbacks.onQuiet(quiet),
  );
  #restart = null;
  #token = "";
  #closed = false;
  #abort = new AbortController();
  #audio = null;
  #video = null;
  #delays = new Delays();

  /**
   * `onMessage(object)` for each message, `onLost()` once when a connection that had been open is gone, `onQuiet(true)` when nothing
   * comes any more that should, `onQuiet(false)` when it does again.
   */
  constructor(callbacks) {
    this.#callbacks = callbacks;
  }

  /** Resolves when messages can be sent. Raises Refused; reason `no_webrtc` when this network does not let it through. */
  async open({ base, iceServers, microphone, persona, join, name, greeting, visit, token, conversationId }) {
    const peer = (this.#peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" }));
    const track = microphone?.getAudioTracks()[0];
    const audio = track
      ? peer.addTransceiver(track, { direction: "sendrecv", streams: [microphone] })
      : peer.addTransceiver("audio", { direction: "recvonly" });
    this.#audio = audio.receiver;
    const video = peer.addTransceiver("video", { direction: "recvonly" });
    this.#video = video.receiver;
    preferVp8(video);
    peer.ontrack = ({ track: incoming }) => this.stream.addTrack(incoming);
    const channel = (this.#channel = peer.createDataChannel("vivant", { ordered: true }));
    channel.onmessage = (event) => this.#receive(event.data);
    const opened = new Promise((resolve, reject) => {
      channel.onopen = resolve;
      channel.onclose = () => (this.#heart.begun ? this.#lose() : reject(new Refused("no_webrtc", "The connection was closed.")));
      peer.onconnectionstatechange = () => {
        if (peer.connectionState !== "failed") return;
        // A path that fails is looked after by the restart.
        if (this.#heart.begun) peer.iceConnectionState === "failed" || this.#lose();
        else reject(new Refused("no_webrtc", "This network does not let WebRTC through."));
      };
    });
    try {
      await peer.setLocalDescription();
      await gathered(peer);
      const answer = await postOffer(
        base,
        { sdp: peer.localDescription.sdp, type: "offer", persona, join, name, greeting, visit, token, conversation_id: conversationId },
        this.#abort.signal,
      );
      this.#token = answer.token;
      this.#callbacks.onAnswer?.(answer);
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      await within(CONNECT_MS, opened);
    } catch (error) {
      opened.catch(() => {});
      this.close();
      throw asRefused(error);
    }
    if (this.#closed) throw new Refused("closed", "The connection was given up.");
    this.#restart = new IceRestart(peer, {
      heard: () => this.#audio.getSynchronizationSources()[0]?.rtpTimestamp ?? null,
      waits: () => this.#heart.waits,
      ask: (sdp, signal) => postOffer(base, { sdp, type: "offer", restart: true, token: this.#token }, signal),
      onMoved: () => this.#heart.sign(),
      onFailed: () => this.#lose(),
      onUnreachable: () => this.#heart.dead && this.#lose(),
    });
    this.#restart.attend();
    this.#heart.begin();
  }

  /** Sends one message; false when it cannot be sent now. */
  send(message) {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  /** Another microphone takes the place of the one that was offered; false when none was. */
  async replaceMicrophone(stream) {
    const sender = this.#peer?.getSenders().find((each) => each.track?.kind === "audio");
    if (!sender) return false;
    await sender.replaceTrack(stream.getAudioTracks()[0]);
    return true;
  }

  /** What is being played, for the message `played`; null before the first sound. */
  played() {
    const rtp = this.#audioRtp(performance.now());
    return rtp === null ? null : { audio_rtp: rtp };
  }

  /** Milliseconds since the unit of `clock` began to be heard, negative before; null when unknown. */
  elapsed(clock, now = performance.now()) {
    const rtp = clock.audio_rtp === undefined ? null : this.#audioRtp(now);
    return rtp === null ? null : ticks(rtp - clock.audio_rtp) / AUDIO_PER_MS;
  }

  /** Typical time from the gateway's sending to the speaker, for when no clock tells. */
  delayMs() {
    return TYPICAL_DELAY_MS;
  }

  /** How much later the sound comes than the picture that is displayed at `at`, in ms; null when unknown. */
  lag(clock, videoRtp, at) {
    const heard = this.elapsed(clock, at);
    if (heard === null || clock.video_rtp === undefined || videoRtp === undefined) return null;
    return ticks(videoRtp - clock.video_rtp) / VIDEO_PER_MS - heard;
  }

  /** Lets the sound come so many ms later against the picture, or earlier when negative. */
  shiftSound(ms) {
    const [held, freed] = ms > 0 ? [this.#audio, this.#video] : [this.#video, this.#audio];
    // What was held back before goes first, if that was more than the network holds it back anyway.
    if (freed.jitterBufferTarget > this.#delays.of(freed.track.kind) - ROUGHLY_MS) freed.jitterBufferTarget = Math.max(0, freed.jitterBufferTarget - Math.abs(ms));
    else {
      freed.jitterBufferTarget = null;
      held.jitterBufferTarget = Math.min(MOST_HELD_MS, this.#delays.of(held.track.kind) + Math.abs(ms));
    }
  }

  /** Numbers of the connection since its start: `{lost, received, rttMs, jitterMs, codec}`; undefined ones are unknown. */
  async numbers() {
    const numbers = { lost: 0, received: 0, rttMs: this.#heart.rttMs, transport: "WebRTC" };
    const playout = {};
    for (const report of (await this.#peer.getStats()).values()) {
      if (report.type === "inbound-rtp") {
        numbers.lost += Math.max(0, report.packetsLost ?? 0);
        numbers.received += report.packetsReceived ?? 0;
        playout[report.kind] = report.estimatedPlayoutTimestamp;
        if (report.jitterBufferEmittedCount) {
          numbers[`${report.kind}DelayMs`] = (1000 * report.jitterBufferDelay) / report.jitterBufferEmittedCount;
        }
      } else if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined) {
        numbers.rttMs = report.currentRoundTripTime * 1000;
      }
    }
    if (playout.audio && playout.video) numbers.playoutLagMs = playout.video - playout.audio;
    return numbers;
  }

  close() {
    this.#closed = true;
    this.#heart.end();
    this.#restart?.end();
    this.#abort.abort();
    if (this.#channel) this.#channel.onclose = null;
    if (this.#peer) {
      this.#peer.onconnectionstatechange = this.#peer.ontrack = null;
      this.#peer.close();
    }
  }

  /** The RTP timestamp of the sound that comes out of the speaker at `now`. */
  #audioRtp(now) {
    const [source] = this.#audio?.getSynchronizationSources() ?? [];
    if (source?.rtpTimestamp === undefined) return null;
    // Frames are handed over every 10 ms; between them time goes on, but not for ever when the sound has stopped.
    const since = Math.min(Math.max(performance.timeOrigin + now - source.timestamp, -100), 100);
    return (source.rtpTimestamp + Math.round((since - this.#delays.speakerMs) * AUDIO_PER_MS)) >>> 0;
  }

  #receive(data) {
    const message = this.#heart.read(data);
    if (message) this.#callbacks.onMessage(message);
  }

  #beat(ping) {
    this.#peer.getStats().then((reports) => this.#delays.note(reports.values()), () => {});
    this.send(ping);
  }

  #lose() {
    if (this.#closed) return;
    this.close();
    this.#callbacks.onLost();
  }
}

/** How long sound and picture wait, as means since the note before. */
class Delays {
  /** From the jitter buffer to the speaker. Frames are handed over so long before they are heard. */
  speakerMs = 0;
  #sums = {};
  #means = {};

  note(reports) {
    for (const report of reports) {
      if (report.type === "media-playout") this.speakerMs = this.#mean("speaker", report.totalPlayoutDelay, report.totalSamplesCount);
      else if (report.type === "inbound-rtp") this.#mean(report.kind, report.jitterBufferTargetDelay, report.jitterBufferEmittedCount);
    }
  }

  /** What the jitter buffer of `kind` aims at, in ms. */
  of(kind) {
    return this.#means[kind] ?? 0;
  }

  #mean(name, seconds = 0, count = 0) {
    const [secondsBefore, countBefore] = this.#sums[name] ?? [0, 0];
    this.#sums[name] = [seconds, count];
    if (count > countBefore) this.#means[name] = (1000 * (seconds - secondsBefore)) / (count - countBefore);
    return this.#means[name] ?? 0;
  }
}

/** RTP timestamps wrap at 2^32: the signed difference. */
function ticks(difference) {
  return difference | 0;
}

function preferVp8(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs ?? [];
  const first = codecs.filter((codec) => codec.mimeType === "video/VP8");
  if (first.length) transceiver.setCodecPreferences?.([...first, ...codecs.filter((codec) => codec.mimeType !== "video/VP8")]);
}

function gathered(peer) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    const look = () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    };
    peer.onicegatheringstatechange = look;
    look();
  });
}

function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Refused("no_webrtc", "This network does not let WebRTC through.")), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function asRefused(error) {
  if (error instanceof Refused) return error;
  if (error.name === "AbortError") return new Refused("closed", "The connection was given up.");
  return new Refused("no_webrtc", `WebRTC does not work here: ${error.message}`);
}

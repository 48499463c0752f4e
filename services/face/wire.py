"""Between the messages of the face contract and the service's own values. Whatever breaks a rule is an InvalidRequest here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from services.common.audio import MAX_CHUNK_MS, require_format, to_pcm
from services.common.playout.emission import Playback, State
from services.face.animation import Video
from services.face.codecs import Codec
from services.face.engine import FRAMES_PER_SECOND, Cue, FaceInfo, Look, Phoneme
from services.face.enrolment.clip.video import MAX_BYTES
from services.face.enrolment.enroller import Enrolled, EnrolledClip, Step
from services.face.outbox import Outgoing
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, Unusable, VivantError
from vivant.face.v1 import face_pb2
from vivant.naming import RULE, is_persona

#: Rates at which 40 ms are a whole number of samples.
RATES_HZ: Final = (16_000, 22_050, 24_000, 44_100, 48_000)
#: A 100 ms message holds a handful; this is far beyond any language and far below a nuisance.
MAX_PHONEMES: Final = 1000
ASIDE_S: Final = 1.5
#: A message of gRPC has at most 4 MiB.
MAX_PIECE: Final = 1024 * 1024

_CODECS: Final = {
    common_pb2.VIDEO_CODEC_VP8: Codec.VP8,
    common_pb2.VIDEO_CODEC_H264: Codec.H264,
    common_pb2.VIDEO_CODEC_JPEG: Codec.JPEG,
    common_pb2.VIDEO_CODEC_RGB24: Codec.RGB24,
}
_LOOKS: Final = {
    face_pb2.LOOK_IDLE: Look.IDLE,
    face_pb2.LOOK_LISTENING: Look.LISTENING,
    face_pb2.LOOK_THINKING: Look.THINKING,
}
_STATES: Final = {
    State.STARTED: face_pb2.PLAYBACK_STATE_STARTED,
    State.PAUSED: face_pb2.PLAYBACK_STATE_PAUSED,
    State.RESUMED: face_pb2.PLAYBACK_STATE_RESUMED,
    State.CLEARED: face_pb2.PLAYBACK_STATE_CLEARED,
    State.FINISHED: face_pb2.PLAYBACK_STATE_FINISHED,
    State.STARVED: face_pb2.PLAYBACK_STATE_STARVED,
}


def persona_id(persona: str) -> str:
    """Checks that `persona` can be the name of a folder and returns it."""
    if not is_persona(persona):
        raise InvalidRequest(f"{persona[:80]!r} is no persona: {RULE}", reason="invalid_persona")
    return persona


def sample_rate(config: face_pb2.AnimateConfig) -> int:
    """The rate of the stream's audio."""
    return require_format("face", config.audio, RATES_HZ)


def video(config: face_pb2.AnimateConfig, sizes_px: Sequence[int]) -> Video | None:
    """The pictures asked for; None for a stream without any."""
    wanted = config.video
    if not config.HasField("video") or wanted.codec == common_pb2.VIDEO_CODEC_NONE:
        return None
    if wanted.codec not in _CODECS:
        raise InvalidRequest("face: video.codec must be NONE, VP8, H264, JPEG or RGB24", reason="wrong_codec")
    if wanted.size_px not in sizes_px:
        choices = ", ".join(str(size) for size in sizes_px)
        raise InvalidRequest(f"face: video.size_px must be one of {choices}, not {wanted.size_px}", reason="wrong_size")
    if wanted.frames_per_second != FRAMES_PER_SECOND:
        raise InvalidRequest(
            f"face: video.frames_per_second must be {FRAMES_PER_SECOND}, not {wanted.frames_per_second}",
            reason="wrong_frame_rate",
        )
    return Video(_CODECS[wanted.codec], wanted.size_px)


def turn(turn_id: int) -> int:
    """Checks that `turn_id` names a turn; 0 is what units of silence carry."""
    if not turn_id:
        raise InvalidRequest("face: turn_id must be 1 or more", reason="no_turn_id")
    return turn_id


def check_pcm(pcm: bytes, sample_rate_hz: int) -> None:
    """Checks one message of speech."""
    limit = sample_rate_hz * MAX_CHUNK_MS // 1000
    if not pcm:
        raise InvalidRequest("face: a speech message must hold at least one sample", reason="empty_audio")
    if len(pcm) % 2:
        raise InvalidRequest(f"face: 16-bit PCM needs an even number of bytes, got {len(pcm)}", reason="odd_bytes")
    if len(pcm) // 2 > limit:
        raise InvalidRequest(
            f"face: a speech message holds at most {MAX_CHUNK_MS} ms ({limit} samples), got {len(pcm) // 2}",
            reason="oversized_audio",
        )


def check_aside(pcm: bytes, sample_rate_hz: int) -> None:
    """Checks a little word that is said beside the replies."""
    limit = round(sample_rate_hz * ASIDE_S)
    if not pcm or len(pcm) % 2 or len(pcm) // 2 > limit:
        raise InvalidRequest(
            f"face: an aside holds 1 to {limit} samples ({ASIDE_S} s) of 16-bit PCM, got {len(pcm)} bytes",
            reason="invalid_aside",
        )


def phonemes(speech: face_pb2.Speech | face_pb2.Aside) -> list[Phoneme]:
    """The sounds of one message, in its order."""
    if len(speech.phonemes) > MAX_PHONEMES:
        raise InvalidRequest(
            f"face: a speech message holds at most {MAX_PHONEMES} phonemes, got {len(speech.phonemes)}",
            reason="too_many_phonemes",
        )
    for item in speech.phonemes:
        if not 0 <= item.start_sample <= item.end_sample:
            raise InvalidRequest(
                f"face: a phoneme must have 0 <= start_sample <= end_sample, got {item.start_sample} and {item.end_sample}",
                reason="invalid_phoneme",
            )
    return [Phoneme(item.symbol, item.start_sample, item.end_sample, item.stress) for item in speech.phonemes]


def cue(message: common_pb2.Cue, info: FaceInfo) -> Cue:
    """An expression that the engine knows."""
    if message.name not in info.cues:
        names = ", ".join(sorted(info.cues))
        raise InvalidRequest(f"face: cue {message.name[:40]!r} is not one of {names}", reason="unknown_cue")
    if not (math.isfinite(message.intensity) and 0 <= message.intensity <= 1):
        raise InvalidRequest(f"face: cue intensity must be 0 to 1, not {message.intensity}", reason="invalid_intensity")
    return Cue(message.name, message.intensity)


def look(message: face_pb2.LookChange) -> Look:
    """What the face does while it says nothing."""
    if message.look not in _LOOKS:
        raise InvalidRequest("face: look must be IDLE, LISTENING or THINKING", reason="unknown_look")
    return _LOOKS[message.look]


def unit(item: Outgoing) -> common_pb2.Unit:
    """40 ms of the output."""
    emission = item.emission
    message = common_pb2.Unit(
        index=emission.index,
        start_sample=emission.index * len(emission.voice),
        pcm=to_pcm(emission.pcm),
        turn_id=emission.turn_id,
        turn_sample=emission.turn_sample,
        ducked=emission.ducked,
        ending=to_pcm(emission.ending),
        fading_turn_id=emission.fading,
    )
    if item.picture:
        message.frame.data = item.picture.data
        message.frame.keyframe = item.picture.keyframe
    elif item.video:
        message.frame.repeated = True
    return message


def playback(event: Playback) -> face_pb2.Playback:
    """A change in the playback of a reply."""
    return face_pb2.Playback(
        turn_id=event.turn_id,
        state=_STATES[event.state],
        position_samples=event.position,
        unit_index=event.unit_index,
    )


def trouble(error: VivantError) -> face_pb2.Trouble:
    """What the face cannot do at the moment."""
    return face_pb2.Trouble(reason=error.reason, message=error.message, retryable=error.retryable)


def enrolment(persona: str, step: Step | Enrolled) -> dict[str, face_pb2.Progress | face_pb2.Enrolled]:
    """One message of an enrolment, as the field that it sets."""
    if isinstance(step, Step):
        return {"progress": face_pb2.Progress(done=step.done, step=step.name)}
    return {"enrolled": face_pb2.Enrolled(persona_id=persona, preview=step.preview, warnings=step.warnings)}


def check_clip(piece_bytes: int, bytes_so_far: int) -> None:
    """That neither a piece of a clip nor all of them are too large."""
    if piece_bytes > MAX_PIECE:
        raise InvalidRequest(f"a piece has {piece_bytes} bytes; at most 1 MiB are accepted", reason="piece_too_large")
    if bytes_so_far > MAX_BYTES:
        raise Unusable("the video has more than 100 MiB; send a shorter or a smaller one", reason="video_too_large")


def clip_enrolment(persona: str, step: Step | EnrolledClip) -> dict[str, face_pb2.Progress | face_pb2.EnrolledClip]:
    """One message of a clip's enrolment, as the field that it sets."""
    if isinstance(step, Step):
        return {"progress": face_pb2.Progress(done=step.done, step=step.name)}
    enrolled = face_pb2.EnrolledClip(persona_id=persona, preview=step.preview, warnings=step.warnings, report=step.report)
    return {"enrolled": enrolled}


def output_video(sizes_px: Sequence[int]) -> list[common_pb2.VideoFormat]:
    """What streams may ask for: no pictures, or one of the sizes in one of the codecs."""
    formats = [
        common_pb2.VideoFormat(codec=codec, size_px=size, frames_per_second=FRAMES_PER_SECOND)
        for codec in _CODECS
        for size in sizes_px
    ]
    return [common_pb2.VideoFormat(codec=common_pb2.VIDEO_CODEC_NONE), *formats]

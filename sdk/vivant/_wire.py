"""Between the contracts and plain values: the one place that builds and reads the protobuf messages of a session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vivant import events
from vivant.common.v1 import common_pb2
from vivant.errors import Internal
from vivant.formats import FRAMES_PER_SECOND, Codec, Video
from vivant.info import Component, Model, ServiceInfo, SystemInfo, Unseen
from vivant.session.v1 import session_pb2

_CODECS: Final[dict[Codec, common_pb2.VideoCodec.ValueType]] = {
    "vp8": common_pb2.VIDEO_CODEC_VP8,
    "h264": common_pb2.VIDEO_CODEC_H264,
    "jpeg": common_pb2.VIDEO_CODEC_JPEG,
    "rgb24": common_pb2.VIDEO_CODEC_RGB24,
}
_CODEC_NAMES: Final = {number: name for name, number in _CODECS.items()}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def pcm_format(rate_hz: int) -> common_pb2.AudioFormat:
    """16-bit mono PCM."""
    return common_pb2.AudioFormat(encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=rate_hz, channels=1)


def video_format(video: Video) -> common_pb2.VideoFormat:
    """A picture format for a config."""
    return common_pb2.VideoFormat(codec=_CODECS[video.codec], size_px=video.size_px, frames_per_second=FRAMES_PER_SECOND)


def event(response: session_pb2.ConverseResponse) -> events.Event | None:
    """One response as a value; None for a kind that this version of the package does not know."""
    kind = response.WhichOneof("response")
    if kind is None:
        return None
    read = _READERS[kind]
    return read(getattr(response, kind))


def system_info(response: session_pb2.GetInfoResponse) -> SystemInfo:
    """The answer of the orchestrator's GetInfo."""
    return SystemInfo(
        orchestrator=service_info(response.info),
        components=tuple(
            Component(
                service=item.service,
                address=item.address,
                ready=item.ready,
                reason=item.reason,
                info=service_info(item.info) if item.HasField("info") else None,
                loading=item.loading,
            )
            for item in response.components
        ),
        personas=tuple(_card(item) for item in response.personas),
        persona=response.persona,
        unseen=tuple(Unseen(item.persona, item.reason, item.message) for item in response.unseen),
    )


def service_info(info: common_pb2.ServiceInfo) -> ServiceInfo:
    """What a service says of itself."""
    return ServiceInfo(
        service=info.service,
        engine=info.engine,
        version=info.version,
        capabilities=tuple(info.capabilities),
        languages=tuple(info.languages),
        input_rates_hz=tuple(item.sample_rate_hz for item in info.input_audio),
        output_rates_hz=tuple(item.sample_rate_hz for item in info.output_audio),
        video=tuple(_video_name(item) for item in info.output_video),
        capacity=info.capacity,
        active=info.active,
        ready=info.ready,
        models=tuple(Model(item.name, item.licence, item.notice) for item in info.models),
        activities=tuple(info.activities),
    )


def _video_name(item: common_pb2.VideoFormat) -> str:
    codec = _CODEC_NAMES.get(item.codec)
    return f"{codec} {item.size_px}" if codec else "none"


def _video(item: common_pb2.VideoFormat) -> Video | None:
    if item.codec in (common_pb2.VIDEO_CODEC_UNSPECIFIED, common_pb2.VIDEO_CODEC_NONE):
        return None
    codec = _CODEC_NAMES.get(item.codec)
    if codec is None:
        raise Internal(f"the server sends video codec {item.codec}, which this version does not know", reason="unknown_codec")
    return Video(codec, item.size_px)


def _words(items: Any) -> tuple[events.Word, ...]:
    return tuple(events.Word(item.text, item.start_sample, item.end_sample, item.confidence) for item in items)


def _card(item: session_pb2.PersonaCard) -> events.PersonaCard:
    return events.PersonaCard(item.id, item.name, item.description, item.disclosure, item.greeting, tuple(item.starters))


def _ready(item: session_pb2.Ready) -> events.Ready:
    return events.Ready(
        session_id=item.session_id,
        conversation_id=item.conversation_id,
        persona=_card(item.persona),
        voice_rate_hz=item.output_audio.sample_rate_hz,
        video=_video(item.output_video) if item.HasField("output_video") else None,
        started_at=_EPOCH + timedelta(microseconds=item.started_unix_us),
        missing=tuple(item.missing),
    )


def _transcript(item: session_pb2.Transcript) -> events.Transcript:
    return events.Transcript(
        final=item.final,
        text=" ".join(part.strip() for part in (item.stable_text, item.unstable_text) if part.strip()),
        stable_text=item.stable_text,
        speaker=item.speaker,
        addressee=item.addressee,
        words=_words(item.words),
        start_sample=item.start_sample,
        end_sample=item.end_sample,
        typed=item.typed,
    )


def _state(item: session_pb2.StateChange) -> events.StateChanged | None:
    # An unknown number is a state of a newer server: better no event than a wrong one.
    state = _STATES.get(item.state)
    return events.StateChanged(state, item.turn_id, item.input_sample, item.output_sample) if state else None


def _unit(item: common_pb2.Unit) -> events.Unit:
    frame = None
    if item.HasField("frame"):
        frame = events.Frame(item.frame.data, item.frame.keyframe, item.frame.repeated)
    return events.Unit(item.index, item.start_sample, item.pcm, frame, item.turn_id, item.turn_sample, item.ducked)


def _caption(item: session_pb2.Caption) -> events.Caption:
    return events.Caption(item.turn_id, item.text, _words(item.words))


def _turn(item: session_pb2.Turn) -> events.Turn:
    passages = tuple(events.Passage(each.id, each.question, each.text) for each in item.passages)
    return events.Turn(item.turn_id, item.heard_text, item.full_text, item.interrupted, tuple(item.sources), passages)


def _metrics(item: session_pb2.Metrics) -> events.Metrics:
    stages = tuple(events.Stage(stage.name, stage.at_us / 1000) for stage in item.stages)
    return events.Metrics(item.turn_id, stages, item.drafts)


def _notice(item: session_pb2.Notice) -> events.Notice:
    severity = _SEVERITIES.get(item.severity, events.Severity.INFO)
    return events.Notice(severity, item.reason, item.message, item.ability, item.retryable)


def _backchannel(item: session_pb2.Backchannel) -> events.Backchannel:
    return events.Backchannel(item.text, item.nod)


_STATES: Final = {
    session_pb2.STATE_LISTENING: events.State.LISTENING,
    session_pb2.STATE_THINKING: events.State.THINKING,
    session_pb2.STATE_SPEAKING: events.State.SPEAKING,
    session_pb2.STATE_PAUSED: events.State.PAUSED,
    session_pb2.STATE_SILENT: events.State.SILENT,
}
_SEVERITIES: Final = {
    common_pb2.SEVERITY_INFO: events.Severity.INFO,
    common_pb2.SEVERITY_WARNING: events.Severity.WARNING,
    common_pb2.SEVERITY_ERROR: events.Severity.ERROR,
}
_READERS: Final[dict[str, Callable[[Any], events.Event | None]]] = {
    "ready": _ready,
    "transcript": _transcript,
    "state": _state,
    "unit": _unit,
    "caption": _caption,
    "turn": _turn,
    "metrics": _metrics,
    "notice": _notice,
    "backchannel": _backchannel,
}

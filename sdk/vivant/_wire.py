"""Between the contracts and plain values: the one place that builds and reads the protobuf messages of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.message import Message

from vivant import events
from vivant.common.v1 import common_pb2
from vivant.errors import Internal
from vivant.formats import FRAMES_PER_SECOND, Codec, Video
from vivant.info import Component, Model, ServiceInfo, SystemInfo, Unseen
from vivant.persona.v1 import persona_pb2
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


def participant(who: events.Participant) -> common_pb2.Participant:
    """Somebody, for a request."""
    return common_pb2.Participant(id=who.id, name=who.name, kind=_KINDS[who.kind])


def event(response: session_pb2.ConverseResponse) -> events.Event | None:
    """One response as a value; None for a kind that this version of the package does not know."""
    kind = response.WhichOneof("response")
    if kind is None:
        return None
    read = _READERS.get(kind)
    return read(getattr(response, kind)) if read else None


def system_info(response: session_pb2.GetInfoResponse) -> SystemInfo:
    """The answer of the orchestrator's GetInfo."""
    return SystemInfo(
        orchestrator=service_info(response.info),
        components=tuple(
            Component(
                service=item.service,
                address=item.address,
                ready=item.ready,
                reason=_given(item, "reason"),
                info=service_info(item.info, item.voices) if item.HasField("info") else None,
                loading=item.loading,
            )
            for item in response.components
        ),
        personas=tuple(_card(item) for item in response.personas),
        default_persona_id=response.default_persona_id,
        unseen=tuple(Unseen(item.persona_id, item.reason, item.message) for item in response.unseen),
    )


def service_info(info: common_pb2.ServiceInfo, voices: Iterable[str] = ()) -> ServiceInfo:
    """What a service says of itself; a voice engine names its voices beside it."""
    return ServiceInfo(
        service=info.service,
        engine=info.engine,
        version=info.version,
        capabilities=_capabilities(info),
        languages=tuple(info.languages),
        input_rates_hz=tuple(item.sample_rate_hz for item in info.input_audio),
        output_rates_hz=tuple(item.sample_rate_hz for item in info.output_audio),
        video=tuple(_video_name(item) for item in info.output_video),
        capacity=info.capacity,
        active=info.active,
        ready=info.ready,
        models=tuple(Model(item.name, item.licence, item.notice) for item in info.models),
        activities=tuple(info.activities),
        voices=tuple(voices),
    )


def _capabilities(info: common_pb2.ServiceInfo) -> tuple[str, ...]:
    """What is true of the typed message, by its names; those of a list (`cues`) as "cue:nod"."""
    ability = info.WhichOneof("capabilities")
    names: list[str] = []
    for field, value in getattr(info, ability).ListFields() if ability else ():
        names += [field.name] if value is True else [f"{field.name.removesuffix('s')}:{each}" for each in value]
    return tuple(names)


def _given(message: Message, field: str) -> Any:
    """What an optional field holds; None: it is absent."""
    return getattr(message, field) if message.HasField(field) else None


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


def _card(item: persona_pb2.Card) -> events.PersonaCard:
    return events.PersonaCard(
        id=item.id,
        name=item.name,
        description=item.description,
        disclosure=item.disclosure,
        greeting=_given(item, "greeting"),
        starters=tuple(item.starters),
        languages=tuple(item.languages),
    )


def _participant(item: common_pb2.Participant) -> events.Participant:
    # A kind that this version does not know is somebody all the same.
    kind = _KIND_NAMES.get(item.kind, events.ParticipantKind.PERSON)
    return events.Participant(item.id, _given(item, "name"), kind)


def _left(item: session_pb2.Left) -> events.Left:
    return events.Left(item.participant_id)


def _relabelled(item: common_pb2.Relabel) -> events.Relabelled:
    return events.Relabelled(item.from_id, item.to_id)


def _addressee(item: common_pb2.Addressee) -> events.Addressee:
    return events.Addressee(item.participant_id, _given(item, "probability"))


def _ready(item: session_pb2.Ready) -> events.Ready:
    return events.Ready(
        session_id=item.session_id,
        conversation_id=item.conversation_id,
        persona=_card(item.persona),
        voice_rate_hz=item.output_audio.sample_rate_hz,
        video=_video(item.output_video) if item.HasField("output_video") else None,
        started_at=_EPOCH + timedelta(microseconds=item.started_unix_us),
        missing=tuple(item.missing),
        participant=_participant(item.participant),
        others=tuple(map(_participant, item.others)),
    )


def _transcript(item: session_pb2.Transcript) -> events.Transcript:
    return events.Transcript(
        final=item.final,
        text=" ".join(part.strip() for part in (item.stable_text, item.unstable_text) if part.strip()),
        stable_text=item.stable_text,
        participant_id=item.participant_id,
        addressees=tuple(map(_addressee, item.addressees)),
        words=_words(item.words),
        start_sample=item.start_sample,
        end_sample=item.end_sample,
        typed=item.typed,
        utterance_id=item.utterance_id,
        language=_given(item, "language"),
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
    return events.Caption(item.turn_id, item.text, _words(item.words), tuple(item.answers_utterance_ids))


def _turn(item: session_pb2.Turn) -> events.Turn:
    return events.Turn(
        turn_id=item.turn_id,
        heard_text=item.heard_text,
        full_text=item.full_text,
        interrupted=item.interrupted,
        passages=tuple(events.Passage(each.id, _given(each, "question"), each.text) for each in item.passages),
        utterance_id=item.utterance_id,
        answers=tuple(item.answers_utterance_ids),
    )


def _metrics(item: session_pb2.Metrics) -> events.Metrics:
    stages = tuple(events.Stage(stage.name, stage.at_us / 1000) for stage in item.stages)
    return events.Metrics(item.turn_id, stages, item.drafts)


def _notice(item: session_pb2.Notice) -> events.Notice:
    severity = _SEVERITIES.get(item.severity, events.Severity.INFO)
    return events.Notice(severity, item.reason, item.message, _given(item, "ability"), item.retryable)


def _backchannel(item: session_pb2.Backchannel) -> events.Backchannel:
    return events.Backchannel(_given(item, "text"), item.nod)


_KINDS: Final = {
    events.ParticipantKind.PERSON: common_pb2.PARTICIPANT_KIND_PERSON,
    events.ParticipantKind.PERSONA: common_pb2.PARTICIPANT_KIND_PERSONA,
}
_KIND_NAMES: Final = {number: kind for kind, number in _KINDS.items()}
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
    "participant": _participant,
    "relabel": _relabelled,
    "left": _left,
}

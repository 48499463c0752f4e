"""The door for applications: checks what a session is opened with, then hands the stream to it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grpc.aio import ServicerContext

from services.common import logs
from services.common.audio import pcm_format, require_format
from services.common.metrics import Metrics
from services.common.streams import Admission, ServerStream, flatten, rpc
from services.orchestrator.links.clients import Peers
from services.orchestrator.session.client import Client
from services.orchestrator.session.opening import Opening
from services.orchestrator.session.roster import require_name
from services.orchestrator.session.session import Session
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.speaking.backchannels import BackchannelSounds
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, NotFound, Unavailable, Unimplemented, Unusable, VivantError
from vivant.fitting import misfits
from vivant.persona.v1 import persona_pb2
from vivant.session.v1 import session_pb2, session_pb2_grpc

_log = logs.get_logger(__name__)

VERSION: Final = "0.1.0"
#: When the services cannot be asked: what all shipped engines take.
DEFAULT_INPUT_HZ: Final = (16_000, 8_000, 24_000, 48_000)
DEFAULT_OUTPUT_HZ: Final = (24_000,)
FPS: Final = 25


class SessionServicer(session_pb2_grpc.SessionServiceServicer):
    """SessionService over the services behind it."""

    def __init__(self, settings: OrchestratorSettings, peers: Peers, admission: Admission, metrics: Metrics) -> None:
        self._settings = settings
        self._peers = peers
        self._admission = admission
        self._talks: dict[str, _Talk] = {}
        self._sounds = BackchannelSounds(peers, settings.voice_timeout_s)
        self.metrics = metrics

    @rpc
    async def GetInfo(self, request: Any, context: ServicerContext[Any, Any]) -> session_pb2.GetInfoResponse:
        components = await self._peers.components()
        infos = {component.service: component.info for component in components}
        info = common_pb2.ServiceInfo(
            service="session",
            engine="orchestrator",
            version=VERSION,
            session=common_pb2.SessionCapabilities(typed_text=True, interruption=True, backchannels=True, join=True),
            input_audio=infos["asr"].input_audio,
            output_audio=infos["face"].output_audio or infos["tts"].output_audio,
            output_video=infos["face"].output_video,
            capacity=self._peers.places,
            active=self._admission.active,
            ready=all(component.ready for component in components),
        )
        try:
            personas = await self._peers.personas()
        except VivantError:
            # The llm's component already says why.
            personas = []
        return session_pb2.GetInfoResponse(
            info=info,
            components=components,
            personas=[persona.card for persona in personas],
            default_persona_id=self._settings.persona,
            unseen=await self._unseen([persona.card.id for persona in personas]),
        )

    async def _unseen(self, personas: list[str]) -> list[session_pb2.Unseen]:
        try:
            unseen = await self._peers.unseen(personas) if personas else []
        except VivantError:
            # The face's component already says why.
            return []
        return [session_pb2.Unseen(persona_id=item.persona_id, reason=item.reason, message=item.message) for item in unseen]

    @rpc
    async def GetPortrait(
        self, request: session_pb2.GetPortraitRequest, context: ServicerContext[Any, Any]
    ) -> session_pb2.GetPortraitResponse:
        require_name("persona_id", request.persona_id)
        persona_id = request.persona_id or self._settings.persona
        return session_pb2.GetPortraitResponse(jpeg=await self._peers.portrait(persona_id))

    @rpc
    async def Converse(self, request: Any, context: ServicerContext[Any, Any]) -> None:  # type: ignore[override]
        # More would find a service full, and be deaf, dumb or unseen.
        self._admission.capacity = self._peers.places
        with self._admission.admit():
            stream: ServerStream[Any, session_pb2.ConverseResponse] = ServerStream(context, session_pb2.ConverseResponse)
            kind, asked = await stream.first("config", "join")

            async def write(response: session_pb2.ConverseResponse) -> None:
                sent = response.WhichOneof("response") or ""
                await stream.send(**{sent: getattr(response, sent)})

            talk = await (self._join(asked) if kind == "join" else self._begin(asked))
            logs.session_context(session_id=talk.session.id)
            client = Client(
                participant=_participant(asked) if kind == "join" else talk.session.owner,
                input_audio=asked.input_audio if asked.HasField("input_audio") else None,
                shared_microphone=kind == "config" and talk.opening.shared_microphone,
                video=asked.video if kind == "join" else talk.opening.has_video,
                requests=aiter(stream),
                finished=lambda: stream.finished,
                write=write,
            )
            await talk.session.reception.attend(client, talk.running)

    async def _begin(self, config: session_pb2.ConverseConfig) -> _Talk:
        """Opens a session; raises VivantError."""
        opening = await self._open(config)
        # Nothing waits from here on until it is among the talks: of two at the same time the second is refused.
        self._require_over(config.conversation_id)
        session = Session(opening, self._peers, self._settings, self.metrics, sounds=self._sounds)
        running = asyncio.create_task(session.run(), name=f"session-{session.id}")
        talk = self._talks[session.conversation_id] = _Talk(session, opening, running)
        running.add_done_callback(functools.partial(self._ended, session.conversation_id))
        return talk

    def _require_over(self, conversation_id: str) -> None:
        """Raises InvalidRequest for a conversation in which somebody is. One that is just ending keeps nobody out."""
        talk = self._talks.get(conversation_id)
        if talk is not None and not talk.session.reception.over:
            raise InvalidRequest(
                "this conversation is going on, and there is one session of each: enter it with `join` instead of opening it",
                reason="conversation_live",
            )

    async def _join(self, join: session_pb2.Join) -> _Talk:
        """Finds the session that is going on; raises NotFound, InvalidRequest."""
        require_name("conversation_id", join.conversation_id)
        talk = self._talks.get(join.conversation_id)
        if talk is None:
            raise NotFound(
                "this conversation is not going on here; open it with its conversation_id instead of joining it",
                reason="unknown_conversation",
            )
        components = {component.service: component for component in await self._peers.components()}
        _check_input(join, components["asr"].info, components["turn"].info)
        return talk

    def _ended(self, conversation_id: str, running: asyncio.Task[None]) -> None:
        talk = self._talks.get(conversation_id)
        if talk is not None and talk.running is running:
            del self._talks[conversation_id]
        # Whoever is there is told by `attend`; when the last one has left there is only the log.
        error = None if running.cancelled() else running.exception()
        if error is not None and not isinstance(flatten(error), VivantError):
            _log.error("session_failed", exc_info=error)

    async def _open(self, config: session_pb2.ConverseConfig) -> Opening:
        """Checks a config against what the services can do; raises VivantError."""
        require_name("conversation_id", config.conversation_id)
        if config.tools:
            raise Unimplemented("tools are not built yet: leave `tools` empty", reason="tools_unimplemented")
        components = {component.service: component for component in await self._peers.components()}
        if self._peers.misfits:
            raise Unusable(f"the services do not fit each other: {'; '.join(self._peers.misfits)}", reason="services_misfit")
        _require_loaded(config, components)
        model = components["speech"].info if "speech" in components else common_pb2.ServiceInfo()
        _check_input(config, components["asr"].info, components["turn"].info, model)
        output = _output_audio(config, components["tts"].info, model)
        _check_video(config, components["face"].info)
        # The voice is called anew for each reply; of the others the session sees for itself whether their streams open.
        missing = [] if components["tts"].ready else ["tts"]
        persona_id = config.persona_id or self._settings.persona
        try:
            persona = await self._peers.persona(persona_id)
        except (NotFound, Unusable):
            raise
        except VivantError:
            missing.append("llm")
            persona = self._peers.known(persona_id) or persona_pb2.Persona(
                card=persona_pb2.Card(id=persona_id, name=persona_id, disclosure="You are talking to an AI.")
            )
        if "llm" not in missing:
            check_persona(persona, config, components, self._peers.tts.voices)
        cues, heard_at = frozenset(components["face"].info.face.cues), next(iter(_rates(model.input_audio)), 0)
        return Opening(persona, config, output, tuple(missing), cues, heard_at, tuple(self._peers.tts.voices))


@dataclass(frozen=True)
class _Talk:
    """A conversation that is going on."""

    session: Session
    opening: Opening
    running: asyncio.Task[None]


def _participant(join: session_pb2.Join) -> common_pb2.Participant | None:
    return join.participant if join.HasField("participant") else None


def check_persona(
    persona: persona_pb2.Persona,
    config: session_pb2.ConverseConfig,
    components: Mapping[str, session_pb2.Component],
    voices: Sequence[str],
) -> None:
    """Whether it can be talked to here and now. Of a service that is not ready it is not known what it has."""
    if persona.HasField("preparation") and components["llm"].ready:
        done = f"{persona.preparation.done:.0%}"
        raise Unavailable(f"{persona.card.name} is being prepared, {done} done; try again in a few seconds", reason="loading")
    listening = ("asr",) if config.HasField("input_audio") else ()
    asked = [service for service in ("llm", "tts", *listening) if components[service].ready]
    offered = {service: components[service].info.languages for service in asked}
    language = config.language or next(iter(persona.card.languages), "")
    problems = misfits([language], persona.manner.voice, offered, voices if "tts" in asked else ())
    if problems:
        raise Unusable(f"persona {persona.card.id!r} cannot talk here: {'; '.join(problems)}", reason="persona_misfit")


def _require_loaded(config: session_pb2.ConverseConfig, components: Mapping[str, session_pb2.Component]) -> None:
    """Better opened in a moment than begun with an apology: raises Unavailable while a service that is needed loads."""
    needed = {"llm", "tts", "speech"}
    if config.HasField("input_audio"):
        needed |= {"asr", "turn"}
    if config.HasField("output_video") and config.output_video.codec != common_pb2.VIDEO_CODEC_NONE:
        needed.add("face")
    loading = [name for name, component in components.items() if component.loading and name in needed]
    if loading:
        verb = "is" if len(loading) == 1 else "are"
        raise Unavailable(f"{', '.join(loading)} {verb} still loading; try again in a few seconds", reason="loading")


def _check_input(config: session_pb2.ConverseConfig | session_pb2.Join, *hearing: common_pb2.ServiceInfo) -> None:
    if not config.HasField("input_audio"):
        return
    rates = set.intersection(*(set(_rates(each.input_audio) or DEFAULT_INPUT_HZ) for each in hearing))
    require_format("input_audio", config.input_audio, sorted(rates))


def _output_audio(config: session_pb2.ConverseConfig, *speaking: common_pb2.ServiceInfo) -> common_pb2.AudioFormat:
    first, *others = (_rates(each.output_audio) for each in speaking)
    rates = [rate for rate in first or DEFAULT_OUTPUT_HZ if all(rate in other for other in others if other)]
    if not config.HasField("output_audio"):
        return pcm_format(rates[0])
    return pcm_format(require_format("output_audio", config.output_audio, rates))


def _check_video(config: session_pb2.ConverseConfig, face: common_pb2.ServiceInfo) -> None:
    video = config.output_video
    if not config.HasField("output_video") or video.codec == common_pb2.VIDEO_CODEC_NONE:
        return
    if video.frames_per_second != FPS:
        raise InvalidRequest(
            f"output_video: frames_per_second must be {FPS}, not {video.frames_per_second}", reason="wrong_frame_rate"
        )
    offered = [(item.codec, item.size_px) for item in face.output_video]
    if offered and (video.codec, video.size_px) not in offered:
        sizes = sorted({size for codec, size in offered if codec == video.codec})
        if not sizes:
            known = video.codec in common_pb2.VideoCodec.values()
            codec = common_pb2.VideoCodec.Name(video.codec).removeprefix("VIDEO_CODEC_") if known else video.codec
            raise InvalidRequest(f"output_video: the face has no codec {codec}", reason="wrong_codec")
        raise InvalidRequest(
            f"output_video: size_px must be one of {', '.join(map(str, sizes))}, not {video.size_px}", reason="wrong_size"
        )


def _rates(formats: Any) -> tuple[int, ...]:
    return tuple(item.sample_rate_hz for item in formats)

"""The services behind the orchestrator: one channel each, short calls with deadlines, and streams that come back.

The only file of the orchestrator, besides `link.py` and its server, that knows gRPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from services.common.logs import get_logger
from services.common.tasks import say_why
from services.orchestrator.links import synthesis
from services.orchestrator.links.link import Config, Link
from services.orchestrator.links.pairing import misfits
from services.orchestrator.settings import OrchestratorSettings
from vivant import fitting
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.channel import open_channel
from vivant.common.v1 import common_pb2
from vivant.errors import VivantError, from_rpc_error
from vivant.face.v1 import face_pb2, face_pb2_grpc
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.persona.v1 import persona_pb2
from vivant.session.v1 import session_pb2
from vivant.speech.v1 import speech_pb2, speech_pb2_grpc
from vivant.tts.v1 import tts_pb2, tts_pb2_grpc
from vivant.turn.v1 import turn_pb2, turn_pb2_grpc

_log = get_logger(__name__)

#: A portrait that is asked for first is drawn first, and others may be before it.
PORTRAIT_TIMEOUT_S: Final = 9.0
#: So long after the start of this orchestrator a service that has not answered yet is taken to be starting too.
STARTING_S: Final = 15.0
#: Personas that are kept for when the llm is out of reach.
MOST_PERSONAS: Final = 100


@dataclass(frozen=True)
class Peer:
    """One service: its name, where it is, how to ask what it is."""

    ability: str
    address: str
    channel: grpc.aio.Channel
    stub: Any
    get_info: Any
    voices: list[str] = field(default_factory=list)
    """Of the voice engine, when it was asked last."""

    async def info(self, timeout_s: float) -> common_pb2.ServiceInfo:
        """What the service says of itself; raises VivantError."""
        try:
            response = await self.stub.GetInfo(self.get_info(), timeout=timeout_s)
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(exc, f"{self.ability} at {self.address}") from exc
        self.voices[:] = getattr(response, "voices", ())
        info: common_pb2.ServiceInfo = response.info
        return info


class Peers:
    """All services of this orchestrator. The channels belong to the running event loop, so `watch` opens them."""

    def __init__(self, settings: OrchestratorSettings) -> None:
        self._timeout_s = settings.call_timeout_s
        self.problems: Sequence[str] = ["the services have not been asked yet"]
        """Which services are not ready, and why."""
        self.places = settings.capacity
        """Whole conversations that can be had at once: no service behind this one has room for more."""
        self.misfits: Sequence[str] = []
        """What does not fit of the services that were put together, as they were asked last."""
        self._default_seen = False
        self._personas: dict[str, persona_pb2.Persona] = {}
        self._watching: asyncio.Task[None] | None = None
        self._seen_ready: set[str] = set()
        self._opened_at = 0.0
        self._settings = settings
        self.asr: Peer
        self.turn: Peer
        self.llm: Peer
        self.tts: Peer
        self.face: Peer
        self.speech: Peer | None = None
        """None: no model speaks by itself."""
        self.all: tuple[Peer, ...] = ()

    def open(self) -> None:
        """Makes the channels; needs the running event loop."""
        settings = self._settings
        self._opened_at = asyncio.get_running_loop().time()
        self.asr = _peer("asr", settings.asr_address, asr_pb2_grpc.AsrServiceStub, asr_pb2.GetInfoRequest)
        self.turn = _peer("turn", settings.turn_address, turn_pb2_grpc.TurnServiceStub, turn_pb2.GetInfoRequest)
        self.llm = _peer("llm", settings.llm_address, llm_pb2_grpc.LlmServiceStub, llm_pb2.GetInfoRequest)
        self.tts = _peer("tts", settings.tts_address, tts_pb2_grpc.TtsServiceStub, tts_pb2.GetInfoRequest)
        self.face = _peer("face", settings.face_address, face_pb2_grpc.FaceServiceStub, face_pb2.GetInfoRequest)
        self.all = (self.asr, self.turn, self.llm, self.tts, self.face)
        if settings.speech_address:
            stub = speech_pb2_grpc.SpeechServiceStub
            self.speech = _peer("speech", settings.speech_address, stub, speech_pb2.GetInfoRequest)
            self.all += (self.speech,)

    async def watch(self) -> None:
        """Asks all services once, then keeps `problems` up to date in the background."""
        self.open()
        await self._ask()
        self._watching = asyncio.create_task(self._keep_asking(), name="watch")
        self._watching.add_done_callback(say_why("watch"))

    async def close(self) -> None:
        if self._watching:
            self._watching.cancel()
        for peer in self.all:
            await peer.channel.close()

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(0.3 if self.problems else 3.0)
            try:
                await self._ask()
            except Exception as exc:  # noqa: BLE001 - nobody waits for this task: what is known would stay as it was, for ever
                _log.error("watch_failed", exc_info=exc)
                self.problems = [f"the services cannot be asked ({type(exc).__name__}); see the log"]

    async def _ask(self) -> None:
        components = await self.components()
        problems = [*self.misfits, *(f"{item.service}: {item.reason}" for item in components if not item.ready)]
        self.problems = problems or await self._nobody_there() or self._cannot_talk(components)

    async def _nobody_there(self) -> list[str]:
        """What is wrong with the default persona, until it was seen once."""
        if self._default_seen:
            return []
        try:
            await self.persona(self._settings.persona)
        except VivantError as exc:
            return [f"the default persona (VIVANT_PERSONA or ORCHESTRATOR_PERSONA): {exc.message}"]
        # One that is still being prepared is not kept yet, and asked for again.
        self._default_seen = self.known(self._settings.persona) is not None
        return []

    def _cannot_talk(self, components: Sequence[session_pb2.Component]) -> list[str]:
        """What the default persona asks of voice and languages and the engines, all of them ready, do not have."""
        persona = self.known(self._settings.persona)
        if persona is None:
            return []
        offered = {item.service: item.info.languages for item in components if item.service in ("asr", "llm", "tts")}
        language = next(iter(persona.card.languages), "")
        found = fitting.misfits([language], persona.manner.voice, offered, self.tts.voices)
        if not found:
            return []
        # It is read anew until it fits: somebody may be correcting it.
        self._default_seen = False
        return [f"the default persona (VIVANT_PERSONA or ORCHESTRATOR_PERSONA) cannot talk here: {'; '.join(found)}"]

    async def components(self) -> list[session_pb2.Component]:
        """What every service says of itself, asked at the same time; also brings `places` and `misfits` up to date."""
        components = await asyncio.gather(*(self._component(peer) for peer in self.all))
        rooms = [component.info.capacity for component in components if component.info.capacity]
        self.places = min([self._settings.capacity, *rooms])
        self._pair(components)
        return components

    def _pair(self, components: Sequence[session_pb2.Component]) -> None:
        found = misfits({item.service: item.info for item in components if item.HasField("info")})
        if found and found != self.misfits:
            _log.error("services_misfit", problems=found)
        self.misfits = found

    async def _component(self, peer: Peer) -> session_pb2.Component:
        component = session_pb2.Component(service=peer.ability, address=peer.address)
        try:
            component.info.CopyFrom(await peer.info(self._timeout_s))
            component.voices.extend(peer.voices)
            component.ready = component.info.ready
            if not component.ready:
                component.reason = "still loading"
        except VivantError as exc:
            component.reason = exc.message
        if component.ready:
            self._seen_ready.add(peer.ability)
        component.loading = not component.ready and self._is_loading(component)
        return component

    def _is_loading(self, component: session_pb2.Component) -> bool:
        """Worth waiting for. What was ready before and comes back costs its ability meanwhile; but without the llm there
        is no conversation."""
        answers = component.HasField("info")
        if component.service in self._seen_ready:
            return answers and component.service == "llm"
        return answers or asyncio.get_running_loop().time() - self._opened_at < STARTING_S

    async def personas(self) -> list[persona_pb2.Persona]:
        """All personas; raises VivantError."""
        try:
            response = await self.llm.stub.ListPersonas(llm_pb2.ListPersonasRequest(), timeout=self._timeout_s)
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(exc, "llm") from exc
        return list(response.personas)

    async def persona(self, persona_id: str) -> persona_pb2.Persona:
        """One persona; raises NotFound, Unusable, or what says that the llm is out of reach."""
        try:
            response = await self.llm.stub.GetPersona(llm_pb2.GetPersonaRequest(persona_id=persona_id), timeout=self._timeout_s)
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(exc, "llm") from exc
        persona: persona_pb2.Persona = response.persona
        if not persona.HasField("preparation"):
            self._personas[persona_id] = persona
            while len(self._personas) > MOST_PERSONAS:
                del self._personas[next(iter(self._personas))]
        return persona

    def known(self, persona_id: str) -> persona_pb2.Persona | None:
        """The persona as the llm gave it last, for when it is out of reach."""
        return self._personas.get(persona_id)

    async def brief(self, persona_id: str, conversation_id: str) -> llm_pb2.BriefResponse:
        """What a model must know that speaks in the llm's place; raises VivantError."""
        request = llm_pb2.BriefRequest(persona_id=persona_id, conversation_id=conversation_id)
        try:
            response: llm_pb2.BriefResponse = await self.llm.stub.Brief(request, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(exc, "llm") from exc
        return response

    async def portrait(self, persona: str) -> bytes:
        """A face at rest, as JPEG; raises NotFound, Unusable, or what says that the face is out of reach."""
        try:
            response = await self.face.stub.GetPortrait(
                face_pb2.GetPortraitRequest(persona_id=persona), timeout=PORTRAIT_TIMEOUT_S
            )
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(exc, "face") from exc
        jpeg: bytes = response.jpeg
        return jpeg

    async def unseen(self, personas: Sequence[str]) -> list[face_pb2.Unseen]:
        """Those of these personas whose face cannot be shown; raises what says that the face is out of reach."""
        try:
            response = await self.face.stub.CheckPortraits(
                face_pb2.CheckPortraitsRequest(persona_ids=personas), timeout=self._timeout_s
            )
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(exc, "face") from exc
        return list(response.unseen)

    def link(self, ability: str, config: Config) -> Link:
        """A stream to asr, turn, llm, face, or speech where there is one."""
        methods: dict[str, tuple[Any, type[Message]]] = {
            "asr": (self.asr.stub.Transcribe, asr_pb2.TranscribeRequest),
            "turn": (self.turn.stub.Detect, turn_pb2.DetectRequest),
            "llm": (self.llm.stub.Generate, llm_pb2.GenerateRequest),
            "face": (self.face.stub.Animate, face_pb2.AnimateRequest),
        }
        if self.speech:
            methods["speech"] = (self.speech.stub.Converse, speech_pb2.ConverseRequest)
        method, request = methods[ability]
        return Link(ability, method, request, config)

    def speak(
        self, config: tts_pb2.SynthesizeConfig, texts: AsyncGenerator[str, None], timeout_s: float
    ) -> AsyncGenerator[tts_pb2.Audio, None]:
        """The voice of one reply, as its clauses come; raises VivantError. The service may be silent for `timeout_s` at most
        while it owes an answer."""
        return synthesis.speak(self.tts.stub, config, texts, timeout_s)


def _peer(ability: str, address: str, stub: type, get_info: type[Message]) -> Peer:
    channel = open_channel(address)
    return Peer(ability, address, channel, stub(channel), get_info)

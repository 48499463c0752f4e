"""A SessionService that follows a script and holds its clients to the contract, with real pictures and sound in its units."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from services.common.audio import ChunkOrder, pcm_format, require_format
from services.common.streams import Cancelled, ServerStream, rpc
from tests.harness import media
from tests.harness.session_messages import card, person, service_info, stages, transcript
from vivant.channel import SERVER_OPTIONS
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, NotFound, Unavailable, VivantError
from vivant.session.v1 import session_pb2, session_pb2_grpc

CODECS = {
    common_pb2.VIDEO_CODEC_VP8: "vp8",
    common_pb2.VIDEO_CODEC_H264: "h264",
    common_pb2.VIDEO_CODEC_JPEG: "jpeg",
    common_pb2.VIDEO_CODEC_RGB24: "rgb24",
}
#: A reply: 20 units of voice, with a click and a flash at each of these.
REPLY_UNITS = 20
BEATS = (4, 14)
WORDS = ("In", "a", "white", "house.")
THINKING_UNITS = 6
#: What every reply rests on.
PASSAGE = session_pb2.Passage(id="story#12", question="Where did you grow up?", text="In a white house by the sea.")


@dataclass
class Script:
    """How this server behaves."""

    refuse: VivantError | None = None
    missing: tuple[str, ...] = ()
    unit_s: float = 0.01
    die_at_unit: int | None = None
    """The process is gone, as far as the client can see."""
    drop_units: tuple[int, ...] = ()
    hang_at_config: bool = False
    silent: bool = False
    """Answers nothing."""
    greeting: str | None = None
    loading: int = 0
    """So many times it is asked before the llm has loaded; until then nobody is let in."""
    apologises: bool = False
    """Has no reply, and says so."""
    personas: tuple[str, ...] = ("june",)
    """Who can be talked to; all answer the same."""
    down: tuple[str, ...] = ("tts",)
    """Services that are not ready yet."""


class NoMetrics:
    def count(self, *_: Any) -> None:
        """Nobody looks at the numbers of a script."""


@dataclass
class ScriptedSession(session_pb2_grpc.SessionServiceServicer):
    """Plays `script`; `seen` keeps the requests that came, by kind."""

    script: Script = field(default_factory=Script)
    seen: dict[str, list[Any]] = field(default_factory=dict)
    configs: list[session_pb2.ConverseConfig] = field(default_factory=list)
    joins: list[session_pb2.Join] = field(default_factory=list)
    talks: dict[str, Talk] = field(default_factory=dict)
    """Those that go on, by conversation id."""
    metrics: NoMetrics = field(default_factory=NoMetrics)
    order: list[str] = field(default_factory=list)
    """"question" for each that came, "turn" for each that was answered."""
    sent_units: int = 0
    unit_sent: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody wanted to know what runs."""
    ended_with_finish: list[bool] = field(default_factory=list)
    server: grpc.aio.Server | None = None
    dying: asyncio.Task[None] | None = None

    @rpc
    async def GetInfo(self, request: Any, context: Any) -> session_pb2.GetInfoResponse:  # noqa: N802 - the contract's name
        info = service_info("session", "orchestrator")
        info.session.CopyFrom(common_pb2.SessionCapabilities(typed_text=True, join=True))
        face = service_info("face", "portrait")
        face.output_video.add(codec=common_pb2.VIDEO_CODEC_VP8, size_px=512, frames_per_second=25)
        face.face.CopyFrom(common_pb2.FaceCapabilities(phonemes=True, cues=["nod", "warm_smile"]))
        face.models.add(name="hibari", licence="MIT", notice="Built with a voice")
        down = [
            session_pb2.Component(service=name, address="localhost:50054", ready=False, reason="loading")
            for name in self.script.down
        ]
        components = [session_pb2.Component(service="face", address="localhost:50055", ready=True, info=face), *down]
        self.asked.set()
        if self.script.loading:
            self.script.loading -= 1
            components.append(session_pb2.Component(service="llm", ready=False, reason="still loading", loading=True))
        return session_pb2.GetInfoResponse(
            info=info,
            components=components,
            personas=[card(persona) for persona in self.script.personas],
            default_persona_id=self.script.personas[0],
        )

    @rpc
    async def Converse(self, request: Any, context: Any) -> None:  # noqa: N802 - the contract's name
        if self.script.refuse:
            raise self.script.refuse
        if self.script.loading:
            raise Unavailable("llm is still loading; try again in a few seconds", reason="loading")
        stream: ServerStream[Any, Any] = ServerStream(context, session_pb2.ConverseResponse)
        kind, opening = await stream.first("config", "join")
        (self.joins if kind == "join" else self.configs).append(opening)
        if self.script.hang_at_config:
            await asyncio.Event().wait()
        talk = self.joined(opening) if kind == "join" else self.opened(opening)
        try:
            await talk.read(stream, await talk.enter(stream, opening))
            if stream.finished:
                await talk.idle.wait()
        finally:
            # Nothing here waits: whoever is cancelled would note no more.
            talk.leave(stream)
            self.ended_with_finish.append(stream.finished)
            self.ended.set()

    def opened(self, config: session_pb2.ConverseConfig) -> Talk:
        if config.HasField("persona_id") and config.persona_id not in self.script.personas:
            raise NotFound(f"there is no persona {config.persona_id!r}; there are: june", reason="no_persona")
        if config.conversation_id in self.talks:
            raise InvalidRequest("this conversation is going on: join it", reason="conversation_live")
        return Talk(self, config)

    def joined(self, join: session_pb2.Join) -> Talk:
        if join.conversation_id not in self.talks:
            raise NotFound(f"there is no conversation {join.conversation_id!r} here", reason="no_conversation")
        return self.talks[join.conversation_id]


class Talk:
    """One conversation, of one client or several."""

    def __init__(self, service: ScriptedSession, config: session_pb2.ConverseConfig) -> None:
        self.script = service.script
        self.service = service
        self.config = config
        self.conversation_id = config.conversation_id or f"c{len(service.configs)}"
        self.clients: list[Any] = []
        self.people: dict[str, common_pb2.Participant] = {}
        self.utterances = 0
        self.pacing: asyncio.Task[None] | None = None
        self.idle = asyncio.Event()
        self.idle.set()
        self.turn_id = 0
        self.questions: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        """The utterances to answer."""
        self.orders: dict[str, ChunkOrder] = {}
        self.heard_speech = False
        self.quiet_samples = 0
        self.interrupted = False
        codec = CODECS.get(config.output_video.codec) if config.HasField("output_video") else None
        self.codec = None if "face" in self.script.missing else codec
        if self.codec:
            # When a reply begins is not known before, so every frame stands for itself.
            size = config.output_video.size_px
            self.dark = media.encode(self.codec, media.pictures(1, size))[0]
            self.bright = media.encode(self.codec, media.pictures(1, size, flash_at=(0,)))[0]

    async def enter(self, stream: Any, opening: Any) -> str:
        """Somebody takes part from now on; returns their id."""
        named = opening.participant if opening.HasField("participant") else person(f"p{len(self.people) + 1}")
        ready, others = self.ready(named), list(self.clients)
        # Whoever reads `Ready` finds it there, as at the real one; and who comes at the same time finds both.
        self.people[named.id] = named
        self.clients.append(stream)
        self.service.talks[self.conversation_id] = self
        await stream.send(ready=ready)
        await self.tell(others, participant=named)
        self.pacing = self.pacing or asyncio.create_task(self.pace())
        return named.id

    def leave(self, stream: Any) -> None:
        """The conversation ends with its last client."""
        if stream in self.clients:
            self.clients.remove(stream)
        if self.clients:
            return
        if self.service.talks.get(self.conversation_id) is self:
            del self.service.talks[self.conversation_id]
        if self.pacing:
            self.pacing.cancel()

    async def send(self, **response: Any) -> None:
        """Tells everybody."""
        await self.tell(self.clients, **response)

    async def tell(self, clients: Iterable[Any], **response: Any) -> None:
        """Tells these."""
        for stream in list(clients):
            try:
                await stream.send(**response)
            except Cancelled:
                # It is gone, which its own reader notices too.
                if stream in self.clients:
                    self.clients.remove(stream)

    def ready(self, who: common_pb2.Participant) -> session_pb2.Ready:
        ready = session_pb2.Ready(
            session_id="s1",
            conversation_id=self.conversation_id,
            persona=card(self.config.persona_id or "june", self.script.greeting),
            participant=who,
            others=list(self.people.values()),
            output_audio=pcm_format(media.RATE_HZ),
            started_unix_us=1_700_000_000_000_000,
            missing=self.script.missing,
        )
        if self.codec:
            ready.output_video.CopyFrom(self.config.output_video)
        return ready

    async def read(self, stream: Any, own: str) -> None:
        if self.script.greeting and self.config.greeting == session_pb2.GREETING_SPOKEN and len(self.people) == 1:
            self.ask()
        async for kind, message in stream:
            self.service.seen.setdefault(kind, []).append(message)
            if kind == "audio":
                await self.on_audio(message, own)
            elif kind == "text":
                self.service.order.append("question")
                utterance = self.utterance()
                who = message.participant_id or own
                said = transcript(utterance, message.text, who, typed=True, to=message.addressee_ids)
                await self.send(transcript=said)
                self.ask(utterance)
            elif kind == "interrupt":
                self.interrupted = True
            elif kind == "participant":
                self.people[message.id] = message
                await self.send(participant=message)

    def utterance(self) -> str:
        self.utterances += 1
        return f"u{self.utterances}"

    async def on_audio(self, chunk: session_pb2.AudioChunk, own: str) -> None:
        rate = require_format("input_audio", self.config.input_audio, (16_000,))
        who = chunk.participant_id or own
        order = self.orders.setdefault(who, ChunkOrder(who, rate))
        gap = order.accept(chunk.pcm, chunk.start_sample)
        loud = np.abs(np.frombuffer(chunk.pcm, "<i2").astype(int)).max() > 500
        self.quiet_samples = 0 if loud else self.quiet_samples + gap + len(chunk.pcm) // 2
        self.heard_speech = self.heard_speech or bool(loud)
        if self.heard_speech and self.quiet_samples > rate // 5:
            self.heard_speech = False
            utterance = self.utterance()
            await self.send(transcript=transcript(utterance, "where did", who, final=False))
            await self.send(transcript=transcript(utterance, "Where did you grow up?", who))
            self.ask(utterance)

    def ask(self, *utterances: str) -> None:
        if not self.script.silent:
            self.idle.clear()
            self.questions.put_nowait(utterances)

    async def pace(self) -> None:
        """Units without end, and a reply for each question."""
        index = 0
        while True:
            if self.questions.empty():
                index = await self.unit(index, 0, 0, beat=False)
                continue
            index = await self.reply(index, self.questions.get_nowait())
            if self.questions.empty():
                self.idle.set()

    async def reply(self, index: int, answered: Iterable[str]) -> int:
        self.turn_id += 1
        turn = self.turn_id
        self.interrupted = False
        await self.state(session_pb2.STATE_THINKING)
        if self.script.apologises:
            await self.send(notice=session_pb2.Notice(reason="llm_failed", message="No reply came, twice.", severity=2))
        for _ in range(THINKING_UNITS):
            index = await self.unit(index, 0, 0, beat=False)
        samples = REPLY_UNITS * media.UNIT_SAMPLES
        step = samples // len(WORDS)
        words = [
            common_pb2.Word(text=word, start_sample=i * step, end_sample=(i + 1) * step, confidence=1)
            for i, word in enumerate(WORDS)
        ]
        caption = session_pb2.Caption(turn_id=turn, text=" ".join(WORDS), words=words, answers_utterance_ids=answered)
        await self.send(caption=caption)
        await self.state(session_pb2.STATE_SPEAKING)
        position = 0
        while position < REPLY_UNITS and not self.interrupted:
            index = await self.unit(index, turn, position * media.UNIT_SAMPLES, beat=position in BEATS)
            if position == 0:
                await self.send(metrics=stages(turn))
            position += 1
        self.service.order.append("turn")
        heard = WORDS[: position * media.UNIT_SAMPLES // step]
        await self.send(
            turn=session_pb2.Turn(
                turn_id=turn,
                heard_text=" ".join(heard),
                full_text=" ".join(WORDS),
                interrupted=self.interrupted,
                passages=[PASSAGE],
                utterance_id=f"r{turn}",
                answers_utterance_ids=answered,
            )
        )
        await self.state(session_pb2.STATE_LISTENING)
        return index

    async def state(self, state: session_pb2.State.ValueType) -> None:
        await self.send(state=session_pb2.StateChange(state=state, turn_id=self.turn_id))

    async def unit(self, index: int, turn_id: int, turn_sample: int, *, beat: bool) -> int:
        if self.script.die_at_unit == index and self.service.server:
            self.service.dying = asyncio.create_task(self.service.server.stop(None))
            await asyncio.Event().wait()
        pcm = media.voice(1, (0,) if beat else ())
        unit = common_pb2.Unit(
            index=index,
            start_sample=index * media.UNIT_SAMPLES,
            pcm=pcm.tobytes(),
            turn_id=turn_id,
            turn_sample=turn_sample,
        )
        if self.codec:
            frame = self.bright if beat else self.dark
            unit.frame.CopyFrom(common_pb2.VideoFrame(data=frame.data, keyframe=frame.keyframe))
        if index not in self.script.drop_units:
            await self.send(unit=unit)
            self.service.sent_units += 1
            self.service.unit_sent.set()
            self.service.unit_sent.clear()
        await asyncio.sleep(self.script.unit_s)
        return index + 1


@asynccontextmanager
async def serving(script: Script | None = None, port: int = 0) -> AsyncIterator[tuple[str, ScriptedSession]]:
    """A running server: its address and the servicer. Without a port, on a free one."""
    servicer = ScriptedSession(script or Script())
    server = grpc.aio.server(options=SERVER_OPTIONS)
    session_pb2_grpc.add_SessionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    servicer.server = server
    await server.start()
    try:
        yield f"localhost:{port}", servicer
    finally:
        await server.stop(None)

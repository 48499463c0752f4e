"""A stand-in for an NVIDIA Audio2Face-3D server, of the vendor's own messages: it keeps the protocol, or breaks it as told.

Its faces follow from the sound alone, so that a test can say what they must be: the jaw opens with the loudness, the lips purse
with the pitch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import grpc
import numpy as np
from numpy.typing import NDArray
from nvidia_ace.animation_pb2 import (
    AnimationData,
    AudioWithTimeCode,
    FloatArrayWithTimeCode,
    SkelAnimation,
    SkelAnimationHeader,
)
from nvidia_ace.status_pb2 import Status
from nvidia_audio2face_3d.audio2face_pb2_grpc import A2FControllerServiceServicer, add_A2FControllerServiceServicer_to_server
from nvidia_audio2face_3d.messages_pb2 import (
    END_OF_A2F_AUDIO_PROCESSING,
    A2F3DAnimationDataStream,
    A2F3DAnimationDataStreamHeader,
    Event,
)

from services.common.settings import SharedSettings
from services.face.engines.audio2face import Audio2FaceEngine
from services.face.settings import Audio2FaceOptions

KEY, FUNCTION = "sesame-1234", "fn-5678"
FPS: Final = 30
#: What the networks want to hear of what follows a frame.
AHEAD_S: Final = 0.26

_EYE: Final = ("EyeBlink", "EyeLookDown", "EyeLookIn", "EyeLookOut", "EyeLookUp", "EyeSquint", "EyeWide")
_MOUTH: Final = ("Smile", "Frown", "Dimple", "Stretch")
_LIPS: Final = ("Press", "LowerDown", "UpperUp")
#: ARKit's in the order of the vendor, and some of the tongue behind them.
NAMES: Final = (
    *(name + side for side in ("Left", "Right") for name in _EYE),
    *("JawForward", "JawLeft", "JawRight", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthLeft", "MouthRight"),
    *(f"Mouth{name}{side}" for name in _MOUTH for side in ("Left", "Right")),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper"),
    *(f"Mouth{name}{side}" for name in _LIPS for side in ("Left", "Right")),
    *("BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff"),
    *("CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut", "TongueTipUp", "TongueRollLeft"),
)

Refusal = tuple[grpc.StatusCode, str]


@dataclass
class Behaviour:
    """How it serves; as it should unless it is told otherwise."""

    key: str = KEY
    function: str = FUNCTION
    refuse: Refusal | None = None
    """Every call ends with this."""
    slow_s: float = 0.0
    """Before its first answer to a call."""
    pace: float = 0.0
    """Seconds that it takes for each second of animation."""
    mute: bool = False
    """It takes everything and gives nothing."""
    cuts: list[tuple[float, grpc.StatusCode]] = field(default_factory=list)
    """After how many seconds of sound the next calls end, and with what; those after them are served."""
    error: str = ""
    """It reports this, and ends the call as if all were well."""
    disordered: bool = False
    """Frames come in the wrong order, some of them long after those around them."""
    first_code_s: float = 0.0
    """The time code of the first sample."""
    echo: Literal["same", "none", "other"] = "same"
    """What it sends back with its frames."""
    names: tuple[str, ...] = NAMES
    values: Literal["named", "too few", "none"] = "named"
    """How many weights come with a frame; "none": no frames come at all."""


@dataclass
class Received:
    """One stream, as it came."""

    header: Any
    sizes: list[int] = field(default_factory=list)
    """Bytes of each message."""
    pcm: bytearray = field(default_factory=bytearray)
    ended: bool = False
    """The end of the sound was said."""
    over: bool = False

    @property
    def given_up(self) -> bool:
        """Whoever asked does not want to know any more."""
        return self.over and not self.ended

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / int(self.header.samples_per_second)


class Audio2FaceServer(A2FControllerServiceServicer):  # type: ignore[misc]
    """`behaviour` may be changed between two calls."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.address = ""
        self.streams: list[Received] = []

    async def ProcessAudioStream(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        behaviour = self.behaviour
        await self._admit(context)
        first = await anext(aiter(requests))
        if first.WhichOneof("stream_part") != "audio_stream_header":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be the header")
        received = Received(first.audio_stream_header.audio_header)
        self.streams.append(received)
        context.add_done_callback(lambda _: setattr(received, "over", True))
        async for answer in self._answers(requests, context, received, behaviour):
            yield answer

    async def _admit(self, context: Any) -> None:
        behaviour, metadata = self.behaviour, dict(context.invocation_metadata())
        if behaviour.refuse:
            await context.abort(*behaviour.refuse)
        if metadata.get("authorization") != f"Bearer {behaviour.key}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"invalid key {metadata.get('authorization')}")
        if metadata.get("function-id") != behaviour.function:
            await context.abort(grpc.StatusCode.NOT_FOUND, "function not found")

    async def _answers(self, requests: Any, context: Any, received: Received, behaviour: Behaviour) -> AsyncIterator[Any]:
        cut_s, status = behaviour.cuts.pop(0) if behaviour.cuts else (float("inf"), grpc.StatusCode.OK)
        animation = Animation(received, behaviour)
        if not behaviour.mute:
            await asyncio.sleep(behaviour.slow_s)
            yield _header(received, behaviour)
        async for request in requests:
            kind = request.WhichOneof("stream_part")
            if kind == "end_of_audio":
                received.ended = True
            elif kind == "audio_with_emotion":
                received.sizes.append(len(request.audio_with_emotion.audio_buffer))
                received.pcm += request.audio_with_emotion.audio_buffer
            if behaviour.error:
                yield A2F3DAnimationDataStream(status=Status(code=Status.ERROR, message=behaviour.error))
                return
            if received.seconds >= cut_s:
                if status is not grpc.StatusCode.OK:
                    await context.abort(status, "the worker is gone")
                return
            for frame in () if behaviour.mute else animation.frames():
                await asyncio.sleep(behaviour.pace / FPS)
                yield A2F3DAnimationDataStream(animation_data=frame)
            if received.ended:
                break
        if not received.ended:
            # Whoever asked has gone.
            return
        if behaviour.mute:
            await asyncio.Event().wait()
        yield A2F3DAnimationDataStream(event=Event(event_type=END_OF_A2F_AUDIO_PROCESSING))
        yield A2F3DAnimationDataStream(status=Status(code=Status.SUCCESS, message="done"))


class Animation:
    """What has been heard, as frames."""

    def __init__(self, received: Received, behaviour: Behaviour) -> None:
        self._received = received
        self._behaviour = behaviour
        self._rate = int(received.header.samples_per_second)
        self._made = 0
        self._held: list[Any] = []

    def frames(self) -> Iterator[Any]:
        """Those that can be made by now."""
        if self._behaviour.values == "none":
            return
        ready = []
        ahead_s = 0.0 if self._received.ended else AHEAD_S
        while (self._made + 1) / FPS + ahead_s <= self._received.seconds + 1e-9:
            ready.append(self._frame(self._made / FPS))
            self._made += 1
        if self._behaviour.disordered:
            ready = self._disordered(ready)
        yield from ready

    def _disordered(self, ready: list[Any]) -> list[Any]:
        """Every tenth frame waits for the next ones; the rest come backwards."""
        held = self._held if len(self._held) + len(ready) > FPS // 3 or self._received.ended else []
        later = [frame for n, frame in enumerate(ready) if n % 10 == 3 and not self._received.ended]
        self._held = [*([] if held else self._held), *later]
        return [*(frame for frame in reversed(ready) if frame not in later), *held]

    def _frame(self, time_s: float) -> Any:
        heard = np.frombuffer(self._received.pcm, "<i2").astype(np.float32) / 32768
        code, behaviour = time_s + self._behaviour.first_code_s, self._behaviour
        values = values_at(heard, self._rate, time_s, behaviour.names)
        begin, end = (round(self._rate * at) for at in (time_s, time_s + 1 / FPS))
        echo = {"same": bytes(self._received.pcm[2 * begin : 2 * end]), "none": b"", "other": b"\x55" * (2 * (end - begin))}
        return AnimationData(
            skel_animation=SkelAnimation(
                blend_shape_weights=[
                    FloatArrayWithTimeCode(time_code=code, values=values[:-1] if behaviour.values == "too few" else values)
                ]
            ),
            audio=AudioWithTimeCode(time_code=code, audio_buffer=echo[behaviour.echo]),
        )


def jaw_of(heard: NDArray[np.float32], rate_hz: int, time_s: float) -> float:
    """How far the jaw opens at a moment, by the loudness around it; beyond 1 where it is very loud, as the vendor's may be."""
    around = heard[max(0, round((time_s - 0.5 / FPS) * rate_hz)) : round((time_s + 0.5 / FPS) * rate_hz)]
    return 2.0 * float(np.sqrt(np.mean(np.square(around)))) if len(around) else 0.0


def values_at(heard: NDArray[np.float32], rate_hz: int, time_s: float, names: tuple[str, ...]) -> list[float]:
    """A frame's weights: jaw and lips by the sound, lids and tongue as nobody wants them, the rest below 0."""
    around = heard[round(time_s * rate_hz) : round((time_s + 1 / FPS) * rate_hz)]
    crossings = float(np.mean(np.diff(np.signbit(around)))) if len(around) > 1 else 0.0
    loud = jaw_of(heard, rate_hz, time_s)
    made = {"JawOpen": loud, "MouthPucker": loud * min(1.0, 8 * crossings), "EyeBlinkLeft": 1.0, "TongueOut": 1.0}
    return [made.get(name, -0.05) for name in names]


def _header(received: Received, behaviour: Behaviour) -> Any:
    return A2F3DAnimationDataStream(
        animation_data_stream_header=A2F3DAnimationDataStreamHeader(
            audio_header=received.header,
            skel_animation_header=SkelAnimationHeader(blend_shapes=behaviour.names),
            start_time_code_since_epoch=1_700_000_000.0,
        )
    )


@asynccontextmanager
async def audio2face_serving(address: str = "127.0.0.1:0") -> AsyncIterator[Audio2FaceServer]:
    """A running server."""
    made = Audio2FaceServer()
    server = grpc.aio.server()
    add_A2FControllerServiceServicer_to_server(made, server)
    port = server.add_insecure_port(address)
    made.address = f"{address.rpartition(':')[0]}:{port}"
    await server.start()
    try:
        yield made
    finally:
        await server.stop(None)


def driver(server: Audio2FaceServer, **options: Any) -> Audio2FaceEngine:
    """The engine, set for the stand-in."""
    given = {"address": server.address, "load_timeout_s": 0.1, "api_key": KEY, "function_id": FUNCTION, **options}
    return Audio2FaceEngine(Audio2FaceOptions(**given), SharedSettings())


@asynccontextmanager
async def driving(server: Audio2FaceServer, *, load: bool = True, **options: Any) -> AsyncIterator[Audio2FaceEngine]:
    """An engine that has met its server, for as long as the block runs; unless `load`, it is not made ready to draw."""
    engine = driver(server, **options)
    try:
        if load:
            await asyncio.to_thread(engine.load)
        else:
            engine._connection.check()
        await engine.connect()
        yield engine
    finally:
        await engine.disconnect()

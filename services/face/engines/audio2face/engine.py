"""Audio2Face-3D behind the contract of `services.face.engine`: the server is met at start and moves the mouth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray
from nvidia_audio2face_3d.audio2face_pb2_grpc import A2FControllerServiceStub

from services.common.engine import Model
from services.common.logs import get_logger
from services.common.nvidia.connection import Connection
from services.common.settings import SharedSettings
from services.face.engine import FaceInfo, FaceSession, Slot
from services.face.engines.audio2face.messages import RATE_HZ
from services.face.engines.audio2face.mouth import DrivenMouth
from services.face.engines.audio2face.stretch import Server, Stretch
from services.face.engines.portrait.actor import Actor
from services.face.engines.portrait.engine import PortraitEngine
from services.face.engines.portrait.renderer import Renderer
from services.face.engines.portrait.rig import Rig
from services.face.settings import Audio2FaceOptions, PortraitOptions
from vivant.errors import Unavailable, VivantError

_log = get_logger(__name__)

#: So much of the voice is with the server before it is heard, where the voice is that early: what the server wants to hear of
#: the future, its work and the network take a part of it, and little is wasted on a reply that is interrupted.
_AHEAD_S: Final = 2.0
#: What a server animates when it is met: long enough that weights must come.
_MEETING: Final = np.zeros(RATE_HZ, np.float32)


class Audio2FaceEngine:
    """See `services.face.engine.FaceEngine` and `services.common.engine.Remote`."""

    def __init__(self, options: Audio2FaceOptions, shared: SharedSettings) -> None:
        self._options = options
        self._connection = Connection(options)
        self._portraits = PortraitEngine(PortraitOptions(default_persona=options.default_persona), shared)
        self._server: Server | None = None
        drawn = self._portraits.info
        self.info = FaceInfo(
            name="audio2face",
            version=version("nvidia-audio2face-3d"),
            sizes_px=drawn.sizes_px,
            phonemes=False,
            cues=drawn.cues,
            models=(Model("Audio2Face-3D", options.licence, self._connection.notice), *drawn.models),
            ahead_s=_AHEAD_S,
        )

    def load(self) -> None:
        """Raises Unusable for settings that cannot work, and as the portrait engine."""
        self._connection.check()
        self._portraits.load()

    async def connect(self) -> None:
        """Has a second of silence animated, which shows all at once: that the server is there, takes the key, gives weights."""
        loop = asyncio.get_running_loop()
        # The vendor's messages have types, its stub has none.
        stub = A2FControllerServiceStub(self._connection.channel)  # type: ignore[no-untyped-call]
        server = Server(self._connection, lambda metadata: stub.ProcessAudioStream(metadata=metadata), loop)

        async def ask(_: float) -> None:
            meeting = Stretch(server, 0, RATE_HZ)
            meeting.push(_MEETING)
            meeting.end()
            await meeting.finished()

        await self._connection.met(ask)
        self._server = server
        _log.info("driver_met", address=self._options.address, licence=self._options.licence, detail=self._connection.notice)

    async def disconnect(self) -> None:
        await self._connection.close()

    def problems(self) -> Sequence[str]:
        return self._connection.problems()

    def open(self, persona: str, size_px: int, fps: int, seed: int) -> FaceSession:
        """A session that shows `persona`. Raises Unavailable before the server was met, and as the portrait engine."""
        if self._server is None:
            raise Unavailable("the Audio2Face-3D server has not answered yet; try again in a few seconds", reason="loading")
        return Audio2FaceSession(self._portraits.rig(persona, size_px), fps, seed, self._server, self._options.wait_ms / 1000)

    def check(self, persona: str) -> None:
        """Raises as the portrait engine."""
        self._portraits.check(persona)


class Audio2FaceSession:
    """One stream's face."""

    def __init__(self, rig: Rig, fps: int, seed: int, server: Server, patience_s: float) -> None:
        self._mouth = DrivenMouth(server, patience_s)
        self._actor = Actor(seed, fps, self._mouth)
        self._renderer = Renderer(rig)

    def render(self, slot: Slot) -> NDArray[np.uint8]:
        """The picture of `slot`: RGB [S, S, 3], valid until the next call."""
        return self._renderer.draw(self._actor.step(slot))

    def troubles(self) -> Sequence[VivantError]:
        """See `services.face.engine.Troubled`."""
        return self._mouth.troubles()

    def close(self) -> None:
        """Ends what the server is asked."""
        self._mouth.close()

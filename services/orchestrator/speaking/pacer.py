"""The metronome of a session that has lost its face: the voice goes on, in units without frames.

Speaks the face's contract, so that the session need not care which of the two it talks to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from google.protobuf.message import Message

from services.common.metronome import Metronome
from vivant.common.v1 import common_pb2
from vivant.face.v1 import face_pb2

UNIT_S: Final = 0.04


def mix(voice: bytes, aside: bytes) -> bytes:
    """Two voices at once: 16-bit PCM; the second may be shorter."""
    mixed = np.frombuffer(voice, "<i2").astype(np.int32)
    mixed[: len(aside) // 2] += np.frombuffer(aside, "<i2")
    return mixed.clip(-32768, 32767).astype("<i2").tobytes()


class Pacer:
    """Holds the speech of one reply and lets it go 40 ms at a time."""

    def __init__(self, rate_hz: int, on_response: Callable[[str, Any], None]) -> None:
        self._unit_bytes = 2 * round(rate_hz * UNIT_S)
        self._on_response = on_response
        self._newest = 0
        self._turn_id = 0
        self._pcm = bytearray()
        self._sound = b""
        self._position = 0
        self._started = False
        self._complete = False
        self._paused = False
        self._index = 0

    def send(self, **payload: Message) -> None:
        """One request of the face's contract; what only concerns the picture is ignored."""
        for kind, message in payload.items():
            handler = getattr(self, f"_{kind}", None)
            if handler is not None:
                handler(message)

    async def run(self) -> None:
        """A unit every 40 ms until cancelled."""
        metronome = Metronome(UNIT_S)
        while True:
            await metronome.tick()
            self.beat()

    def _speech(self, speech: face_pb2.Speech) -> None:
        if not self._accepts(speech.turn_id):
            return
        if not self._pcm and not self._started:
            self._position = speech.start_sample
        self._pcm += speech.pcm

    def _speech_end(self, end: face_pb2.SpeechEnd) -> None:
        if self._accepts(end.turn_id):
            self._complete = True

    def _aside(self, aside: face_pb2.Aside) -> None:
        self._sound = self._sound or aside.pcm

    def _pause(self, _: face_pb2.Pause) -> None:
        self._paused = True

    def _resume(self, _: face_pb2.Resume) -> None:
        self._paused = False

    def _clear(self, clear: face_pb2.Clear) -> None:
        self._newest = max(self._newest, clear.newest_turn_id)
        if self._turn_id < self._newest:
            self._forget()

    def _accepts(self, turn_id: int) -> bool:
        if turn_id < self._newest:
            return False
        if turn_id != self._turn_id:
            self._forget()
            self._turn_id = self._newest = turn_id
        return True

    def _forget(self) -> None:
        self._pcm.clear()
        self._turn_id = self._position = 0
        self._started = self._complete = self._paused = False

    def beat(self) -> None:
        """The next unit."""
        unit = common_pb2.Unit(index=self._index, pcm=bytes(self._unit_bytes))
        enough = len(self._pcm) >= self._unit_bytes or (self._complete and self._pcm)
        if self._turn_id and enough and not self._paused:
            pcm = bytes(self._pcm[: self._unit_bytes])
            del self._pcm[: self._unit_bytes]
            unit.pcm = pcm.ljust(self._unit_bytes, b"\0")
            unit.turn_id, unit.turn_sample = self._turn_id, self._position
            self._position += len(pcm) // 2
            if not self._started:
                self._started = True
                self._report(face_pb2.PLAYBACK_STATE_STARTED, unit.turn_sample)
        if self._sound:
            now, self._sound = self._sound[: self._unit_bytes], self._sound[self._unit_bytes :]
            unit.pcm = mix(unit.pcm, now)
        self._on_response("unit", unit)
        self._index += 1
        if self._turn_id and self._complete and not self._pcm:
            self._report(face_pb2.PLAYBACK_STATE_FINISHED, self._position)
            self._forget()

    def _report(self, state: face_pb2.PlaybackState.ValueType, position: int) -> None:
        playback = face_pb2.Playback(turn_id=self._turn_id, state=state, position_samples=position, unit_index=self._index)
        self._on_response("playback", playback)

"""Microphone and loudspeaker of this computer, through the optional package sounddevice."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any, Final

from vivant.errors import Unusable
from vivant.events import Unit

_CHUNK_MS: Final = 20
#: Sound that waits for the loudspeaker; older units are left out, so that a slow device does not fall behind: 0.4 s.
_MAX_WAITING_UNITS: Final = 10
#: Sound of the microphone that waits to be sent: 2 s.
_MAX_WAITING_CHUNKS: Final = 100


class Devices:
    """Records and plays. Without headphones the persona hears itself: there is no echo cancellation here."""

    def __init__(self, microphone_hz: int) -> None:
        try:
            self._sounddevice: Any = import_module("sounddevice")
        except (ImportError, OSError) as exc:
            # OSError: the package is there, the PortAudio library is not.
            raise Unusable(
                f"--mic needs the package sounddevice and the PortAudio library ({exc}); "
                "run: pip install sounddevice, on Debian also: apt install libportaudio2",
                reason="missing_package",
            ) from exc
        self._rate = microphone_hz
        self._loop = asyncio.get_running_loop()
        self._recorded: asyncio.Queue[bytes] = asyncio.Queue(_MAX_WAITING_CHUNKS)
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING_UNITS)
        self._rest = b""
        self._streams: list[Any] = []

    def start(self, voice_rate_hz: int) -> None:
        """Opens both devices; raises Unusable when there are none."""
        open_input, open_output = self._sounddevice.RawInputStream, self._sounddevice.RawOutputStream
        sound = {"channels": 1, "dtype": "int16"}
        try:
            self._streams.append(
                open_input(samplerate=self._rate, blocksize=self._rate * _CHUNK_MS // 1000, callback=self._on_recorded, **sound)
            )
            self._streams.append(open_output(samplerate=voice_rate_hz, callback=self._on_wanted, **sound))
            for stream in self._streams:
                stream.start()
        except self._sounddevice.PortAudioError as exc:
            self.stop()
            raise Unusable(f"the microphone or the loudspeaker cannot be used: {exc}", reason="no_sound_device") from exc

    def stop(self) -> None:
        """Closes the devices."""
        while self._streams:
            self._streams.pop().close()

    async def sound(self) -> AsyncIterator[bytes]:
        """What the microphone records, 20 ms at a time."""
        while True:
            yield await self._recorded.get()

    def play(self, unit: Unit) -> None:
        """Queues the sound of a unit."""
        with self._lock:
            self._waiting.append(unit.pcm)

    def _on_recorded(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio in its own thread."""
        self._loop.call_soon_threadsafe(self._keep, bytes(data))

    def _keep(self, chunk: bytes) -> None:
        if self._recorded.full():
            self._recorded.get_nowait()
        self._recorded.put_nowait(chunk)

    def _on_wanted(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio in its own thread; what is missing is silence."""
        wanted = frames * 2
        with self._lock:
            while len(self._rest) < wanted and self._waiting:
                self._rest += self._waiting.popleft()
        data[:] = self._rest[:wanted].ljust(wanted, b"\0")
        self._rest = self._rest[wanted:]

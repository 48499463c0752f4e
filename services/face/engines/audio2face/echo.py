"""Where in the sound that was sent the server's time codes lie: its weights come with the sound that they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.face.engines.audio2face.messages import RATE_HZ

#: No longer than this is looked for: a server that has not sent back anything but silence until then counts as we do.
_KEPT: Final = 2 * RATE_HZ * 10


class Echo:
    """Holds what comes back against what was sent, until that is beyond doubt."""

    def __init__(self) -> None:
        self._sent = bytearray()
        self._sure = False
        self.start_s = 0.0
        """The time code of the first sample; codes count from 0 unless the sound shows otherwise."""

    def sent(self, pcm: bytes) -> None:
        """The next sound, 16-bit PCM at RATE_HZ."""
        if not self._sure and len(self._sent) < _KEPT:
            self._sent += pcm

    def heard(self, time_code_s: float, pcm: bytes) -> bool:
        """What came back with a time code. False: it is not what was sent, and `start_s` is as good as it was."""
        if self._sure or not pcm or len(self._sent) >= _KEPT:
            return True
        expected = 2 * round((time_code_s - self.start_s) * RATE_HZ)
        found = min(self._places(pcm, expected), key=lambda place: abs(place - expected), default=None)
        if found is None:
            return False
        if found != expected:
            self.start_s = time_code_s - found / 2 / RATE_HZ
        # Silence is the same everywhere.
        self._sure = any(pcm)
        return True

    def _places(self, pcm: bytes, expected: int) -> Iterator[int]:
        """Where `pcm` lies in what was sent, whole samples; only at the expected place, if it is there."""
        if expected >= 0 and self._sent.startswith(pcm, expected):
            yield expected
            return
        place = self._sent.find(pcm)
        while place >= 0:
            if place % 2 == 0:
                yield place
            place = self._sent.find(pcm, place + 1)

"""Where in the sound that was sent the server's time codes lie: its weights come with the sound that they belong to."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate

from services.face.engines.audio2face.messages import BYTES_PER_SECOND, RATE_HZ

#: No longer than this is looked for: a server that has sent back nothing but silence until then counts as we do.
_KEPT_BYTES: Final = 10 * BYTES_PER_SECOND
#: Root mean square of 16-bit samples below which sound is silence, which is the same everywhere: 60 dB below full scale.
_SILENT: Final = 32.0
#: Share of its power by which an echo may differ from the sound that was sent: a server may have changed its rate on the way.
_DIFFERENT: Final = 0.3
#: Differences closer than this are one: the rounding of the transforms, in shares of the power.
_SAME: Final = 1e-6

Samples = NDArray[np.float64]


class Echo:
    """Holds what comes back against what was sent, until that is beyond doubt."""

    def __init__(self) -> None:
        self._sent = bytearray()
        self._sure = False
        self.start_s = 0.0
        """The time code of the first sample; codes count from 0 unless the sound shows otherwise."""

    def sent(self, pcm: bytes) -> None:
        """The next sound, 16-bit PCM at RATE_HZ."""
        if not self._sure:
            self._sent += pcm

    def heard(self, time_code_s: float, pcm: bytes) -> bool:
        """What came back with a time code, 16-bit PCM. False: it is not what was sent, and `start_s` is as good as it was."""
        if self._sure or not pcm:
            return True
        if len(self._sent) > _KEPT_BYTES:
            self._settle()
            return True
        echo = np.frombuffer(pcm, "<i2").astype(np.float64)
        expected = round((time_code_s - self.start_s) * RATE_HZ)
        if np.sqrt(np.mean(np.square(echo))) < _SILENT:
            if not 0 <= expected <= len(self._sent) // 2:
                self.start_s = time_code_s
            return True
        sent = np.frombuffer(bytes(self._sent), "<i2").astype(np.float64)
        if expected < 0 or not np.array_equal(sent[expected : expected + len(echo)], echo):
            found = _likest(sent, echo, expected)
            if found is None:
                return False
            self.start_s = time_code_s - found / RATE_HZ
        self._settle()
        return True

    def _settle(self) -> None:
        self._sure = True
        self._sent.clear()


def _likest(sent: Samples, echo: Samples, expected: int) -> int | None:
    """Where in `sent` what is most like `echo` begins, the nearest to `expected` of several; None: nothing is like it."""
    if len(sent) < len(echo):
        return None
    power = float(np.sum(np.square(echo)))
    energy = np.concatenate([[0.0], np.cumsum(np.square(sent))])
    around = energy[len(echo) :] - energy[: -len(echo)]
    # The squared difference at each place, by its three terms.
    different = (power + around - 2 * correlate(sent, echo, mode="valid", method="fft")) / power
    least = float(different.min())
    if least > _DIFFERENT:
        return None
    places = np.flatnonzero(different < least + _SAME)
    return int(places[np.abs(places - expected).argmin()])

"""Kokoro-82M in two parts: the front reads a whole clause, the vocoder makes sound of any part of what the front found.

Both are cut from the published graph when the model is fetched, see models/conversion/kokoro.py, which also says what makes a
part sound as it does in the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.onnx import open_model
from services.tts.engines.timing import STEP

FETCH: Final = "python -m models fetch kokoro"
#: Frames of 25 ms that the vocoder hears on both sides of a part: its convolutions reach no further.
OVERLAP: Final = 4
#: Frames of the first chunk of an utterance, and the most that any has. A chunk is half as long again as the one before: it is
#: then made in half the time that that one takes to be heard. Longer ones would keep other streams waiting.
FIRST_CHUNK: Final = 8
LONGEST_CHUNK: Final = 20
#: Energy below this is silence: on 20 sentences of four voices, 97 to 99 % of the half frames are on the side on which 40 dB
#: below the loudest 5 ms puts them, neither early nor late (correlation with the sound's level .96 to .98, best at no shift).
_SILENCE: Final = 0.0

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Utterance:
    """What the front made of a run of symbols: T frames of 25 ms."""

    steps: Array
    """[n]: frames of each symbol, the pads at both ends included; T is their sum."""
    energy: Array
    """[2T]: how loud each half of a frame will be, as the logarithm of the norm of its mel spectrum."""
    hidden: Array
    """[1, 512, 2T]"""
    harmonics: Array
    """[1, 22, 120T + 1]: the spectrum of the buzz and breath that the vocoder shapes."""
    timbre: Array
    """[1, 128]: the half of the voice's style that is not melody."""

    @property
    def silent(self) -> NDArray[np.bool_]:
        """[600T]: which samples will be silent, known before there is any sound."""
        return np.repeat(self.energy < _SILENCE, STEP // 2)

    @property
    def frames(self) -> int:
        """T"""
        halves: int = self.hidden.shape[2]
        return halves // 2

    @property
    def samples(self) -> int:
        """At 24 kHz."""
        return self.frames * STEP


class KokoroModel:
    """The parts; safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises Unusable when a file is missing or broken."""
        self._front = open_model(folder / "front.onnx", fetch=FETCH)
        self._vocoder = open_model(folder / "vocoder.onnx", fetch=FETCH)
        self._norms = open_model(folder / "norms.onnx", fetch=FETCH)
        self._figures = [output.name for output in self._norms.get_outputs()]

    def prepare(self, ids: NDArray[np.int64], style: Array, speed: float) -> Utterance:
        """`ids` [1, n] with the pads, `style` [256]: the row of the voice for this many symbols."""
        feed = {"tokens": ids, "style": style[None], "speed": np.asarray([speed], np.float32)}
        steps, energy, hidden, harmonics, timbre = self._front.run(["steps", "energy", "hidden", "harmonics", "timbre"], feed)
        return Utterance(steps.ravel(), energy.ravel(), hidden, harmonics, timbre)

    def norms(self, utterance: Utterance) -> dict[str, Array]:
        """What the norms of the vocoder come to in a whole utterance; much the same in all that a voice says."""
        return dict(zip(self._figures, self._norms.run(self._figures, _part(utterance, 0, utterance.frames)), strict=True))

    def sound(self, utterance: Utterance, norms: Mapping[str, Array], begin: int, end: int) -> Array:
        """Samples [begin, end) of the utterance, which has 600 for each frame; [n] float32 in [-1, 1]."""
        first = max(0, begin // STEP - OVERLAP)
        last = min(utterance.frames, -(-end // STEP) + OVERLAP)
        audio: Array = self._vocoder.run(["audio"], {**_part(utterance, first, last), **norms})[0].ravel()
        return audio[begin - first * STEP : end - first * STEP]


def _part(utterance: Utterance, first: int, last: int) -> dict[str, Array]:
    """Frames [first, last) as the vocoder takes them."""
    return {
        "hidden": utterance.hidden[:, :, 2 * first : 2 * last],
        "harmonics": utterance.harmonics[:, :, 120 * first : 120 * last + 1],
        "timbre": utterance.timbre,
    }


def chunks(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where [begin, end) is cut, in samples, so that the first part is ready soon. No rest is shorter than the overlap."""
    size = FIRST_CHUNK
    while begin < end:
        to = begin + size * STEP
        if end - to < OVERLAP * STEP:
            to = end
        yield begin, to
        begin, size = to, min(size * 3 // 2, LONGEST_CHUNK)

"""One reply put together of its pieces: what is said of each, where it stands on the reply's clock, the pauses between them.

An engine that pronounces with `Pronouncer` and times with `time_run` does here what it shares with the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.audio import to_pcm
from services.tts.engine import Phoneme, Speech, Word
from services.tts.engines.pronounce import Symbol
from services.tts.engines.timing import RATE_HZ, STEP, Timing, word_list
from services.tts.spoken import ReplyText, SpokenWord

#: Kept before the first sound of a run (one step) and after its last one, so that neither is clipped.
LEAD: Final = STEP
TAIL: Final = 1440
_FADE: Final = 120
#: Stands for words in a script that the voice cannot speak, at speed 1.
_PAUSE: Final = RATE_HZ * 3 // 10
#: Carries symbols at the end of a reply: one unit of the picture.
_MOMENT: Final = RATE_HZ // 25
#: Silence between the last sound of a piece and the first of the next, in seconds at speed 1, by the mark between them: what
#: the model itself does inside a longer text (full stop .29-.32 s, semicolon and colon .31-.34 s, comma anything up to .33 s).
_PAUSES_S: Final = {"": 0.04, ",": 0.15, "—": 0.2, ";": 0.28, ":": 0.28, ".": 0.34, "!": 0.34, "?": 0.34, "…": 0.45}

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """What is known of a piece of the reply, in samples from its own beginning."""

    samples: int
    phonemes: Sequence[Phoneme]
    words: Sequence[Word]
    mark: str
    """The punctuation it ends with, which decides the pause after it."""
    unspoken_scripts: Sequence[str] = ()


class Reply:
    """Puts the pieces of one reply on its clock, with the pause between two of them at the head of the later one.

    There it costs nothing: a pause at the end of a piece would hold the floor after the last word of the reply.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._samples = 0
        self._mark: str | None = None
        self.text = ReplyText()
        self.pieces = 0

    def begin(self, piece: Piece, audio: Audio) -> Speech:
        """The first stretch of the next piece: `audio` is all of its sound, or as much as is there. All its times are in it."""
        pause = 0
        if self._mark is not None:
            pause = max(0, round(_PAUSES_S[self._mark] * RATE_HZ / self._speed) - LEAD - TAIL)
        offset = self._samples + pause
        phonemes = [Phoneme("", self._samples, offset)] if pause else []
        phonemes += moved(piece.phonemes, offset)
        words = [Word(word.text, word.start_sample + offset, word.end_sample + offset) for word in piece.words]
        self._samples = offset + piece.samples
        self._mark = piece.mark
        self.pieces += 1
        return Speech(bytes(2 * pause) + to_pcm(audio), phonemes, words, piece.unspoken_scripts)

    def rest(self) -> Speech | None:
        """Symbols behind the last word of the reply: they belong to its text, and a moment of silence carries them.

        None when the reply has no words at all: then nothing of it can be spoken.
        """
        if not self.text.rest:
            return None
        self._mark = None
        timing = silence_for([0], _MOMENT)
        words = word_list([self.text.rest], timing.words, 0)
        return self.begin(Piece(_MOMENT, timing.phonemes, words, ""), np.zeros(_MOMENT, np.float32))


def joined(words: Sequence[SpokenWord], symbols: Sequence[Symbol], runs: Sequence[Timing]) -> Piece:
    """The piece whose runs follow each other."""
    phonemes: list[Phoneme] = []
    spans: dict[int, tuple[int, int]] = {}
    offset = 0
    for timing in runs:
        phonemes.extend(moved(timing.phonemes, offset))
        for word, (start, end) in timing.words.items():
            spans[word] = (spans[word][0] if word in spans else start + offset, end + offset)
        offset = phonemes[-1].end_sample
    said = word_list([word.text for word in words], spans, 0)
    scripts = tuple(dict.fromkeys(word.unspoken_script for word in words if word.unspoken_script))
    return Piece(offset, phonemes, said, _final_mark(symbols), scripts)


def pause_for(words: Sequence[int], speed: float) -> Timing:
    """The pause for words that the voice has no sounds for."""
    return silence_for(words, round(_PAUSE / speed))


def silence_for(words: Sequence[int], samples: int) -> Timing:
    """Silence that is shared out among the words it stands for."""
    edges = [samples * at // len(words) for at in range(len(words) + 1)]
    spans = {word: (edges[at], edges[at + 1]) for at, word in enumerate(words)}
    return Timing([Phoneme("", 0, samples)], spans, 0, samples)


def moved(phonemes: Sequence[Phoneme], offset: int) -> list[Phoneme]:
    """The same sounds, later."""
    return [Phoneme(p.symbol, p.start_sample + offset, p.end_sample + offset, p.stress) for p in phonemes]


def faded_in(audio: Audio) -> Audio:
    """Its beginning faded over 5 ms: joined runs must not click."""
    faded = audio.copy()
    faded[:_FADE] *= np.linspace(0, 1, _FADE, dtype=np.float32)[: len(faded)]
    return faded


def faded_out(audio: Audio) -> Audio:
    """Its end faded as `faded_in` does the beginning."""
    return faded_in(audio[::-1])[::-1]


def _final_mark(symbols: Sequence[Symbol]) -> str:
    marks = [symbol.char for symbol in symbols[-3:] if symbol.char in _PAUSES_S]
    return marks[-1] if marks else ""

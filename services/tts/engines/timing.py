"""From the durations of the hibari model to where each sound really is in its audio.

The model gives one duration for each symbol, the silent pads at both ends included, in steps of 600 samples; they sum to the
sample count. Heard against the audio they are regularly off, and these rules put them right. The figures were measured on the
model's own speech: 15 sentences, 17 onsets and 38 ends of s and sh beside vowels, located by their energy above 4.5 kHz.

- The sound comes before its duration says so by one step plus one step at the voice's own pace: 50 ms at speed 1 (middle half
  of the cases: 43 to 56 ms), 61-65 ms at 0.7, 39-41 ms at 1.4.
- A space between words has no time of its own: the sound before it takes its first step, the sound after it the rest.
- A stress mark is the beginning of the sound that it marks.
- The pause before a punctuation mark hides in the sound before it: 300 ms of silence inside a final "m" are common. Where a
  pause begins and ends is read off the audio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.tts.engine import Phoneme, Word
from services.tts.engines.pronounce import Symbol

RATE_HZ: Final = 24_000
STEP: Final = 600
"""Samples of one step: 25 ms at 24 kHz."""
_MARKS: Final = {"ˈ": 1, "ˌ": 2}
_PUNCTUATION: Final = frozenset(';:,.!?—…"()“”')
_LENGTH: Final = frozenset("ːʰʲ̃")
#: The voice's own letters for sounds that IPA writes otherwise.
_IPA: Final = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "S": "s", "T": "ɾ", "ᵊ": "ə", "ᵻ": "ɪ"} | {
    "ʤ": "dʒ",
    "ʧ": "tʃ",
    "ʦ": "ts",
    "ʣ": "dz",
    "ɚ": "ɜ",
}
#: Energy is averaged over 5 ms and called silence when it is this far below the loudest of the run.
_ENERGY_WINDOW: Final = 120
_SILENCE_RATIO: Final = 10 ** (-4.0)
#: Shorter silences are the closures of stops, not pauses.
_LEAST_PAUSE: Final = 1440
#: A sound before a pause is at least this long.
_LEAST_SOUND: Final = 1200


@dataclass(frozen=True)
class _Sound:
    char: str
    word: int
    stress: int
    first: int
    """Index of its first symbol: its stress mark or itself."""
    last: int
    """Index of its last symbol: a length mark or itself."""


@dataclass(frozen=True)
class Timing:
    """Sounds and words of one run, in samples of its audio; the phonemes cover it completely."""

    phonemes: list[Phoneme]
    words: dict[int, tuple[int, int]]
    """Written word index to [start, end)."""
    first_sound: int
    last_sound_end: int


def lead_samples(speed: float) -> int:
    """How far the sound comes before its duration at a given speed."""
    return round(STEP + STEP / speed)


def time_run(symbols: Sequence[Symbol], steps: NDArray[np.float32], silent: NDArray[np.bool_], speed: float) -> Timing:
    """Times of one run.

    `steps` has one value for each symbol and one for each of the two pads; `silent` [n] tells of each sample whether it is part
    of a silence, n = 600 * sum(steps).
    """
    sounds = _sounds(symbols)
    if not sounds:
        return Timing([Phoneme("", 0, len(silent))], {}, 0, 0)
    # begins[i] is where symbol i begins; the pad at the end is one symbol more.
    begins = np.maximum(0, np.cumsum(steps).astype(np.int64) * STEP - lead_samples(speed))
    start = _rise(silent, int(begins[sounds[0].first]))
    phonemes = [Phoneme("", 0, start)] if start else []
    spans: list[tuple[int, int]] = []
    for sound, following in zip(sounds, [*sounds[1:], None], strict=True):
        if following is None:
            end = min(max(start + _LEAST_SOUND, _fall(silent, start)), len(silent))
            next_start = len(silent)
        else:
            end, next_start = _border(symbols, begins, silent, start, slice(sound.last + 1, following.first))
        spans.append((start, end))
        phonemes.append(Phoneme(_IPA.get(sound.char, sound.char), start, end, sound.stress))
        if next_start > end:
            phonemes.append(Phoneme("", end, next_start))
        start = next_start
    return Timing(phonemes, _words(sounds, spans), spans[0][0], spans[-1][1])


def silence(audio: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which samples of a run are silent. `audio` [n] float32 at 24 kHz."""
    window = np.ones(_ENERGY_WINDOW, np.float32) / _ENERGY_WINDOW
    energy = np.convolve(audio * audio, window, "same")
    return np.asarray(energy < max(float(energy.max()) * _SILENCE_RATIO, 1e-9))


def cut(timing: Timing, begin: int, end: int) -> Timing:
    """The same run with its audio cut to [begin, end)."""
    phonemes = [
        Phoneme(p.symbol, max(p.start_sample, begin) - begin, min(p.end_sample, end) - begin, p.stress)
        for p in timing.phonemes
        if p.end_sample > begin and p.start_sample < end
    ]
    words = {index: (max(0, a - begin), min(b, end) - begin) for index, (a, b) in timing.words.items()}
    return Timing(phonemes, words, timing.first_sound - begin, min(timing.last_sound_end, end) - begin)


def word_list(texts: Sequence[str], spans: dict[int, tuple[int, int]], offset: int) -> list[Word]:
    """All written words in order; one that made no sound stands without length where the one before it ends."""
    words: list[Word] = []
    at = min((start for start, _ in spans.values()), default=0)
    for index, text in enumerate(texts):
        start, end = spans.get(index, (at, at))
        start = max(start, at)
        at = max(end, start)
        words.append(Word(text, offset + start, offset + at))
    return words


def _sounds(symbols: Sequence[Symbol]) -> list[_Sound]:
    """The sounds, with their stress marks before and their length marks after them taken in."""
    sounds: list[_Sound] = []
    stress, first = 0, -1
    for index, symbol in enumerate(symbols):
        if symbol.char in _MARKS:
            stress, first = _MARKS[symbol.char], index
        elif symbol.char in _LENGTH:
            if sounds:
                sounds[-1] = replace(sounds[-1], last=index)
        elif symbol.char != " " and symbol.char not in _PUNCTUATION:
            sounds.append(_Sound(symbol.char, symbol.word, stress, index if first < 0 else first, index))
            stress, first = 0, -1
    return sounds


def _border(
    symbols: Sequence[Symbol], begins: NDArray[np.int64], silent: NDArray[np.bool_], start: int, between: slice
) -> tuple[int, int]:
    """Where the sound that started at `start` ends and the next one starts; the two differ when there is a pause between."""
    gap, following = between.start, between.stop
    chars = [symbol.char for symbol in symbols[between]]
    begin = int(begins[following])
    if not chars:
        return begin, begin
    border = min(int(begins[gap]) + STEP, begin)
    if _PUNCTUATION.isdisjoint(chars):
        return border, border
    label = min(int(begins[following - 1]) + STEP, begin) if chars[-1] == " " else begin
    pause = _longest_silence(silent, min(start + _LEAST_SOUND, label), label + STEP)
    if pause is None:
        return border, border
    return pause[0], max(pause[0], min(pause[1], label))


def _rise(silent: NDArray[np.bool_], label: int) -> int:
    """Where the first sound begins: up to one step before its label if it is loud there already."""
    begin = max(0, label - STEP)
    loud = np.flatnonzero(~silent[begin:label])
    return begin + int(loud[0]) if len(loud) else label


def _fall(silent: NDArray[np.bool_], begin: int) -> int:
    """Just after the last loud sample, or `begin`."""
    loud = np.flatnonzero(~silent[begin:])
    return begin + int(loud[-1]) + 1 if len(loud) else begin


def _longest_silence(silent: NDArray[np.bool_], begin: int, end: int) -> tuple[int, int] | None:
    part = np.concatenate([[False], silent[begin:end], [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(part)).reshape(-1, 2)
    if not len(edges):
        return None
    a, b = max(edges, key=lambda edge: int(edge[1] - edge[0]))
    return (begin + int(a), begin + int(b)) if b - a >= _LEAST_PAUSE else None


def _words(sounds: Sequence[_Sound], spans: Sequence[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    words: dict[int, tuple[int, int]] = {}
    for sound, (start, end) in zip(sounds, spans, strict=True):
        begin = words[sound.word][0] if sound.word in words else start
        words[sound.word] = (begin, end)
    return words

"""A small network that reads the words of a turn as they come: is it over, and what is the speaker doing?

Gated recurrent networks (Cho et al. 2014), of which the answers are averaged. They read the end of what the other said before,
then the turn, a word at a time, lower case and without punctuation, and were trained on manual transcripts of meetings by
`python -m bench.turn.training reader`; `reader.json` says when, on what, and how well. A new word takes about 0.2 ms.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.reading.words import words_without_digits

WEIGHTS: Final = Path(__file__).with_name("reader.npz")
#: With these words somebody announces a story: too seldom in meetings for a network to learn.
STORIES: Final = Path(__file__).with_name("story_openings.en.json")
#: Of the other's words so many of the last are read.
BEFORE_WORDS: Final = 24
#: Turns of the training were cut after so many words; later ones count as this one.
LONGEST: Final = 120
#: Numbers of the vocabulary: what stands between the two speakers, and between them when the other asked something. Words that
#: are not in it share `ENDINGS` places by their last letters, which tell "-ing" from "-ed".
SEPARATOR: Final = 2
AFTER_QUESTION: Final = 3
FIRST_ENDING: Final = 6
ENDINGS: Final = 200
#: What a network answers, in this order: the turn is over; what follows the word; the turn is an acknowledgement and nothing
#: else; it is one of thirty words or more; its last sentence is a question or a request, if it is whole.
FOLLOWING: Final = ("nothing", "comma", "full_stop", "question_mark", "hesitation", "break", "another_voice")
OUTPUTS: Final = ("over", *FOLLOWING, "acknowledges", "tells_a_story", "asks")
#: Digits are one word: numbers are said in many ways.
NUMBER: Final = "<n>"
_WORD: Final = re.compile(r"[a-z]+(?:['-][a-z]+)*|\d+")
_SENTENCE_END: Final = re.compile(r"[.!?]\s")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """What the words of a turn say that the speaker is doing: probabilities.

    `asks`, `tells` and `looks_for_words` are of the sentence that was said last, and sum to 1; the others are of the turn,
    each by itself.
    """

    asks: float
    tells: float
    looks_for_words: float
    acknowledges: float
    """The turn is "mm-hm" or "yeah, okay", and nothing else."""
    tells_a_story: float
    """It goes on for long."""


@dataclass(frozen=True)
class Read:
    """What the words say."""

    over: float
    """That the turn is over here, in logits, among places where people stop or pause."""
    reading: Reading


def spoken_words(text: str) -> list[str]:
    """Words as the network knows them."""
    found = _WORD.findall(text.lower().replace("’", "'"))
    return [NUMBER if word.isdigit() else word for word in found]


def ending(word: str) -> int:
    """The place of a word that is not in the vocabulary."""
    return FIRST_ENDING + zlib.crc32(word[-3:].encode()) % ENDINGS


class Reader:
    """The weights, shared by all streams: `networks` of them, each with `hidden` units and `inputs` numbers a word."""

    def __init__(self, weights: dict[str, Any]) -> None:
        self._vocabulary = {word: at + FIRST_ENDING + ENDINGS for at, word in enumerate(str(weights["vocabulary"]).split())}
        # [networks, words, inputs], kept as whole numbers of a scale for each word.
        self._embedding: NDArray[np.int8] = weights["embedding"]
        self._scale: NDArray[np.float16] = weights["scale"]
        self._from_input, self._input_bias, self._from_hidden, self._hidden_bias, self._to_output, self._output_bias = (
            weights[name].astype(np.float32)
            for name in ("from_input", "input_bias", "from_hidden", "hidden_bias", "to_output", "output_bias")
        )
        networks, _, self.hidden = self._from_hidden.shape
        self.rest: Floats = np.zeros((networks, self.hidden), np.float32)

    def place(self, word: str) -> int:
        """Of a word in the vocabulary."""
        return self._vocabulary.get(word) or ending(word)

    def step(self, state: Floats, place: int, position: int) -> Floats:
        """The state [networks, hidden] after one more word; `position` counts those of the turn from 1, and is 0 before it."""
        word = self._embedding[:, place].astype(np.float32) * self._scale[:, place, None].astype(np.float32)
        told = np.array([math.log1p(position) / 4, float(position > 0)], np.float32)
        given = np.concatenate([word, np.broadcast_to(told, (len(word), 2))], axis=1)
        a = (self._from_input @ given[..., None])[..., 0] + self._input_bias
        b = (self._from_hidden @ state[..., None])[..., 0] + self._hidden_bias
        size = self.hidden
        reset, update = _sigmoid(a[:, :size] + b[:, :size]), _sigmoid(a[:, size : 2 * size] + b[:, size : 2 * size])
        new = np.tanh(a[:, 2 * size :] + reset * b[:, 2 * size :])
        following: Floats = (1 - update) * new + update * state
        return following

    def answer(self, state: Floats) -> Read:
        """What is known after the word."""
        logits = ((self._to_output @ state[..., None])[..., 0] + self._output_bias).mean(axis=0)
        by_name = dict(zip(OUTPUTS, map(float, logits), strict=True))
        # Here something follows: the speaker has stopped.
        follows = np.exp(np.array([by_name[name] for name in FOLLOWING[1:]]) - max(by_name[name] for name in FOLLOWING[1:]))
        share = dict(zip(FOLLOWING[1:], map(float, follows / follows.sum()), strict=True))
        looks_for_words = share["hesitation"] + share["break"]
        asks = float(_sigmoid(by_name["asks"])) * (1 - looks_for_words)
        reading = Reading(
            asks=asks,
            tells=1 - asks - looks_for_words,
            looks_for_words=looks_for_words,
            acknowledges=float(_sigmoid(by_name["acknowledges"])),
            tells_a_story=float(_sigmoid(by_name["tells_a_story"])),
        )
        return Read(by_name["over"], reading)


class TurnReader:
    """One turn at a time: reads on from the last word that is still the same."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.begin("")

    def begin(self, before: str) -> None:
        """A new turn, after these words of the other."""
        said = spoken_words(before)[-BEFORE_WORDS:]
        state = self._reader.rest
        for word in said:
            state = self._reader.step(state, self._reader.place(word), 0)
        asked = before.rstrip().endswith("?")
        self._states = [self._reader.step(state, AFTER_QUESTION if asked else SEPARATOR, 0)]
        self._words: list[str] = []

    def read(self, text: str) -> Read | None:
        """The turn so far; None without a word."""
        words = spoken_words(text)
        same = _common(words, self._words)
        del self._states[same + 1 :]
        for position, word in enumerate(words[same:], start=same + 1):
            self._states.append(self._reader.step(self._states[-1], self._reader.place(word), min(position, LONGEST)))
        self._words = words
        if not words:
            return None
        read = self._reader.answer(self._states[-1])
        return Read(read.over, _announced(text, read.reading)) if opens_story(text) else read


@cache
def reader() -> Reader:
    """That of the repository."""
    with np.load(WEIGHTS) as weights:
        return Reader(dict(weights))


def opens_story(text: str) -> bool:
    """Whether a sentence announces a story."""
    said = f" {' '.join(words_without_digits(text))} "
    return any(f" {opening} " in said for opening in _story_openings())


@cache
def _story_openings() -> tuple[str, ...]:
    return tuple(json.loads(STORIES.read_text(encoding="utf-8")))


def _announced(text: str, reading: Reading) -> Reading:
    """Of a turn in which a story is announced: with these words nothing is asked for."""
    announces = opens_story(_SENTENCE_END.split(text.rstrip(" .!?"))[-1])
    asks = 0.0 if announces else reading.asks
    return replace(reading, asks=asks, tells=1 - asks - reading.looks_for_words, tells_a_story=1.0)


def _common(words: Sequence[str], others: Sequence[str]) -> int:
    """How many words are the same from the beginning."""
    pairs = zip(words, others, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(words), len(others)))


def _sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))

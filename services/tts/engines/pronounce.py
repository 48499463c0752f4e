"""Written words to the symbols of Kokoro, and of the voices distilled from it, each symbol knowing which word it belongs to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from threading import Lock
from typing import Any, Final

import numpy as np
from hibari.g2p import G2P
from numpy.typing import NDArray

from services.tts.english import read
from services.tts.spoken import SpokenWord

#: The voices were made with sentences of at most about this many symbols.
MAX_SYMBOLS: Final = 400
_STOPS: Final = frozenset(".,;:!?")
_SILENT: Final = frozenset(' ;:,.!?—…"()“”ˈˌ')


@dataclass(frozen=True)
class Symbol:
    """One character of the voice's phonetic alphabet: a sound, a stress mark, a space or a punctuation mark."""

    char: str
    word: int
    """Index of the written word."""


class Pronouncer:
    """English words to symbols. Safe to call from several threads.

    The package hibari-tts pronounces as Kokoro's own G2P does (misaki) and has its alphabet, which is Kokoro's.
    """

    def __init__(self, *, british: bool = False) -> None:
        self._vocabulary: dict[str, int] = json.loads((files("hibari") / "assets" / "vocab.json").read_text("utf-8"))
        self._g2p: Any = G2P(british=british)
        # The lexicon and the net for unknown words are made lazily inside; one caller at a time, each well under 5 ms.
        self._lock = Lock()

    def symbols(self, words: Sequence[SpokenWord]) -> list[Symbol]:
        """The symbols of a piece in spoken order; words without sound have none."""
        written = [(part, index) for index, word in enumerate(words) for part in word.spoken.split()]
        read_words = zip(read([part for part, _ in written]), written, strict=True)
        said = [(part, index) for words_said, (_, index) in read_words for part in words_said.split()]
        with self._lock:
            tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(" ".join(part for part, _ in said))) if said else []
        symbols: list[Symbol] = []
        for group, (part, owner) in zip(_groups(tokens), said, strict=True):
            chars = [char for char in group if char in self._vocabulary]
            # A full stop that was parted from its word still follows it at once.
            if symbols and chars and symbols[-1].char != " " and part not in _STOPS:
                symbols.append(Symbol(" ", symbols[-1].word))
            symbols.extend(Symbol(char, owner) for char in chars)
        while symbols and symbols[-1].char == " ":
            symbols.pop()
        return symbols

    def ids(self, symbols: Sequence[Symbol]) -> NDArray[np.int64]:
        """What a model is fed with, [1, n + 2]: a pad, which is silent, at both ends."""
        return np.asarray([[0, *(self._vocabulary[symbol.char] for symbol in symbols), 0]], np.int64)


@dataclass(frozen=True)
class Run:
    """What the model says at once; or a pause, for words that it has no sounds for."""

    symbols: list[Symbol]
    silent: list[int]
    """The indices of the words that a pause stands for."""


def split_runs(words: Sequence[SpokenWord], symbols: Sequence[Symbol]) -> list[Run]:
    """Cuts a piece where words without sounds stand, and a very long one into runs that the model can take."""
    runs: list[Run] = []
    for foreign, group in groupby(range(len(words)), lambda index: words[index].foreign):
        indices = list(group)
        spoken = [symbol for symbol in symbols if indices[0] <= symbol.word <= indices[-1]]
        if foreign or not any(symbol.char not in _SILENT for symbol in spoken):
            runs.append(Run([], indices))
        else:
            runs.extend(Run(run, []) for run in _short_enough(spoken))
    return runs


def _short_enough(symbols: list[Symbol]) -> list[list[Symbol]]:
    """Cuts at spaces or, failing these, anywhere."""
    runs: list[list[Symbol]] = []
    at = 0
    while len(symbols) - at > MAX_SYMBOLS:
        space = next((to for to in range(at + MAX_SYMBOLS - 1, at, -1) if symbols[to].char == " "), None)
        cut = space or at + MAX_SYMBOLS
        runs.append(symbols[at:cut])
        at = cut + 1 if space else cut
    return [*runs, symbols[at:]]


def _groups(tokens: Sequence[Any]) -> list[str]:
    """The phonemes of each word of the normalised text: tokens are finer than words, white space tells where words end."""
    groups: list[str] = []
    current = ""
    for token in tokens:
        current += token.phonemes or ""
        if token.whitespace:
            groups.append(current)
            current = ""
    return [*groups, current] if tokens and not tokens[-1].whitespace else groups

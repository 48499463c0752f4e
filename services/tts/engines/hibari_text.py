"""Written words to the symbols of the hibari voice, each symbol knowing which word it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from threading import Lock
from typing import Any, Final

from hibari.g2p import G2P
from hibari.g2p.normalize import normalize

from services.tts.spoken import SpokenWord

#: The voice was made with sentences of at most this many symbols.
MAX_SYMBOLS: Final = 400


@dataclass(frozen=True)
class Symbol:
    """One character of the voice's phonetic alphabet: a sound, a stress mark, a space or a punctuation mark."""

    char: str
    word: int
    """Index of the written word."""


class Pronouncer:
    """English words to symbols. Safe to call from several threads."""

    def __init__(self, vocabulary: frozenset[str], *, british: bool = False) -> None:
        self._vocabulary = vocabulary
        self._g2p: Any = G2P(british=british)
        # The lexicon and the net for unknown words are made lazily inside; one caller at a time, each well under 5 ms.
        self._lock = Lock()

    def symbols(self, words: Sequence[SpokenWord]) -> list[Symbol]:
        """The symbols of a piece in spoken order; words without sound have none."""
        written = [(part, index) for index, word in enumerate(words) for part in word.spoken.split()]
        with self._lock:
            normal = normalize(" ".join(part for part, _ in written))
            tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(normal)) if normal else []
        groups = _groups(tokens)
        owners = _align(written, normal.split(" "))
        symbols: list[Symbol] = []
        for group, owner in zip(groups, owners, strict=True):
            chars = [char for char in group if char in self._vocabulary]
            if symbols and chars and symbols[-1].char != " ":
                symbols.append(Symbol(" ", symbols[-1].word))
            symbols.extend(Symbol(char, owner) for char in chars)
        while symbols and symbols[-1].char == " ":
            symbols.pop()
        return symbols


def split_runs(symbols: Sequence[Symbol]) -> list[list[Symbol]]:
    """Cuts a very long piece at its spaces (or, failing these, anywhere) into runs the model can take."""
    runs: list[list[Symbol]] = []
    rest = list(symbols)
    while len(rest) > MAX_SYMBOLS:
        spaces = [at for at in range(1, MAX_SYMBOLS) if rest[at].char == " "]
        cut = spaces[-1] if spaces else MAX_SYMBOLS
        runs.append(rest[:cut])
        rest = rest[cut + 1 :] if spaces else rest[cut:]
    return [*runs, rest] if rest else runs


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


def _align(written: Sequence[tuple[str, int]], normal: Sequence[str]) -> list[int]:
    """For each normalised word the index of the written word that it reads.

    Normalising changes some words and their number ("$5 million" to "5 million dollars"); equal words pin the two lists
    together and what lies between is shared out in proportion.
    """
    if normal == [""]:
        return []
    before = [part.replace("’", "'") for part, _ in written]
    owners: list[int] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, list(normal), autojunk=False).get_opcodes():
        for j in range(j1, j2):
            i = max(0, i1 - 1) if tag == "insert" else i1 + (j - j1) * (i2 - i1) // (j2 - j1)
            owners.append(written[i][1])
    return owners

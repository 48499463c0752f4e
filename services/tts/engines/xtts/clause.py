"""What is said of a clause: in one call, or in several where it is longer than the model says at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.common.logs import get_logger
from services.tts.english import read
from services.tts.spoken import SpokenWord, in_letters_of

_log = get_logger(__name__)

#: A spoken word, and the index of the written one that it reads.
Token = tuple[str, int]
#: A longer call may be cut behind one of these.
_BREATHS: Final = tuple(",;:!?…")


class Reader(Protocol):
    """What the model can say; see `network.Network`."""

    def fits(self, text: str, language: str) -> bool: ...

    def can_read(self, word: str, language: str) -> bool: ...


@dataclass(frozen=True)
class Call:
    """What is said in one go."""

    tokens: Sequence[Token]
    told: range
    """The indices of the written words that are told with it."""

    @property
    def text(self) -> str:
        return " ".join(token for token, _ in self.tokens)


@dataclass(frozen=True)
class Clause:
    """The written words and the calls that say them; none when nothing of them can be said."""

    words: Sequence[SpokenWord]
    calls: Sequence[Call]

    @property
    def unspoken_scripts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word.unspoken_script for word in self.words if word.unspoken_script))


def clause_of(words: Sequence[SpokenWord], language: str, reader: Reader) -> Clause:
    """How the words are said in a language, as a BCP 47 tag."""
    said = enumerate(in_letters_of(language, words))
    written = [(part, index) for index, word in said if not word.foreign for part in word.spoken.split()]
    if language.partition("-")[0] == "en":
        readings = zip(read([part for part, _ in written]), written, strict=True)
        tokens = [(part, index) for reading, (_, index) in readings for part in reading.split()]
    else:
        tokens = list(_readable(written, language, reader))
    groups = list(_split(tokens, language, reader)) if any(char.isalnum() for part, _ in tokens for char in part) else []
    ends = [*(group[-1][1] + 1 for group in groups[:-1]), len(words)]
    begins = [0, *ends[:-1]]
    calls = [Call(group, range(begin, end)) for group, begin, end in zip(groups, begins, ends, strict=False)]
    return Clause(words, calls)


def _readable(tokens: Sequence[Token], language: str, reader: Reader) -> Iterator[Token]:
    """Without figures that the package cannot read in this language, be they said digit by digit."""
    for part, index in tokens:
        if part.isalpha() or reader.can_read(part, language):
            yield part, index
            continue
        digits = [char for char in part if char.isdigit()]
        if all(reader.can_read(digit, language) for digit in digits):
            yield from ((digit, index) for digit in digits)
        else:
            _log.info("word_left_out", detail=f"its figures cannot be read in {language!r}")


def _split(tokens: Sequence[Token], language: str, reader: Reader) -> Iterator[Sequence[Token]]:
    """In halves until each fits, cut behind a mark where there is one in the middle half."""
    if len(tokens) < 2 or reader.fits(" ".join(part for part, _ in tokens), language):
        yield tokens
        return
    middle = len(tokens) // 2
    near = sorted(range(1, len(tokens)), key=lambda cut: (abs(cut - middle), cut))
    marked = (cut for cut in near if abs(cut - middle) <= len(tokens) // 4 and tokens[cut - 1][0].endswith(_BREATHS))
    cut = next(marked, middle)
    yield from _split(tokens[:cut], language, reader)
    yield from _split(tokens[cut:], language, reader)

"""Words as retrieval and grounding compare them: lower case, without endings, without the little words.

Numbers are read by hand because text2num makes "19 88" of a year and text2digits one number of "one two three".
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from snowballstemmer import stemmer

LEXICON: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text("utf-8"))

_WORD: Final = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_LETTERS: Final = re.compile(r"[^\W_]+")
_STOP_WORDS: Final = frozenset(LEXICON["stop_words"].split())
_SAME: Final[dict[str, str]] = {word: line.split()[0] for line in LEXICON["same"] for word in line.split()}
_SMALL: Final = {word: value for key in ("numbers", "ordinals") for value, word in enumerate(LEXICON[key].split())}
_TENS: Final = {word: 20 + 10 * index for index, word in enumerate(LEXICON["tens"].split())}


def words(text: str) -> list[str]:
    """All words in lower case, with a plain apostrophe."""
    return _WORD.findall(text.lower().replace("’", "'"))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without its endings, by Snowball, and one for all that mean the same: both sides of a comparison are cut alike."""
    word = word.removesuffix("'s")
    cut = _cut(_SAME.get(word, word))
    return _cut(_SAME[cut]) if cut in _SAME else cut


def _cut(word: str) -> str:
    # A stemmer keeps the word that it cuts in itself, and several threads recall, so each word has one of its own.
    cut: str = stemmer("english").stemWord(word)
    return cut


def stems(key: str) -> frozenset[str]:
    """The stems of a word list of the lexicon."""
    return frozenset(map(stem, LEXICON[key].split()))


def content(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [key for key, _ in content_words(text)]


def content_words(text: str) -> list[tuple[str, str]]:
    """The words that carry meaning, in order: the stem of each, and how it is written."""
    return [(stem(word), word.removesuffix("'s")) for word in words(text) if word not in _STOP_WORDS]


def same_words(first: str, second: str) -> bool:
    """Whether two texts are the same but for case, punctuation and spaces."""
    return _LETTERS.findall(first.casefold()) == _LETTERS.findall(second.casefold())


def wordless(text: str) -> bool:
    """Whether a text has no word or number in it, in any script."""
    return not any(map(str.isalnum, text))


def numbers(text: str) -> set[int]:
    """The numbers in a text, in digits or words; "nineteen eighty-eight" is 1988, "two thousand nineteen" 2019."""
    found: set[int] = set()
    tokens = re.findall(r"[a-z]+|\d[\d,]*", text.lower())
    index = 0
    while index < len(tokens):
        value, used = _number(tokens[index:])
        if used:
            found.add(value)
        index += max(used, 1)
    return found


def _number(tokens: list[str]) -> tuple[int, int]:
    """The number at the start of `tokens` and how many of them it takes; (0, 0) when there is none."""
    if tokens[0][0].isdigit():
        return int(tokens[0].replace(",", "")), 1
    total, used = _below_thousand(tokens)
    if used == 1 and 10 <= total <= 20 and len(tokens) > 1:
        # A year in two halves: nineteen eighty-eight.
        rest, more = _below_hundred(tokens[1:])
        if rest >= 10:
            return total * 100 + rest, 1 + more
    if used and tokens[used : used + 1] == ["thousand"]:
        rest, more = _after(tokens, used + 1, _below_thousand)
        return total * 1000 + rest, used + 1 + more
    return total, used


def _below_thousand(tokens: list[str]) -> tuple[int, int]:
    total, used = (1, 1) if tokens[:2] in (["a", "hundred"], ["a", "thousand"]) else _below_hundred(tokens)
    if used and tokens[used : used + 1] == ["hundred"]:
        rest, more = _after(tokens, used + 1, _below_hundred)
        return total * 100 + rest, used + 1 + more
    return total, used


def _after(tokens: list[str], start: int, parse: Callable[[list[str]], tuple[int, int]]) -> tuple[int, int]:
    """What follows a hundred or a thousand, with or without an "and"."""
    skipped = int(tokens[start : start + 1] == ["and"])
    value, used = parse(tokens[start + skipped :])
    return value, used + skipped if used else 0


def _below_hundred(tokens: list[str]) -> tuple[int, int]:
    if tokens and tokens[0] in _TENS:
        if len(tokens) > 1 and 0 < _SMALL.get(tokens[1], 0) < 10:
            return _TENS[tokens[0]] + _SMALL[tokens[1]], 2
        return _TENS[tokens[0]], 1
    if tokens and tokens[0] in _SMALL:
        return _SMALL[tokens[0]], 1
    return 0, 0

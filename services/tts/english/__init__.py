"""Written English to words that can be pronounced as they stand: no numbers, no abbreviations, no symbols.

Every decision is made for one written word by looking at its neighbours, so each spoken word is known to belong to the word
that it reads. A word that may also be an abbreviation ("no.", "Sun.", "in.") is one only where its neighbours say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from services.tts.english import abbreviations, calendar, numerals, roman, symbols
from services.tts.english.shortenings import PLAIN
from services.tts.english.token import Place, split

#: The first rule that knows a word decides. A rule returns True when it has set what is said.
_RULES: Final[tuple[Callable[[Place], bool], ...]] = (
    calendar.read,
    numerals.read,
    roman.read,
    abbreviations.read,
    symbols.read,
)


def _everyday(place: Place) -> bool:
    """Most words: small letters, no full stop, no number before them. No rule can know them."""
    token = place.token
    core = token.core
    small = core.isalpha() and core.islower() and not token.dotted
    return small and place.before.count is None and core not in PLAIN and not roman.LETTERS.issuperset(core)


def read(words: Sequence[str]) -> list[str]:
    """What is said for each of the words (none holds white space) of one clause: some words, or none at all."""
    tokens = [split(word) for word in words]
    for index, token in enumerate(tokens):
        place = Place(tokens, index)
        if token.said is None and token.core and not _everyday(place):
            any(rule(place) for rule in _RULES)
    return [symbols.without_figures(token.spoken) for token in tokens]

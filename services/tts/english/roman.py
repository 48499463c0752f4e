"""Roman numerals: "Chapter IV" four, "Henry VIII" the eighth, and "Did I?" never one."""

from __future__ import annotations

import re
from typing import Final

from services.common.tables import word_set
from services.tts.english import numbers
from services.tts.english.token import Place

_ROMAN: Final = re.compile(r"(?=[IVXLC])C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
LETTERS: Final = frozenset("ivxl")
#: No ruler or son has a higher number.
_SMALL: Final = frozenset("IVX")
_VALUES: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
#: Things that are counted in Roman numerals; also after "War" and "Bowl".
_COUNTED: Final = word_set(
    "chapter part act scene section volume vol book phase article title type level stage class grade mark mk appendix figure "
    "fig table war bowl apollo gemini vatican rocky episode round canto psalm page op opus ch chap pt bk no number lesson unit "
    "step category schedule district region"
)
_RULERS: Final = word_set(
    "pope king queen henry louis edward george william charles james richard elizabeth napoleon pius benedict leo paul john "
    "frederick philip alexander nicholas peter catherine ivan gustav christian ferdinand francis albert margaret mary victor "
    "emmanuel umberto haakon olav harald frederik leopold baudouin carl wilhelm friedrich gregory clement innocent urban "
    "boniface ramses robert david"
)


def read(place: Place) -> bool:
    """Says a Roman numeral behind what it counts."""
    token, before = place.token, place.before
    core, tail = (token.core[:-2], "'s") if token.core.endswith(("'s", "’s")) else (token.core, "")
    small = core.islower()
    counted = before.low in _COUNTED and (before.capital or before.dotted or before.said is not None or small)
    letters = LETTERS.issuperset(core) and len(core) > 1 if small else True
    if before.trail not in ("", ".") or not letters or not _ROMAN.fullmatch(core.upper() if small and counted else core):
        return False
    if len(core) == 1 and not _single(place, core, counted=counted):
        return False
    if counted:
        return place.say(numbers.cardinal(_value(core.upper())) + tail)
    ruler = before.name and _SMALL.issuperset(core) and (not before.core.isupper() or len(before.core) == 1)
    return ruler and place.say(f"the {numbers.ordinal(_value(core))}{tail}")


def _single(place: Place, letter: str, *, counted: bool) -> bool:
    """One letter is a numeral behind a ruler or a counted thing, if it cannot be the word I or an initial."""
    token, before = place.token, place.before
    if letter not in "IVX" or (token.dotted and not place.last and place.after.name and not counted):
        return False
    if not counted and before.low not in _RULERS:
        return False
    if letter != "I" or before.low == "war":
        return True
    return token.closed or place.last or place.after.low in ("of", "and", "or", "through", "to")


def _value(roman: str) -> int:
    values = [_VALUES[char] for char in roman]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))

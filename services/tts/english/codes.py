"""Digits that are no quantity: telephone numbers, house and room numbers, versions, letters and digits mixed."""

from __future__ import annotations

import re
from typing import Final

from services.common.abbreviations import NUMBERED
from services.common.tables import word_set
from services.tts.english import numbers
from services.tts.english.token import Place

_PHONE: Final = re.compile(r"(?:\+?1[-.])?(?:\(?\d{3}\)?[-.])?\d{3}[-.]\d{4}")
_DIGITS: Final = re.compile(r"\d+")
_CHUNK: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[&@%+=^]")
_SIGNS: Final = {"&": "and", "@": "at", "%": "percent", "+": "plus", "=": "equals", "^": "to the power of"}
_LISTED: Final = re.compile(r"\d{1,4}(?:,\d{1,4})+")
#: "No.5", "#5".
_SHORTENED: Final = re.compile(r"(#|[A-Za-z]+(?=\.))\.?(\d+)")
_VERSION: Final = re.compile(r"[vV]?(\d+(?:\.\d+)+)")
#: Before a number that names something: it is said in parts, "room one oh one".
_NAMED: Final = word_set(
    "room apt apartment suite unit flight bus train route rte highway hwy interstate extension ext box gate locker bed pier "
    "track channel"
)
_DIALLED: Final = word_set("dial dialed call called calling phone text pin zip code number")
_STREETS: Final = word_set(
    "street st avenue ave road rd lane ln drive dr boulevard blvd court ct place pl square sq way terrace row parkway highway "
    "hwy"
)


def is_code(place: Place) -> bool:
    """The number in this word names something or is dialled; it counts nothing."""
    core = place.token.core
    return bool(_PHONE.fullmatch(core) or (_DIGITS.fullmatch(core) and (_dialled(place) or _names(place))))


def read_code(place: Place) -> bool:
    """Says it, whatever it is: the last resort for a word with digits in it."""
    core = place.token.core
    if _PHONE.fullmatch(core):
        return place.say(", ".join(numbers.digits(part) for part in _DIGITS.findall(core)))
    if _DIGITS.fullmatch(core):
        return place.say(numbers.digits(core) if _dialled(place) or len(core) > 4 else pairs(core))
    if _VERSION.fullmatch(core) or _LISTED.fullmatch(core):
        parts = (" point " if "." in core else ", ").join(numbers.whole_number(part) for part in _DIGITS.findall(core))
        return place.say(f"version {parts}" if core[0] in "vV" else parts)
    return place.say(f"plus {numbers.digits(core)}" if core[0] == "+" and core[1:].isdecimal() else _mixed(core))


def _mixed(core: str) -> str:
    """ "B12", "No.5", "US-131"."""
    shortened = _SHORTENED.fullmatch(core)
    if shortened and (shortened[1] == "#" or shortened[1].lower() in NUMBERED):
        word = "number" if shortened[1] == "#" else NUMBERED[shortened[1].lower()]
        return f"{word} {numbers.whole_number(shortened[2])}"
    return " ".join(_short(chunk) if chunk.isdecimal() else _SIGNS.get(chunk, chunk) for chunk in _CHUNK.findall(core))


def _short(digits: str) -> str:
    if (digits[0] == "0" and len(digits) > 1) or len(digits) > 4:
        return numbers.digits(digits)
    return pairs(digits) if len(digits) > 2 else numbers.cardinal(int(digits))


def pairs(text: str) -> str:
    """131 -> "one thirty one", 1204 -> "twelve oh four"."""
    head, tail = int(text[:-2] or 0), int(text[-2:])
    if len(text) < 3 or text[0] == "0":
        return numbers.whole_number(text)
    if tail == 0:
        return numbers.cardinal(int(text)) if head % 10 == 0 else f"{numbers.cardinal(head)} hundred"
    return f"{numbers.cardinal(head)} {numbers.oh(tail)}"


def _dialled(place: Place) -> bool:
    """A telephone number in groups, an emergency number, a long number without commas, a postal code."""
    core, before = place.token.core, place.before
    if _grouped(place):
        return True
    if len(core) == 3:
        return before.low in _DIALLED and before.low not in ("number", "code")
    if len(core) == 5 and not place.opens and not core.endswith("000"):
        return before.low in _DIALLED or (before.capital and (place.last or place.token.closed))
    return len(core) >= 7 and not core.endswith("000")


def _grouped(place: Place) -> bool:
    """One of the groups of a telephone number: a whole one, or another group that is read by digits, stands beside it."""
    core, before, after = place.token.core, place.before, place.after
    if place.token.trail in ("", ")") and len(core) <= 3 and _PHONE.fullmatch(after.core):
        return True
    digits = before.core.lstrip("+")
    by_digits = len(digits) > 1 and digits.isdecimal() and (before.said or "").removeprefix("plus ") == numbers.digits(digits)
    if by_digits and before.trail in ("", ")") and len(core) > 1:
        return True
    if len(core) != 3 or place.token.closed or not after.core.isdecimal():
        return False
    return len(after.core) == 4 or (len(after.core) == 3 and len(place.near(2).core) == 4 and place.near(2).core.isdecimal())


def _names(place: Place) -> bool:
    core, before, after = place.token.core, place.before, place.after
    if len(core) not in (3, 4):
        return False
    if before.low in _NAMED and not before.closed:
        return True
    if place.token.closed or not after.name:
        return False
    return any(place.near(offset).low in _STREETS for offset in (1, 2, 3) if place.near(offset).capital)

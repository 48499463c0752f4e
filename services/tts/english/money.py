"""Money in words: "$1,234.56", "$5 million", "a $20 bill"."""

from __future__ import annotations

from typing import Final

from services.tts.english import numbers
from services.tts.english.measures import attributive
from services.tts.english.token import Place
from services.tts.english.units import MAGNITUDE_WORDS, MAGNITUDES, MONEY, PER

_BILLS: Final = frozenset(["bill", "bills", "note", "notes", "coin", "coins", "check", "checks", "piece"])


def money(place: Place, sign: str, number: str, to: str | None, suffix: str) -> str:
    one, many, cent, cents = MONEY[sign]
    base, slash, per = suffix.partition("/")
    tail = f" per {PER[per]}" if slash and per in PER else ""
    magnitude = MAGNITUDES.get(base, "")
    after = place.after
    closed = bool(place.token.trail)
    single = (attributive(place) and after.low not in MAGNITUDE_WORDS) or (after.low in _BILLS and not closed)
    if not closed and after.low in MAGNITUDE_WORDS:
        after.said = f"{after.low} {one if place.before.low in ('a', 'an') else many}"
        return numbers.decimal(number) + (f" to {numbers.decimal(to)}" if to else "")
    name = one if single else many
    if to:
        return f"{numbers.decimal(number)} to {numbers.decimal(to)} {magnitude} {name}{tail}".replace("  ", " ")
    if magnitude:
        return f"{numbers.decimal(number)} {magnitude} {name}{tail}"
    whole, point, part = number.replace(",", "").partition(".")
    if point and len(part) == 2 and cent:
        return _coins(int(whole or 0), int(part), (one, many, cent, cents)) + tail
    return f"{numbers.decimal(number)} {one if number == '1' else name}{tail}"


def _coins(whole: int, part: int, names: tuple[str, str, str, str]) -> str:
    one, many, cent, cents = names
    large = f"{numbers.cardinal(whole)} {one if whole == 1 else many}" if whole or not part else ""
    small = f"{numbers.cardinal(part)} {cent if part == 1 else cents}" if part else ""
    return " and ".join(filter(None, (large, small)))

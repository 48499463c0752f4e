"""Numbers that measure: the unit behind them, feet and inches."""

from __future__ import annotations

import re
from typing import Final

from services.tts.english import numbers
from services.tts.english.token import Place, is_word
from services.tts.english.units import ATTACHED_ONLY, UNITS, unit

NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_FEET: Final = re.compile(r"(\d+)['′](\d{1,2})?")


def feet(place: Place) -> bool:
    token = place.token
    match = _FEET.fullmatch(token.core)
    feet = match[1] if match else token.core if token.core.isdecimal() and token.trail[:1] in ("'", "′") else ""
    inch = token.trail[:1] in ('"', "″", "”") and not _quoted(place)
    if match and match[2]:
        token.trail = token.trail.lstrip("\"″”'") if inch or token.trail[:1] in ("'", "”") else token.trail
        return place.say(f"{numbers.whole_number(feet)} foot {numbers.whole_number(match[2])}")
    if feet and not _quoted(place):
        token.trail = token.trail.lstrip("'′")
        return place.say(f"{numbers.whole_number(feet)} {unit('ft', int(feet), singular=attributive(place))}", count=int(feet))
    if inch and re.fullmatch(NUMBER, token.core):
        token.trail = token.trail[1:]
        words = unit("in", float(token.core.replace(",", "")), singular=attributive(place))
        return place.say(f"{numbers.decimal(token.core)} {words}")
    return False


def _quoted(place: Place) -> bool:
    """A quotation is open here, so that a quotation mark closes it."""
    marks = "".join(token.lead + token.trail for token in place.tokens[: place.index]) + place.token.lead
    return sum(char in "\"“”'‘" for char in marks) % 2 == 1


def attributive(place: Place) -> bool:
    """ "a 5 ft. pole": what is measured follows."""
    return place.before.low in ("a", "an", "each", "per", "every") and is_word(place.after) and not place.token.trail.strip(".")


def attached_unit(place: Place) -> bool:
    """A unit that stands by itself behind its number: "5 km"; True when it has been said."""
    token, before = place.token, place.before
    if before.count is None or before.closed or token.core not in UNITS:
        return False
    if token.core in ATTACHED_ONLY and not token.dotted:
        return False
    if token.core == "in" and not _inches(place):
        return False
    first = place.index - 1
    while first > 0 and (place.tokens[first - 1].count is not None or place.tokens[first - 1].low in ("x", "by")):
        first -= 1
    head = Place(place.tokens, first).before.low
    singular = head in ("a", "an", "each", "per") and is_word(place.after) and not token.trail.strip(".")
    written = "pt" if token.core == "pts" and place.after.low == "of" else token.core
    return place.expand(unit(written, before.count, singular=singular))


def _inches(place: Place) -> bool:
    """ "6 in." measures where a sentence cannot go on with the word "in"."""
    token, after = place.token, place.after
    if token.dotted:
        return (
            place.last or not place.ends or place.near(-2).low in ("is", "was", "measures", "measured", "exactly", "ft", "foot")
        )
    measured = (
        "tall",
        "wide",
        "long",
        "deep",
        "high",
        "thick",
        "square",
        "by",
        "x",
        "across",
        "around",
        "apart",
        "below",
        "above",
    )
    return after.low in measured or (
        place.near(-2).low in ("ft", "feet", "foot") and after.low not in ("the", "a", "an", "my", "his")
    )

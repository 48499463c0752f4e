"""Dates: months and days of the week, also shortened, days, and years."""

from __future__ import annotations

import re
from typing import Final

from services.common.abbreviations import FUNCTION_WORDS
from services.common.tables import pairs, word_set, words
from services.tts.english import numbers
from services.tts.english.token import Place, Token, is_word
from services.tts.english.units import UNITS

MONTH_NAMES: Final = {
    name.lower(): name
    for name in words("January February March April May June July August September October November December")
}
_SHORT_MONTHS: Final = {name[:3]: full for name, full in MONTH_NAMES.items() if name != "may"} | {"sept": "September"}
#: Names, or words, as well: months only where the neighbours say so.
_ALSO_NAMES: Final = frozenset(["jan", "mar", "jun", "jul", "dec", "nov", "oct"])
_ALSO_WORDS: Final = frozenset(["may", "march"])
_DAYS: Final = pairs(
    "mon Monday,tue Tuesday,tues Tuesday,wed Wednesday,weds Wednesday,thu Thursday,thur Thursday,thurs Thursday,fri Friday,"
    "sat Saturday,sun Sunday"
)
_DAY_NAMES: Final = frozenset(day.lower() for day in _DAYS.values())
_DAYS_ALSO_WORDS: Final = frozenset(["mon", "wed", "sat", "sun"])
_DAY: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_DAY_RANGE: Final = re.compile(r"(\d{1,2})[-–](\d{1,2})")
_YEAR: Final = re.compile(r"\d{4}|['’]\d{2}")
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SLASHED: Final = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})")
_MONTH_DAY: Final = re.compile(r"(\d{1,2})/(\d{1,2})")
#: A date follows these.
_BEFORE_DATE: Final = word_set("on of by until till since from to before after between through around about dated born died")
_BEFORE_MONTH: Final = word_set("since until till last next early late mid this every by from to through of during in")
#: Jan is a common name: things are by, from, to and of her.
_IN_A_PERSON: Final = word_set("confide confided confiding trust trusted believe believed believes faith confidence interested")
_BEFORE_JAN: Final = _BEFORE_MONTH - {"in", "by", "from", "to", "of"}
_BEFORE_DAY: Final = word_set("on every last next this until since each from through by till")
_AFTER_DAY: Final = word_set("morning mornings afternoon afternoons evening evenings night nights noon at")
_BEFORE_YEAR: Final = word_set(
    "in since until till by before after around circa during through year early late mid summer winter spring fall autumn the "
    "class christmas easter born died back model vintage copyright"
)
_MANY: Final = word_set("people men women children feet fish sheep geese teeth mice cattle head pounds dollars of more")


def read(place: Place) -> bool:
    """Says a month, a day of the week or a date in figures."""
    return _month(place) or _weekday(place) or _figures(place)


def month_of(token: Token) -> str:
    """The month that a word names or shortens, or nothing."""
    return (MONTH_NAMES.get(token.low) or _SHORT_MONTHS.get(token.low) or "") if token.capital else ""


def _day_in(token: Token) -> int:
    match = _DAY.fullmatch(token.core)
    day = int(match[1]) if match else 0
    return day if 1 <= day <= 31 else 0


def _month(place: Place) -> bool:
    token, before = place.token, place.before
    month = month_of(token)
    if not month:
        return False
    if token.trail in ("", ".") and _follows(place):
        _say_days(place.after)
        token.said, token.trail = month, ""
        return True
    if _precedes(place):
        before.said = ("" if place.near(-2).low == "the" else "the ") + f"{numbers.ordinal(_day_in(before))} of"
        return place.expand(month)
    return token.low not in MONTH_NAMES and _short_month(place) and place.expand(month)


def _short_month(place: Place) -> bool:
    """ "Jan. 1920", "last Jan.", "in Jan. we left": no name, and no word, at the end of a sentence."""
    token, before = place.token, place.before
    if _YEAR.fullmatch(place.after.core) and token.trail in ("", ".", ","):
        return True
    if not token.dotted or token.low not in _ALSO_NAMES:
        return token.dotted
    if token.low == "jan" and before.low == "in":
        return is_word(place.after) or place.near(-2).low not in _IN_A_PERSON
    return is_word(place.after) or before.low in (_BEFORE_JAN if token.low == "jan" else _BEFORE_MONTH)


def _follows(place: Place) -> bool:
    """The number behind the month is its day."""
    token, before, after = place.token, place.before, place.after
    if not _day_in(after) and not _DAY_RANGE.fullmatch(after.core):
        return False
    behind = place.near(2)
    counted = not after.closed and is_word(behind) and (counts(behind) or behind.low not in FUNCTION_WORDS)
    if not after.core.isdecimal() or not counted:
        return not (token.low == "may" and place.opens and place.tokens[-1].trail.startswith("?") and after.core.isdecimal())
    if behind.core in UNITS or before.low == "in":
        return False
    dated = before.low in _BEFORE_DATE or before.low in _DAY_NAMES or before.low in _DAYS
    return dated or (token.low not in _ALSO_WORDS and not counts(behind))


def _say_days(token: Token) -> None:
    between = _DAY_RANGE.fullmatch(token.core)
    if between:
        token.said = f"{numbers.ordinal(int(between[1]))} to {numbers.ordinal(int(between[2]))}"
    else:
        token.said = numbers.ordinal(_day_in(token))


def _precedes(place: Place) -> bool:
    """The number before the month is its day: "5 May 1920"."""
    before = place.before
    if not _day_in(before) or before.closed or before.core.isdecimal() is False:
        return False
    if _YEAR.fullmatch(place.after.core) and place.token.trail in ("", ".", ","):
        return True
    leading = place.near(-2)
    dated = leading.low in _BEFORE_DATE or leading.low in _DAY_NAMES or leading.low in _DAYS or leading.low == "the"
    return dated or place.token.closed or place.last


def _weekday(place: Place) -> bool:
    token = place.token
    day = _DAYS.get(token.low, "") if token.capital else ""
    if not day:
        joined = re.fullmatch(r"([A-Z][a-z]{2,4})\.?[-–]([A-Z][a-z]{2,4})", token.core)
        if joined and joined[1].lower() in _DAYS and joined[2].lower() in _DAYS:
            return place.expand(f"{_DAYS[joined[1].lower()]} to {_DAYS[joined[2].lower()]}")
        return False
    if token.low not in _DAYS_ALSO_WORDS:
        return token.dotted and place.expand(day)
    return _in_week(place) and place.expand(day)


def _in_week(place: Place) -> bool:
    """The neighbours show that "Sat.", "Sun.", "Wed." or "Mon." is a day."""
    token, before, after = place.token, place.before, place.after
    if token.trail in ("", ".", ",", ".,") and (after.core[:1].isdecimal() or month_of(after)):
        return token.dotted or bool(token.trail)
    if token.dotted and (before.low in _BEFORE_DAY or after.low in _AFTER_DAY or is_word(after)):
        return True
    joined = ("&", "and", "or", "to", "through", "-", "–")
    return token.dotted and (
        (after.low in joined and place.near(2).low in _DAYS.keys() | _DAY_NAMES)
        or (before.low in joined and place.near(-2).low in _DAYS.keys() | _DAY_NAMES)
    )


def _figures(place: Place) -> bool:
    token = place.token
    if match := _ISO.fullmatch(token.core):
        return _date(place, int(match[2]), int(match[3]), match[1])
    if match := _SLASHED.fullmatch(token.core):
        a, b = int(match[1]), int(match[3])
        day_first = a > 12 or (match[2] == "." and b <= 12)
        return _date(place, *((b, a) if day_first else (a, b)), match[4])
    if (match := _MONTH_DAY.fullmatch(token.core)) and _plain_date(place, int(match[1]), int(match[2])):
        return _date(place, int(match[1]), int(match[2]), "")
    return False


def _plain_date(place: Place, month: int, day: int) -> bool:
    dated = place.before.low in ("on", "by", "until", "since", "dated")
    return (dated or (12 < day <= 31 and day not in (16, 20))) and 1 <= month <= 12 and 1 <= day <= 31


def _date(place: Place, month: int, day: int, year: str) -> bool:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    words = f"{list(MONTH_NAMES.values())[month - 1]} {numbers.ordinal(day)}"
    if len(year) == 2:
        year = ("19" if int(year) > 30 else "20") + year
    return place.say(words + (f", {numbers.year(int(year))}" if year else ""))


def is_year(place: Place, n: int) -> bool:
    """Four digits without a comma are a year, unless they count something: "in 1905", "1905 boats"."""
    before, after = place.before, place.after
    after_is_near = not place.token.closed
    strong = before.low in _BEFORE_YEAR or bool(month_of(before)) or before.low in _DAY_NAMES or _day_in(before) > 0
    if after_is_near and ((after.core in UNITS and after.low != "in") or after.core in ("%", "°")):
        return False
    if n < 1000 or n > 2099:
        return after_is_near and after.low in ("bc", "bce", "ad", "b.c", "a.d")
    counted = after_is_near and counts(after)
    return strong or (n >= 1100 and not counted)


def counts(token: Token) -> bool:
    """It is counted by the number before it: a plural, or "of"."""
    word = token.low
    plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss") and word not in FUNCTION_WORDS
    return is_word(token) and (plural or word in _MANY)

"""Words that hold digits: counts, money, measures, times, years, ranges, fractions, telephone numbers, codes."""

from __future__ import annotations

import re
from typing import Final

from services.tts.english import numbers
from services.tts.english.calendar import MONTH_NAMES, is_year
from services.tts.english.codes import is_code, read_code
from services.tts.english.measures import NUMBER, attributive, feet
from services.tts.english.money import money
from services.tts.english.token import Place, Token
from services.tts.english.units import MAGNITUDES, MONEY, PER, UNITS, unit

_QUANTITY: Final = re.compile(
    rf"(?P<sign>[-−+±~≈<>≤≥]?)(?:US|CA|AU)?(?P<money>[{''.join(MONEY)}]?)(?P<number>{NUMBER})(?P<vulgar>[½⅓⅔¼¾⅛⅜⅝⅞⅕]?)"
    rf"(?:[-–−](?P<money2>[{''.join(MONEY)}]?)(?P<to>{NUMBER}))?(?P<suffix>\+|-?[A-Za-zµμ°%¢$£€'²³/]+2?)?"
)
_VULGAR: Final = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4)} | {
    "⅛": (1, 8),
    "⅜": (3, 8),
    "⅝": (5, 8),
    "⅞": (7, 8),
    "⅕": (1, 5),
}
_SIGNS: Final = {"-": "minus", "−": "minus", "+": "plus", "±": "plus or minus", "~": "about", "≈": "about"} | {
    "<": "less than",
    ">": "more than",
    "≤": "at most",
    "≥": "at least",
}
_TIME: Final = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2}))?((?:[ap]\.?m)?)(?:[-–](\d{1,2})(?::(\d{2}))?((?:[ap]\.?m)?))?", re.IGNORECASE
)
_DOTTED_TIME: Final = re.compile(r"(\d{1,2})[.:](\d{2})([ap]\.?m)", re.IGNORECASE)
_RATIO: Final = re.compile(r"(\d+):(\d+)(?:[-–](\d+))?")
_FRACTION: Final = re.compile(r"(\d{1,3})[/⁄](\d{1,3})")
_FRACTIONS: Final = re.compile(r"(\d)/(\d\d?)[-–](\d)/(\d\d?)")
_BY: Final = re.compile(rf"({NUMBER})[x×]({NUMBER})(?:[x×]({NUMBER}))?")
_DECADE: Final = re.compile(r"(['’‘]?)(\d0|\d{3}0|\d{1,2}00)['’]?s")
_SHORT_YEAR: Final = re.compile(r"['’‘](\d{2})")
_ORDINAL: Final = re.compile(r"(\d[\d,]*)(?:st|nd|rd|th)(-.+|s?)", re.IGNORECASE)
_MERIDIEM: Final = re.compile(r"[ap]\.?m", re.IGNORECASE)
_COMPOUND: Final = re.compile(rf"({NUMBER})-([A-Za-z][A-Za-z-]*)")
_PREFIXED: Final = re.compile(r"([A-Za-z]{3,})-(\d.*)")


def read(place: Place) -> bool:
    """Says a word that holds digits, or a fraction sign."""
    token = place.token
    core = token.core
    if core[0] in _VULGAR and len(core) == 1:
        return _fraction(place, *_VULGAR[core])
    if not any(char.isdecimal() for char in core):
        return False
    return any(rule(place) for rule in _RULES) or read_code(place)


def _clock(hour: int, minute: int, *, bare: bool) -> str:
    if minute == 0:
        return numbers.cardinal(hour) + (" o'clock" if bare and 0 < hour <= 12 else " hundred" if bare and hour else "")
    return f"{numbers.cardinal(hour)} {numbers.oh(minute)}"


def _letters(meridiem: str) -> str:
    return f" {meridiem[0].upper()}.M." if meridiem else ""


def _time(place: Place) -> bool:
    token = place.token
    match = _TIME.fullmatch(token.core) or _DOTTED_TIME.fullmatch(token.core)
    if not match:
        return False
    hour, minute = int(match[1]), int(match[2])
    if hour > 24 or minute > 59:
        return False
    groups = match.groups()
    second, meridiem, to_hour, to_minute, to_meridiem = groups[2:] if len(groups) > 3 else (None, groups[2], None, None, "")
    soon = bool(_MERIDIEM.fullmatch(place.after.core)) and not token.closed
    words = _clock(hour, minute, bare=not (meridiem or to_hour or soon or second or _verse(place)))
    if second:
        words += f" and {numbers.cardinal(int(second))} seconds"
    words += _letters(meridiem)
    if to_hour:
        words += f" to {_clock(int(to_hour), int(to_minute or 0), bare=False)}{_letters(to_meridiem)}"
    if words.endswith("M.") and token.dotted:
        token.trail = token.trail[1:] if not place.ends else f" {token.trail}"
    return place.say(words, count=hour)


def _verse(place: Place) -> bool:
    """A verse of the Bible, not a time: a name stands before it."""
    return place.before.name and place.before.low not in MONTH_NAMES


def _ratio(place: Place) -> bool:
    match = _RATIO.fullmatch(place.token.core)
    if not match:
        return False
    between = " " if _verse(place) else " to "
    words = between.join(numbers.whole_number(part) for part in match.groups()[:2])
    return place.say(words + (f" to {numbers.whole_number(match[3])}" if match[3] else ""))


def _by(place: Place) -> bool:
    match = _BY.fullmatch(place.token.core)
    parts = [part for part in match.groups() if part] if match else []
    return bool(parts) and place.say(" by ".join(map(numbers.decimal, parts)), count=2)


def _decade(place: Place) -> bool:
    core = place.token.core
    if match := _DECADE.fullmatch(core):
        return place.say(numbers.plural(numbers.year(int(match[2]))))
    if (match := _SHORT_YEAR.fullmatch(core)) and not place.token.trail.startswith("'"):
        return place.say(numbers.oh(int(match[1])))
    return False


def _ordinal(place: Place) -> bool:
    match = _ORDINAL.fullmatch(place.token.core)
    if not match:
        return False
    rest = match[2]
    words = numbers.ordinal(int(match[1].replace(",", "")[:18]))
    return place.say(numbers.plural(words) if rest in ("s", "S") else words + rest.replace("-", " "))


def _fractions(place: Place) -> bool:
    """ "1/2-3/4"."""
    match = _FRACTIONS.fullmatch(place.token.core)
    if not match or "0" in match.groups():
        return False
    a, b, c, d = map(int, match.groups())
    return place.say(f"{numbers.fraction(a, b)} to {numbers.fraction(c, d)}", count=c / d)


def _numeric_fraction(place: Place) -> bool:
    match = _FRACTION.fullmatch(place.token.core)
    if not match:
        return False
    a, b = int(match[1]), int(match[2])
    if place.after.low in ("time", "meter") and b in (2, 4, 8, 16):
        return place.say(f"{numbers.cardinal(a)} {numbers.cardinal(b)}")
    if 0 < a < b and (b <= 10 or b in (12, 16, 20, 32, 64, 100)):
        return _fraction(place, a, b)
    if a == b == 10:
        return place.say("ten out of ten")
    if a >= 60 and b >= 40:
        return place.say(f"{_short(match[1])} over {_short(match[2])}")
    return place.say(f"{numbers.whole_number(match[1])} {numbers.whole_number(match[2])}")


def _short(text: str) -> str:
    """Three digits in two parts: 120 -> "one twenty"."""
    if len(text) != 3 or text.endswith("00"):
        return numbers.whole_number(text)
    return f"{numbers.cardinal(int(text[0]))} {numbers.oh(int(text[1:]))}"


def _fraction(place: Place, a: int, b: int) -> bool:
    before, token = place.before, place.token
    if before.core.isdecimal() and not before.closed:
        words = numbers.fraction(a, b)
        return place.say("and " + (f"a {words[4:]}" if a == 1 else words), count=2)
    if (a, b) == (1, 2) and not token.closed and place.after.low in ("a", "an", "the", "of", "my", "our", "his", "her"):
        return place.say("half", count=0.5)
    return place.say(numbers.fraction(a, b), count=a / b)


def _compound(place: Place) -> bool:
    """ "6-in.", "20-foot", "5-year-old"."""
    token = place.token
    match = _COMPOUND.fullmatch(token.core)
    if not match or is_code(place):
        return False
    word = match[2]
    if word in UNITS:
        token.trail = token.trail[1:] if token.dotted and not place.ends else token.trail
        word = unit(word, 1)
    return place.say(f"{_plain(match[1])} {word}")


def _prefixed(place: Place) -> bool:
    """ "mid-1950s", "pre-1914"."""
    match = _PREFIXED.fullmatch(place.token.core)
    if not match:
        return False
    inner = Place([Token("", match[2], "")], 0)
    read(inner)
    return place.say(f"{match[1]} {inner.token.spoken}")


def _plain(text: str) -> str:
    """A number without anything that would make it a year."""
    return numbers.decimal(text)


def _quantity(place: Place) -> bool:
    token = place.token
    match = _QUANTITY.fullmatch(token.core)
    suffix = match["suffix"] or "" if match else ""
    if not match or is_code(place) or not _known(match, suffix):
        return False
    sign = _SIGNS.get(match["sign"], "")
    currency, number, to = match["money"] or match["money2"] or "", match["number"], match["to"]
    value = float((to or number).replace(",", ""))
    if currency or suffix in MONEY:
        words = money(place, currency or suffix, number, to, "" if suffix in MONEY else suffix)
    else:
        words = _amount(place, match, suffix)
    count = 2 if "." in number or match["vulgar"] else value
    return place.say(f"{sign} {words}".strip(), count=None if suffix or currency else count)


def _known(match: re.Match[str], suffix: str) -> bool:
    unit_part, slash, per = suffix.lstrip("-").partition("/")
    known = not unit_part or unit_part in UNITS or unit_part == "+" or unit_part in MONEY
    known = known or bool(_MERIDIEM.fullmatch(unit_part))
    if match["money"]:
        known = known or unit_part in MAGNITUDES
    return bool(known or unit_part in ("x", "s", "'s", "k", "K")) and (not slash or per in PER or suffix in UNITS)


def _amount(place: Place, match: re.Match[str], suffix: str) -> str:
    number, to = match["number"], match["to"]
    words = _value(place, number) if not suffix and not match["sign"] else _plain(number)
    if match["vulgar"]:
        part = numbers.fraction(*_VULGAR[match["vulgar"]])
        words += " and " + (f"a {part[4:]}" if part.startswith("one ") else part)
    if to:
        same = number == to
        words = _range(place, number, to) if not same else f"{words} {words}"
    if not suffix:
        return words
    return _suffixed(place, words, suffix, singular=float((to or number).replace(",", "")) == 1 and not match["vulgar"])


def _suffixed(place: Place, words: str, suffix: str, *, singular: bool) -> str:
    """A number with what is written to it: "5pm", "2x", "7s", "5km", "60km/h"."""
    token = place.token
    if _MERIDIEM.fullmatch(suffix):
        stop = token.dotted and place.ends
        token.trail = f" {token.trail}" if stop else token.trail.removeprefix(".")
        return words + _letters(suffix)
    if suffix in ("x", "+"):
        return f"{words} {'times' if suffix == 'x' else 'plus'}"
    if suffix in ("s", "'s"):
        return numbers.plural(words)
    if suffix in ("k", "K"):
        return f"{words} K"
    base, slash, per = (suffix, "", "") if suffix in UNITS else suffix.partition("/")
    if token.dotted and not place.ends:
        token.trail = token.trail[1:]
    words += " " + unit(base.lstrip("-"), 1 if singular else 2, singular=attributive(place) or base.startswith("-"))
    return words + (f" per {PER[per]}" if slash else "")


def _range(place: Place, number: str, to: str) -> str:
    """ "5-10", and of years "1914-18"."""
    if len(number) == 4 and number.isdecimal() and 1000 <= int(number) < 2100 and to.isdecimal() and len(to) in (2, 4):
        return f"{numbers.year(int(number))} to {numbers.year(int(to)) if len(to) == 4 else numbers.oh(int(to))}"
    return f"{_plain(number)} to {_plain(to)}"


def _value(place: Place, number: str) -> str:
    """A bare number: a year, the two halves of a house number, or a count."""
    if not number.isdecimal() or len(number) != 4:
        return _plain(number)
    return numbers.year(int(number)) if is_year(place, int(number)) else _plain(number)


_RULES: Final = (
    _time,
    _ratio,
    feet,
    _by,
    _decade,
    _ordinal,
    _fractions,
    _numeric_fraction,
    _quantity,
    _compound,
    _prefixed,
)

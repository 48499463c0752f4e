"""Shortened words, each only where its neighbours show that it is one: "No. 5" is a number, "no." is a word."""

from __future__ import annotations

import re
from typing import Final

from services.common.abbreviations import ARTICLES, BEFORE_NAMES_ONLY, DOTTED_TITLES, NUMBERED, TITLES
from services.common.tables import word_set
from services.tts.english.calendar import counts
from services.tts.english.measures import attached_unit
from services.tts.english.shortenings import (
    ALWAYS,
    BEFORE_YEARS,
    BOOKS,
    DIGITS_ONLY,
    GIVEN,
    INSIDE,
    LATIN,
    NUMBERED_BARE,
    NUMBERED_WORDS,
    PLAIN,
    POSTAL,
    STATES,
    STREETS,
    STREETS_BARE,
)
from services.tts.english.token import Place, Token, is_word
from services.tts.english.units import UNIT_PREFIXES, UNITS

_INITIALS: Final = re.compile(r"[A-Za-z](?:\.[A-Za-z]{1,2})+")
_MERIDIEM: Final = re.compile(r"[ap]\.?m", re.IGNORECASE)
_ROMAN: Final = re.compile(r"[IVX]{2,}")
_SAYING: Final = word_set("say says said saying answer answered answers reply replied whispered shouted mean meant")
#: Before "no. is" or "no. of".
_OF_A_NUMBER: Final = ARTICLES | {"tel", "phone", "serial", "account", "total", "large", "small", "house"}
_DIRECTIONS: Final = {"N": "north", "S": "south", "E": "east", "W": "west"}
_VERSE: Final = re.compile(r"\d+:\d+(?:[-–]\d+)?")
_YEARS: Final = re.compile(r"\d{3,4}(?:[-–]\d+)?s?")
_NUMBER_LIKE: Final = re.compile(r"#?\d.*|[IVXLC]{2,}|[B-HJ-Z]\d*|[AI]\d+")


def read(place: Place) -> bool:
    """Says a shortened word in full."""
    token = place.token
    if not token.core[0].isalpha() and token.core not in UNITS:
        return False
    return any(rule(place) for rule in _RULES)


def _meridiem(place: Place) -> bool:
    """ "a.m." after a time; "am" and "AM" are that after a number only."""
    token, before = place.token, place.before
    if not _MERIDIEM.fullmatch(token.core):
        return False
    if before.count is None or before.closed or (token.core == "am" and place.after.core == "I"):
        return "." in token.core and place.spell(token.core.upper())
    return place.spell(f"{token.core[0].upper()}.M")


def _measure(place: Place) -> bool:
    token = place.token
    if token.low in UNIT_PREFIXES and place.before.count is not None and place.after.core in UNITS:
        token.count = place.before.count
        return place.expand(UNIT_PREFIXES[token.low]) and _keep(token, place.before.count)
    return attached_unit(place)


def _keep(token: Token, count: float) -> bool:
    token.count = count
    return True


def _numbered(place: Place) -> bool:
    token, after = place.token, place.after
    words = NUMBERED.get(token.low)
    dotted = token.trail == "." or (token.trail == "" and token.low in NUMBERED_BARE)
    if not words or not dotted or not _NUMBER_LIKE.fullmatch(after.core) or _just_a_word(place):
        return False
    if not after.core[0].isdecimal() and (
        len(token.low) < 2 or (token.low in DIGITS_ONLY and not _ROMAN.fullmatch(after.core))
    ):
        return False
    if token.low in BEFORE_YEARS and not _YEARS.fullmatch(after.core):
        return False
    token.trail = ""
    return place.say(words)


def _just_a_word(place: Place) -> bool:
    """ "I said no. 5 of them left", "I ate a fig. 5 boats came": the number belongs to the next sentence."""
    token, before, behind = place.token, place.before, place.near(2)
    if token.low not in NUMBERED_WORDS or before.low in ("a", "an", "some", "any"):
        return token.low in NUMBERED_WORDS
    if token.low != "no" or place.after.closed:
        return False
    return behind.low == "of" or before.low in _SAYING or (before.low in ("is", "was") and counts(behind))


def _book(place: Place) -> bool:
    token = place.token
    words = BOOKS.get(token.low) if token.capital and token.trail in ("", ".") else None
    if not words or not _VERSE.fullmatch(place.after.core):
        return False
    token.trail = ""
    return place.say(words)


def _inside(place: Place) -> bool:
    """A full stop with a small letter behind it ends no sentence."""
    token = place.token
    if token.trail != "." or not is_word(place.after) or place.after.low == "i":
        return False
    if token.low == "no" and place.after.low in ("of", "is", "was", "for") and place.before.low in _OF_A_NUMBER:
        return place.expand("number")
    words = STATES.get(token.core) or INSIDE.get(token.low)
    return bool(words) and place.expand(words or "")


def _title(place: Place) -> bool:
    token, after = place.token, place.after
    words = TITLES.get(token.low) if token.trail in ("", ".") else None
    if token.dotted and token.trail == ".":
        words = words or DOTTED_TITLES.get(token.low)
    named = after.name or (len(after.core) == 1 and after.core.isupper() and after.dotted)
    if token.low in BEFORE_NAMES_ONLY and place.before.low not in ARTICLES and (place.opens or not place.before.name):
        named = after.capital
    if not words or not token.capital or not named or after.lead.strip("\"'“‘("):
        return False
    if token.low in STREETS and place.before.core[-2:] in ("st", "nd", "rd", "th") and place.before.core[0].isdecimal():
        return False
    if token.low in ("sr", "jr") and place.before.name and not place.opens and not place.before.closed:
        return False
    token.trail = ""
    return place.say(words)


def _street(place: Place) -> bool:
    token, before = place.token, place.before
    words = STREETS.get(token.low) if token.capital else None
    if not words or not (token.dotted or token.low in STREETS_BARE):
        return False
    numbered = before.core[:1].isdecimal() and before.core[-2:] in ("st", "nd", "rd", "th")
    named = (before.name or before.core in ("&", "and")) and before.low not in ("the", "my")
    named = named or (before.low == "the" and token.low in ("co", "corp"))
    # "Ask Dr. Brown", "Dear St. Nick": one capital word that begins the sentence is no street, unless nothing follows.
    opening = place.index < 2 and not place.last and token.low in ("dr", "st", "pl") and not numbered
    return (numbered or named) and not opening and place.expand(words)


def _state(place: Place) -> bool:
    token, before = place.token, place.before
    if not before.name or not before.trail.startswith(",") or before.low in ("yes", "no", "well", "thanks", "oh", "sorry"):
        return False
    opening = Place(place.tokens, place.index - 1).opens
    if token.core in POSTAL and token.core.isupper():
        coded = bool(re.fullmatch(r"\d{5}(?:-\d{4})?", place.after.core))
        if coded or not opening or token.core not in ("OK", "HI", "OH", "PA", "MA", "IN", "OR", "ME", "ID", "LA", "AL"):
            return place.expand(POSTAL[token.core])
    words = STATES.get(token.core) if token.dotted else None
    if not words or (opening and token.trail == "." and token.core in ("Miss", "Pa", "Mass", "Ill", "Mo", "Wash")):
        return False
    return place.expand(words)


def _edition(place: Place) -> bool:
    """ "2nd ed."; "est. cost"."""
    token, before = place.token, place.before
    if token.core == "ed" and token.dotted and before.core[:1].isdecimal() and before.core[-2:] in ("st", "nd", "rd", "th"):
        return place.expand("edition")
    if token.core == "est" and token.dotted and is_word(place.after):
        return place.expand("estimated")
    return False


def _always(place: Place) -> bool:
    token = place.token
    words = (ALWAYS.get(token.low) or GIVEN.get(token.core)) if token.dotted else None
    words = words or (PLAIN.get(token.low) if "/" in token.core or len(token.core) > 2 or not token.core.isupper() else None)
    if token.low == "al" and token.dotted and place.before.low == "et":
        place.before.said = "and"
        return place.expand("others")
    return bool(words) and place.expand(words or "")


def _initials(place: Place) -> bool:
    """ "U.S.", "Ph.D.", "J. K."; the full stop of a single letter ends no sentence in a name."""
    token = place.token
    latin = LATIN.get(token.low)
    if latin and (token.dotted or token.low == "eg"):
        return place.expand(latin)
    if _INITIALS.fullmatch(token.core) and token.dotted:
        return place.spell(token.core)
    if token.core in _DIRECTIONS and token.dotted and any(char.isdecimal() for char in place.before.core):
        return place.expand(_DIRECTIONS[token.core])
    if len(token.core) == 1 and token.dotted and (place.last or not place.after.capital):
        token.trail = f" {token.trail}" if place.last else token.trail[1:]
        return place.say(token.core.upper() if token.core != "a" else "A")
    return False


_RULES: Final = (_meridiem, _measure, _book, _numbered, _title, _street, _state, _edition, _inside, _always, _initials)

"""Symbols between words and inside them."""

from __future__ import annotations

import re
from typing import Final

from services.tts.english.numbers import cardinal
from services.tts.english.token import Place, Token
from services.tts.english.units import PER

_ALONE: Final = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "±": "plus or minus", "÷": "divided by"} | {
    "°": "degrees",
    "§": "section",
    "¶": "paragraph",
    "©": "copyright",
    "→": "to",
    "~": "about",
    "≈": "is about",
    "≠": "is not",
    "≤": "is at most",
    "≥": "is at least",
    "<": "is less than",
    ">": "is more than",
    "$": "dollars",
    "£": "pounds",
    "€": "euros",
    "/": "or",
    "²": "squared",
    "³": "cubed",
}
_BETWEEN_NUMBERS: Final = {
    "x": "times",
    "×": "times",
    "*": "times",
    "-": "minus",
    "−": "minus",
    "/": "divided by",
    "^": "to the power of",
}
_INSIDE: Final = {
    "&": " and ",
    "+": " plus ",
    "@": " at ",
    "=": " equals ",
    "%": " percent ",
    "°": " degrees ",
    "§": " section ",
} | {
    "©": " copyright ",
    "±": " plus or minus ",
    "×": " times ",
    "÷": " divided by ",
    "²": " squared ",
    "³": " cubed ",
    "→": " to ",
    "½": " and a half ",
    "¼": " and a quarter ",
    "¾": " and three quarters ",
    "~": " ",
    "#": " ",
    "$": " ",
    "|": " ",
    "•": " ",
}
_SLASHED_WORDS: Final = re.compile(r"[a-z]{2,}(?:/[a-z]{2,})+", re.IGNORECASE)


def read(place: Place) -> bool:
    """Says what is left that is neither a letter nor a mark of punctuation."""
    token = place.token
    core = token.core
    if core in _BETWEEN_NUMBERS and _operand(place.before) and _operand(place.after):
        sums = any(other.core == "=" for other in place.tokens)
        return place.say("by" if core in "x×" and not sums else _BETWEEN_NUMBERS[core])
    if core in _ALONE:
        return place.say(_ALONE[core])
    if _SLASHED_WORDS.fullmatch(core):
        return place.say(_slashed(core))
    if any(char in _INSIDE or char == "/" for char in core):
        said = "".join(_INSIDE.get(char, char) for char in core).replace("/", " ")
        return place.say(" ".join(said.split()))
    return False


def without_figures(text: str) -> str:
    """The last of all: not one figure is left, in whatever alphabet."""
    if not any(char.isnumeric() for char in text):
        return text
    return " ".join("".join(_figure(char) if char.isnumeric() else char for char in text).split())


def _figure(char: str) -> str:
    return f" {cardinal(int(char))} " if char.isdecimal() else _INSIDE.get(char, " ")


def _operand(token: Token) -> bool:
    return token.core[:1].isdecimal() or (len(token.core) == 1 and token.core.isalpha())


def _slashed(core: str) -> str:
    parts = core.split("/")
    if len(parts) == 2 and parts[1] in PER:
        return f"{parts[0]} per {PER[parts[1]]}"
    if core.isupper() or "and" in parts or "or" in parts:
        return " ".join(parts)
    return " or ".join(parts)

"""Numbers in words, as an American says them: no "and" inside, no hyphens."""

from __future__ import annotations

from typing import Final

from services.common.tables import words

_ONES: Final = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_TENS: Final = ["", "", *words("twenty thirty forty fifty sixty seventy eighty ninety")]
_SCALES: Final = ["", *words("thousand million billion trillion quadrillion quintillion")]
_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def cardinal(n: int) -> str:
    """42 -> "forty two". `n` is at least 0 and has at most 21 digits."""
    if n < 1000:
        return _below_1000(n)
    said = ""
    for scale in _SCALES:
        n, group = divmod(n, 1000)
        if group:
            said = f"{_below_1000(group)} {scale} {said}"
    return " ".join(said.split())


def _below_1000(n: int) -> str:
    hundreds, rest = divmod(n, 100)
    said = [_ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        said += [_TENS[rest // 10], *([_ONES[rest % 10]] if rest % 10 else [])]
    elif rest or not said:
        said.append(_ONES[rest])
    return " ".join(said)


def ordinal(n: int) -> str:
    """42 -> "forty second"."""
    head, _, last = cardinal(n).rpartition(" ")
    regular = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return f"{head} {_ORDINALS.get(last, regular)}".strip()


def year(n: int) -> str:
    """1905 -> "nineteen oh five", 2008 -> "two thousand eight", 2024 -> "twenty twenty four"."""
    century, rest = divmod(n, 100)
    if n < 100 or (century % 10 == 0 and rest < 10):
        return cardinal(n)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {oh(rest)}"


def oh(n: int) -> str:
    """A number below 100 that follows another one: 5 -> "oh five"."""
    return f"oh {_ONES[n]}" if n < 10 else cardinal(n)


def digits(text: str) -> str:
    """ "911" -> "nine one one"; whatever is no digit is left out."""
    return " ".join(_ONES[int(char)] for char in text if char.isdecimal())


def decimal(text: str) -> str:
    """ "3.14" -> "three point one four", with every digit that is written; commas are allowed before the point."""
    whole, point, part = text.replace(",", "").partition(".")
    said = whole_number(whole) if whole else ""
    return f"{said} point {digits(part)}".strip() if point else said


def whole_number(text: str) -> str:
    """Digits as a number; with a zero in front, or too long for one, digit by digit."""
    if (len(text) > 1 and text[0] == "0") or len(text) > 15:
        return digits(text)
    return cardinal(int(text))


def plural(said: str) -> str:
    """Of the last word: "nineteen ninety" -> "nineteen nineties"."""
    if said.endswith("y"):
        return f"{said[:-1]}ies"
    return f"{said}es" if said.endswith(("x", "ch", "s")) else f"{said}s"


_PARTS: Final = {2: "half", 4: "quarter"}


def fraction(a: int, b: int) -> str:
    """3, 4 -> "three quarters"."""
    part = _PARTS.get(b) or ordinal(b)
    if a == 1:
        return f"one {part}"
    return f"{cardinal(a)} {'halves' if b == 2 else plural(part)}"

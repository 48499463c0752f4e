"""Expression cues: taken out of the text where the model wrote them, and felt from the words where it did not.

The names are those that a face engine may list as "cue:<name>".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from services.llm.words import LEXICON, words

_INTENSITY: Final = 0.6

#: What a model may write for each cue, in brackets, between asterisks or as a picture.
_WRITTEN: Final[dict[str, tuple[str, ...]]] = {name: tuple(signs.split()) for name, signs in LEXICON["written"].items()}
#: Beginnings of words that show how something is meant, most telling first.
_FELT: Final[dict[str, tuple[str, ...]]] = {name: tuple(signs.split()) for name, signs in LEXICON["felt"].items()}
_STAGE: Final = re.compile(r"\[([a-z_ ,]{2,40})\]|\(([a-z ,]{3,30})\)|\*([a-z ,]{3,40})\*", re.IGNORECASE)
_PICTURE: Final = re.compile("[\U0001f000-\U0001faff☀-➿️❤]")


@dataclass(frozen=True)
class FaceCue:
    name: str
    intensity: float


def take_cues(text: str) -> tuple[str, FaceCue | None]:
    """`text` without stage directions and pictures, and the first cue that one of them gave."""
    found: FaceCue | None = None

    def take(match: re.Match[str]) -> str:
        nonlocal found
        said = next((group for group in match.groups() if group), match.group()) if match.groups() else match.group()
        name = _written(said)
        found = found or (FaceCue(name, _INTENSITY) if name else None)
        # Brackets that are no direction are words of the sentence.
        return "" if name or not match.groups() or match.group().startswith(("*", "[")) else match.group()

    cleaned = _PICTURE.sub(take, _STAGE.sub(take, text))
    if cleaned == text:
        return text, None
    cleaned = re.sub(r"[ \t]{2,}", " ", cleaned)
    return re.sub(r"\s+([,.!?;:])", r"\1", cleaned) if cleaned.strip(" .,!?") else "", found


def felt(text: str) -> FaceCue | None:
    """The cue that the words themselves suggest; None when they suggest none."""
    said = words(text)
    if said[:1] in (["yes"], ["sure"], ["certainly"]):
        return FaceCue("nod", _INTENSITY)
    for name, beginnings in _FELT.items():
        if any(word.startswith(beginnings) for word in said):
            return FaceCue(name, _INTENSITY)
    return None


def _written(said: str) -> str | None:
    lower = said.lower().strip()
    for name, signs in _WRITTEN.items():
        if lower == name or any(sign in lower for sign in signs):
            return name
    return None

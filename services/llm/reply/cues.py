"""Expression cues: as the model wrote them, and felt from the words where it did not. `reading` finds what is written.

The names are those that a face engine may list as "cue:<name>".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.llm.understanding.words import LEXICON, words

_INTENSITY: Final = 0.6

#: What a model may write for each cue, in brackets, between asterisks or as a picture.
_WRITTEN: Final[dict[str, tuple[str, ...]]] = {name: tuple(signs.split()) for name, signs in LEXICON["written"].items()}
#: Beginnings of words that show how something is meant, most telling first.
_FELT: Final[dict[str, tuple[str, ...]]] = {name: tuple(signs.split()) for name, signs in LEXICON["felt"].items()}


@dataclass(frozen=True)
class FaceCue:
    name: str
    intensity: float


def felt(text: str, own: Mapping[Any, Sequence[str]] | None = None) -> FaceCue | None:
    """The cue that the words themselves suggest; None when they suggest none. `own`: the persona's own, by cue."""
    said = words(text)
    if said[:1] in (["yes"], ["sure"], ["certainly"]):
        return FaceCue("nod", _INTENSITY)
    for name, beginnings in _FELT.items():
        if any(word.startswith((*beginnings, *(own or {}).get(name, ()))) for word in said):
            return FaceCue(name, _INTENSITY)
    return None


def written(said: str) -> FaceCue | None:
    """The cue that a stage direction or a picture asks for; None when it asks for none."""
    lower = said.lower().strip()
    for name, signs in _WRITTEN.items():
        if lower == name or any(sign in lower for sign in signs):
            return FaceCue(name, _INTENSITY)
    return None

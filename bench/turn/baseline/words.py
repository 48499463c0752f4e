"""What English words said about the end of a turn before: weights set by hand, in logits."""

from __future__ import annotations

from typing import Final

from services.common.reading.words import words_without_digits

_FINISHED: Final = 0.8
_ANSWER: Final = 0.5
_TRAILING: Final = -0.8
_UNFINISHED: Final = -1.5


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FILLERS: Final = _set("um uh er erm hmm hm uhm")
_OPEN: Final = _set(
    """
    a an the and but or so because if when while although that which um uh er my your his her its our their i we they
    i'm we're very than as every
    """
)
#: These leave a statement open, but a question may end with them: "Where are you from?"
_OPEN_STATEMENT: Final = _set("of to in on at for with from about into is was are were")
_ASKING: Final = _set(
    """
    what what's where where's when who who's why how how's which whose do does did is are was were can could would
    will have has had shall should may tell
    """
)
_ANSWERS: Final = _set("yes no yeah nope sure okay ok thanks right exactly maybe never please")


def completeness(text: str) -> float:
    """How finished the words sound: above 0 finished, below 0 not, 0 no opinion."""
    words = words_without_digits(text)
    if not words:
        return 0.0
    asking = words[0] in _ASKING and len(words) >= 3
    if text.rstrip().endswith(("...", "…", "-", "—", ",")):
        return _TRAILING
    if words[-1] in _OPEN or (words[-1] in _OPEN_STATEMENT and not asking):
        return _UNFINISHED
    if asking or text.rstrip().endswith("?"):
        return _FINISHED
    return _ANSWER if len(words) <= 2 and words[0] in _ANSWERS else 0.0


def ends_in_filler(text: str) -> bool:
    """Whether the last word is an "um", or fills like one."""
    words = words_without_digits(text)
    return bool(words) and (words[-1] in _FILLERS or words[-2:] in (["you", "know"], ["i", "mean"]))

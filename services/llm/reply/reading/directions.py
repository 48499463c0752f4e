"""Stage directions: what is written to be done, not said ("*chuckles softly*"), told from words of the sentence that stand
between the same marks ("a *piano* tuner", "my brother (the tall one)").

What it says and where it stands decide together: a direction names something to be seen or heard, and stands between sentences
or after a word that is a breath ("Well *laughs* no").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.llm.reply.cues import FaceCue, written
from services.llm.understanding.words import LEXICON

Before = Literal["start", "joint", "mid"]
After = Literal["end", "capital", "stop", "lower"]

_STAGE: Final = LEXICON["stage"]
_HE: Final = "(?:[a-z]?ing|e?s|ies)"
_STRONG: Final = re.compile(f"(?:{'|'.join(_STAGE['verbs'].split())}){_HE}")
_MORE: Final = re.compile(f"(?:{'|'.join((*_STAGE['verbs'].split(), *_STAGE['more'].split()))}){_HE}")
_STRONG_ANY: Final = re.compile(f"(?:{'|'.join(_STAGE['verbs'].split())})(?:{_HE}|e|y|)")
_MORE_ANY: Final = re.compile(f"(?:{'|'.join((*_STAGE['verbs'].split(), *_STAGE['more'].split()))})(?:{_HE}|e|y|)")
_NOUNS: Final = frozenset(_STAGE["nouns"].split())
_INTERJECTIONS: Final = frozenset(_STAGE["interjections"].split())
_STOP_WORDS: Final = frozenset(LEXICON["stop_words"].split()) | frozenset(_STAGE["none"].split())
_SUBJECTS: Final = frozenset(["i", "he", "she", "they", "it", "we", "you", "who", "that"])
_SPEAKERS: Final = frozenset(["i", "my", "me", "mine", "we", "our", "us", "myself"])
_ARTICLES: Final = frozenset(["a", "an", "the", "with", "another", "in"])
#: A direction is a few words without punctuation.
_LONGEST: Final = 60
_MOST_WORDS: Final = 9
_SHAPE: Final = re.compile(r"[^\W\d_][\w'’, -]*(\.\.\.|…|\.)?")


@dataclass(frozen=True)
class Place:
    """Where a text in marks stands."""

    before: Before
    after: After
    last_word: str = ""
    """The word before it."""


def standing(text: str) -> tuple[Before, str]:
    """What comes after this end of the text stands where, and the word before it."""
    stripped = text.rstrip(" \"'”’»)]")
    last = re.search(r"[\w'’]+$", stripped)
    word = last.group().lower() if last else ""
    if not stripped or stripped[-1] in ".!?…:\n":
        return "start", word
    if stripped[-1] in ",;–—-" or (word in _INTERJECTIONS and standing(stripped[: -len(word)])[0] != "mid"):
        return "joint", word
    return "mid", word


def possible(begun: str, mark: str, before: Before) -> bool:
    """Whether a text whose mark has been opened may still become a direction: then its end is worth waiting for."""
    if len(begun) > _LONGEST or (begun and not _SHAPE.fullmatch(begun)):
        return False
    *whole, _ = re.split(r"[ ,]+", begun.lower())
    if not whole:
        return True
    if len(whole) >= _MOST_WORDS:
        return False
    if mark in "*_" and whole[0] in _SUBJECTS:
        return before == "start" and (len(whole) < 2 or _MORE_ANY.fullmatch(whole[1]) is not None)
    return _SPEAKERS.isdisjoint(whole) and (_moves(whole[0]) or whole[0] in _ARTICLES or len(whole) < 2)


def direction(said: str, mark: str, place: Place) -> bool:
    """Whether a text that stands between marks is a direction; `mark` is what opens it."""
    if not _SHAPE.fullmatch(said) or len(said) > _LONGEST:
        return False
    words = re.findall(r"[\w'’-]+", said.lower())
    if len(words) > _MOST_WORDS:
        return False
    if said.endswith(".") and not said.endswith("..."):
        # A whole sentence is said, unless it is none: "Laughs softly."
        return _strong(words) and (len(words) == 1 or (len(words) == 2 and words[1].endswith("ly"))) and place.before == "start"
    if words[0] in _SUBJECTS and len(words) > 1:
        acted = (_STRONG_ANY if words[0] == "i" else _MORE_ANY).fullmatch(words[1]) is not None
        return mark in "*_[" and acted and place.before == "start" and place.after in ("capital", "end") and len(words) <= 5
    if not _SPEAKERS.isdisjoint(words):
        return False
    return (_paren if mark == "(" else _bracket if mark == "[" else _star)(said, words, place)


def follows(rest: str, *, final: bool) -> After | None:
    """What comes after a closing mark; None when more must come before that can be told."""
    stripped = rest.lstrip(" \t")
    if not stripped:
        return "end" if final else None
    first = stripped[0]
    if first == "\n":
        return "end"
    if first in ".,!?;:…":
        return "stop"
    return "lower" if first.islower() or first.isdigit() else "capital"


def cue(said: str) -> FaceCue | None:
    """What a direction makes the face do."""
    return written(said)


def acts(name: str) -> bool:
    """Whether a single word, as in <laugh>, is a direction."""
    return name.lower() in _NOUNS or _STRONG_ANY.fullmatch(name.lower()) is not None


def _star(said: str, words: list[str], place: Place) -> bool:
    """Between asterisks or underscores, where emphasis stands too."""
    strong = _strong(words)
    if place.before == "mid":
        return (strong or _named(words)) and place.after == "end" and place.last_word not in _SUBJECTS
    if place.before == "joint":
        return strong or _named(words) or (_weak(words) and len(words) > 1 and place.after != "lower")
    alone = place.after in ("capital", "end")
    if strong or _named(words) or (_weak(words) and len(words) > 1):
        return said[0].islower() or alone or (len(words) > 1 and words[-1].endswith("ly"))
    return alone and _moves(words[0]) and (said[0].islower() or len(words) > 1)


def _paren(said: str, words: list[str], place: Place) -> bool:
    """Between parentheses, where asides stand too."""
    between = place.before != "mid"
    if len(words) == 1 and words[0] in _NOUNS:
        return True
    if _named(words):
        return between or place.after in ("end", "capital")
    if _strong(words) and len(words) <= 4:
        return between or place.after in ("end", "capital") or (place.after == "stop" and _finite(words))
    return between and _weak(words) and 1 < len(words) <= 6


def _bracket(said: str, words: list[str], place: Place) -> bool:
    """Between square brackets, where hardly anything else stands."""
    seen = _strong(words) or _weak(words) or _named(words) or (len(words) == 1 and acts(words[0]))
    return seen or (place.before == "start" and _moves(words[0]))


def _strong(words: list[str]) -> bool:
    return _STRONG.fullmatch(_skip_manner(words)) is not None or (len(words) == 1 and words[0] in _NOUNS)


def _weak(words: list[str]) -> bool:
    return _MORE.fullmatch(_skip_manner(words)) is not None


def _moves(word: str) -> bool:
    """Whether it may be a verb of "he", one in "-ing", or an adverb."""
    shaped = len(word) > 3 and word.endswith(("s", "ing", "ly")) and not word.endswith("ss")
    return shaped and word not in _STOP_WORDS


def _finite(words: list[str]) -> bool:
    return _skip_manner(words).endswith("s")


def _skip_manner(words: list[str]) -> str:
    """The first word that is no adverb, as in "softly laughs"; the last where all are."""
    return next((word for word in words if not word.endswith("ly")), words[-1])


def _named(words: list[str]) -> bool:
    """Whether it is "a long pause", "with a smile": an article, some words, and at their end one of the nouns."""
    return len(words) <= 5 and words[-1] in _NOUNS and (words[0] in _ARTICLES or len(words) <= 2)

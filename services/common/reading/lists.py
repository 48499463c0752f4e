"""The words of a language that a reader goes by: one data file each, and how its phrases are found in a text.

A phrase is words with a space between them. A word may have alternatives, "see|think", and may be missing, "just?".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Lists:
    """As in the file; in lower case, with plain apostrophes."""

    # Questions and requests.
    question_words: frozenset[str]
    auxiliaries: frozenset[str]
    """With which a question begins that has no question word."""
    subjects: frozenset[str]
    """What stands behind the auxiliary in it."""
    requests: frozenset[str]
    """What one asks of somebody who talks begins with these."""
    commands: frozenset[str]
    """And with these what one asks of somebody who can do something: whoever is there, as often as the one who talks."""
    asking_verbs: frozenset[str]
    """Of these, those with which one asks for words as with a question word."""
    objects: frozenset[str]
    """Any verb before these asks for something: "surprise me"."""
    asking_nothing: frozenset[str]
    """Phrases that begin like a question or a request, and are none: "what a day", "excuse me", "talk soon"."""
    polite: frozenset[str]
    """A sentence with one of these is a request."""
    wondering: frozenset[str]
    """Phrases before an indirect question."""
    to_be_told: frozenset[str]
    """Of all phrases that begin with the same two words, those that ask for something: "let me know", but not "let me see"."""
    # What is said before, instead of and after words.
    fillers: frozenset[str]
    hums: frozenset[str]
    """Like fillers, but they may also be all that somebody has to say."""
    filler_phrases: frozenset[str]
    no_fillers_after: frozenset[str]
    """Behind these, "you know" fills nothing: "if you know"."""
    hesitations: frozenset[str]
    """Phrases said to oneself, while the next word does not come."""
    before_more: frozenset[str]
    """Somebody who has said nothing else is about to."""
    openings: frozenset[str]
    """Also said before a question begins."""
    opening_phrases: frozenset[str]
    # What leaves a sentence open at its end.
    dangling: frozenset[str]
    """No sentence ends with these."""
    dangling_in_questions: frozenset[str]
    """And no question with these."""
    before_infinitive: frozenset[str]
    """Nor with one of these and "to": "where do you go to", but "what do you like to"."""
    to: frozenset[str]
    # Stories.
    stories: frozenset[str]
    """Phrases that announce one."""
    reminders: frozenset[str]
    """Phrases at the beginning of a sentence that tell of something: "you know that house on the hill"."""
    joining: frozenset[str]
    """A sentence may begin behind these, without a stop."""
    # Said over somebody's voice, or alone.
    acknowledging: frozenset[str]
    demanding: frozenset[str]
    """With these, somebody wants the floor."""
    noise: frozenset[str]
    """What Whisper makes of a cough or a hum, as a whole."""
    # Whom words call by name, and who somebody is.
    before_names: frozenset[str]
    """Words before a name at the beginning of a sentence that is called."""
    after_names: frozenset[str]
    """Words after a name at the beginning that make it one that is called even without a comma."""
    helping: frozenset[str]
    """And these, before "you"."""
    speaking_of: frozenset[str]
    """A name after one of these is spoken about."""
    no_names: frozenset[str]
    """Beginnings of sentences that look like names."""
    and_or: frozenset[str]
    """Between two who are spoken about."""
    no_call_after: frozenset[str]
    """Of the words before names, those behind which somebody may as well be spoken about: "and June"."""
    said_to_somebody: frozenset[str]
    """A sentence with one of these is."""
    asked_of_somebody: frozenset[str]
    """And with one of these it also asks or tells."""
    own_names: frozenset[str]
    """Phrases before the name that somebody has."""
    presenting: frozenset[str]
    """And before the name of somebody who is presented."""
    presented_as: frozenset[str]
    """Between the two may stand whose the presented one is: "my friend"."""
    # Asking to wait.
    asking_to_wait: frozenset[str]
    """Phrases that do."""
    more_than_waiting: frozenset[str]
    """Beside these, they are the beginning of something else: "hold on, what did you just say?"."""
    # What tells among several people who is meant.
    you: frozenset[str]
    greetings: frozenset[str]
    """Phrases at the beginning."""
    plans: frozenset[str]
    """Phrases for what "we" might do."""
    third_persons: frozenset[str]
    third_objects: frozenset[str]
    saying: frozenset[str]
    """Verbs that report what a third person says, or is told."""


@cache
def lists(language: str) -> Lists:
    """Those of a language that has a file."""
    data: dict[str, list[str]] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return Lists(**{name: frozenset(entries) for name, entries in data.items()})


def any_of(phrases: Iterable[str]) -> str:
    """A regular expression, to be used without regard to case, for any of the phrases."""
    return f"(?:{'|'.join(map(_phrase, sorted(phrases)))})"


def drawn(words: Iterable[str]) -> str:
    """One for any of the words, however long each of its sounds is drawn: "um", "ummm"."""
    return f"(?:{'|'.join(map(_drawn, sorted(words)))})"


def _drawn(word: str) -> str:
    return re.sub("(.)", r"\1+", word)


def _phrase(phrase: str) -> str:
    *words, last = phrase.split()
    return "".join(map(_before_another, words)) + _alternatives(last)


def _before_another(word: str) -> str:
    return rf"(?:{_alternatives(word[:-1])}\s)?" if word.endswith("?") else rf"{_alternatives(word)}\s"


def _alternatives(word: str) -> str:
    escaped = "|".join(map(re.escape, word.split("|")))
    return f"(?:{escaped})".replace("'", "['’]")

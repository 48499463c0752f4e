"""Whom the words themselves call: "Bob, did you ...", "Hello June, ...", "What do you think, June?"

Recognition often leaves out the comma before a name, so the words around it are looked at too: "I told June" calls nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

from services.common.reading.lists import any_of, lists

_SENTENCE: Final = re.compile(r"[^.?!…]+[.?!…]*")
_WORD: Final = re.compile(r"([\w'’-]+)([^\w'’-]*)")
_LISTS: Final = lists("en")
_CALLING: Final = _LISTS.after_names
_AUXILIARY: Final = _LISTS.helping
_NO_NAMES: Final = _LISTS.no_names | _LISTS.before_names | _AUXILIARY | _CALLING | _LISTS.speaking_of
_TO_SOMEBODY: Final = re.compile(rf"\b{any_of(_LISTS.said_to_somebody)}\b", re.IGNORECASE)
_NAME: Final = r"\s+([A-Z][a-z]+)\b"
_INTRODUCED: Final = re.compile(rf"\b(?i:{any_of(_LISTS.own_names)}){_NAME}")
_PRESENTED: Final = re.compile(
    rf"\b(?i:{any_of(_LISTS.presenting)})(?:\s(?i:{any_of(_LISTS.presented_as)})(?:\s\w+){{1,2}})?{_NAME}"
)
#: So much of the persona's name has to be there for one that was not heard right.
_ALIKE: Final = 0.75
#: Emily, Sally, Kelly.
_LONGEST_NAME_LIKE_AN_ADVERB: Final = 5


def called(text: str, names: Mapping[str, str], persona: Iterable[str], *, strangers: bool) -> str | None:
    """Who is called last, None when nobody is.

    `names` are known names in lower case and what each stands for; of the names of the `persona` the first one is given back.
    With `strangers` somebody may be called whose name is not known; it is given back as it is written.
    """
    own = [name.lower() for name in persona]
    known = {**{part: own[0] for name in own for part in (name, name.split()[0])}, **names}
    found = None
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(text)]
    for before, sentence in zip(["", *sentences], sentences, strict=False):
        found = _called_in(sentence, known, own, strangers=strangers) or found
        # "What do you think, June, is it far?" is heard as "What do you think? June is it far."
        if own and before.endswith("?") and _TO_SOMEBODY.search(before) and known.get(_first_word(sentence)) == own[0]:
            found = own[0]
    return found


def introduced(text: str) -> str | None:
    """The name that the speaker says to have."""
    match = _INTRODUCED.search(text)
    return match.group(1) if match else None


def presented(text: str) -> str | None:
    """The name of somebody whom the speaker presents: "This is my friend Dan." """
    match = _PRESENTED.search(text)
    return match.group(1) if match else None


def _first_word(sentence: str) -> str:
    match = _WORD.search(sentence)
    return match.group(1).lower() if match else ""


def _called_in(sentence: str, known: Mapping[str, str], own: list[str], *, strangers: bool) -> str | None:
    words = [(match.group(1), match.group(2)) for match in _WORD.finditer(sentence)]
    plain = [word.lower().replace("’", "'") for word, _ in words]
    found = None
    for index, (word, _) in enumerate(words):
        if not word[0].isupper() and plain[index] not in known:
            continue
        who = known.get(plain[index])
        clear = _clearly_called(words, plain, index)
        if who is not None:
            if clear or _loosely_called(sentence, words, plain, index):
                found = who
        elif clear and len(word) > 2 and plain[index] not in _NO_NAMES:
            if own and _alike(plain[index], own[0].split()[0]):
                found = own[0]
            elif strangers and not _is_adverb(plain[index]) and _asks_or_tells(plain[index + 1 :] or plain[:index]):
                found = word
    return found


def _is_adverb(word: str) -> bool:
    """Whether "Basically, ..." is more likely than that anybody is called so; a Beverly has to be known by her name."""
    return len(word) > _LONGEST_NAME_LIKE_AN_ADVERB and word.endswith("ly")


def _asks_or_tells(rest: list[str]) -> bool:
    """What is said to somebody asks, requests, or says "you". So "Basically, I have an idea" and "Hello World" call nobody."""
    asks = bool(rest) and (rest[0] in _CALLING or rest[0] in _AUXILIARY)
    return asks or not _LISTS.asked_of_somebody.isdisjoint(rest)


def _clearly_called(words: list[tuple[str, str]], plain: list[str], index: int) -> bool:
    """The name stands apart: first and then a comma, first and then a question or a request, or last after a comma."""
    after = words[index][1].strip()
    rest = plain[index + 1 :]
    if all(word in _LISTS.before_names for word in plain[:index]):
        if after[:1] == "," and not _LISTS.and_or.intersection(rest[:1]):
            return True
        if rest and (rest[0] in _CALLING or (rest[0] in _AUXILIARY and _LISTS.you.intersection(rest[1:2]))):
            return True
        if index and not rest:
            return True
    return bool(index) and words[index - 1][1].strip() == "," and not rest


def _loosely_called(sentence: str, words: list[tuple[str, str]], plain: list[str], index: int) -> bool:
    """A known name between commas, alone, behind a greeting, or last in a sentence that is said to somebody."""
    after, rest = words[index][1].strip(), plain[index + 1 :]
    before = words[index - 1][1].strip() if index else ","
    if before == "," and after[:1] in (",", "?", "!") and not _LISTS.and_or.intersection(rest[:1]):
        return True
    if not rest and (len(words) == 1 or (plain[index - 1] not in _LISTS.speaking_of and _TO_SOMEBODY.search(sentence))):
        return True
    opened = bool(index) and all(word in _LISTS.before_names for word in plain[:index])
    return opened and plain[index - 1] not in _LISTS.no_call_after and after[:1] in (",", "")


def _alike(word: str, name: str) -> bool:
    return word[0] == name[0] and SequenceMatcher(None, word, name).ratio() >= _ALIKE

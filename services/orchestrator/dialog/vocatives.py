"""Whom the words themselves call: "Bob, did you ...", "Hello June, ...", "What do you think, June?"

Recognition often leaves out the comma before a name, so the words around it are looked at too: "I told June" calls nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

_SENTENCE: Final = re.compile(r"[^.?!…]+[.?!…]*")
_WORD: Final = re.compile(r"([\w'’-]+)([^\w'’-]*)")
#: Words before a name at the beginning of a sentence that is called.
_OPENING: Final = """
ah alright and but dear excuse fine good great ha hello hey hi listen look me morning evening afternoon night no now oh ok
okay please right say see so sorry sure thank thanks um uh wait well welcome yeah yes yep you
"""
#: Words after a name at the beginning that make it one that is called even without a comma.
_REQUESTING: Final = "tell please let's look listen wait come don't show give say"
_ASKING: Final = "what how where when why who which"
_HELPING: Final = "do did can could will would have are were may should shall don't didn't can't won't"
#: A name after one of these is spoken about.
_SPEAKING_OF: Final = """
to with about for of from by at see saw seen meet met know knew ask asked tell told like love than and or is was my our his
her their your the call called named friend wife husband brother sister son daughter mother father uncle aunt i'm am that's
it's this give show visit help miss
"""
#: Beginnings of sentences that look like names.
_BEGINNING: Final = """
absolutely actually again also although anyway anything because before besides course definitely especially everybody
everyone exactly folks friday god grandma grandpa guys he honestly however i if in it jesus just later man maybe meanwhile
mine mom dad mum monday nearly never nice not nothing oh once only perhaps personally really recently saturday seriously she
since something sometimes still suddenly sunday that then there these they this those thursday today tomorrow tonight
tuesday unfortunately usually we wednesday what when where while yesterday you
"""
_OPENERS: Final = frozenset(_OPENING.split())
_AUXILIARY: Final = frozenset(_HELPING.split())
_CALLING: Final = frozenset((_REQUESTING + " " + _ASKING).split())
_ABOUT: Final = frozenset(_SPEAKING_OF.split())
_NO_NAMES: Final = frozenset(_BEGINNING.split()) | _OPENERS | _AUXILIARY | _CALLING | _ABOUT
_TO_SOMEBODY: Final = re.compile(r"\b(you|your|yours|thanks|sorry|hello|hi|hey|please|let's)\b", re.IGNORECASE)
_INTRODUCED: Final = re.compile(r"\b(?:[Ii]['’]m|[Ii] am|[Mm]y name(?: is|['’]s)|[Cc]all me)\s+([A-Z][a-z]+)\b")
_PRESENTED: Final = re.compile(r"\b[Tt]his is (?:my (?:\w+ ){1,2}|our (?:\w+ ){1,2})?([A-Z][a-z]+)\b")
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
    return asks or any(word in ("you", "your", "yours", "thanks", "sorry", "please") for word in rest)


def _clearly_called(words: list[tuple[str, str]], plain: list[str], index: int) -> bool:
    """The name stands apart: first and then a comma, first and then a question or a request, or last after a comma."""
    after = words[index][1].strip()
    rest = plain[index + 1 :]
    if all(word in _OPENERS for word in plain[:index]):
        if after[:1] == "," and rest[:1] not in (["and"], ["or"]):
            return True
        if rest and (rest[0] in _CALLING or (rest[0] in _AUXILIARY and rest[1:2] == ["you"])):
            return True
        if index and not rest:
            return True
    return bool(index) and words[index - 1][1].strip() == "," and not rest


def _loosely_called(sentence: str, words: list[tuple[str, str]], plain: list[str], index: int) -> bool:
    """A known name between commas, alone, behind a greeting, or last in a sentence that is said to somebody."""
    after, rest = words[index][1].strip(), plain[index + 1 :]
    before = words[index - 1][1].strip() if index else ","
    if before == "," and after[:1] in (",", "?", "!") and rest[:1] not in (["and"], ["or"]):
        return True
    if not rest and (len(words) == 1 or (plain[index - 1] not in _ABOUT and _TO_SOMEBODY.search(sentence))):
        return True
    opened = bool(index) and all(word in _OPENERS for word in plain[:index])
    return opened and plain[index - 1] not in ("and", "but", "so", "say", "see") and after[:1] in (",", "")


def _alike(word: str, name: str) -> bool:
    return word[0] == name[0] and SequenceMatcher(None, word, name).ratio() >= _ALIKE

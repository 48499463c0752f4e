"""People who say who they are: "I'm Abigail Claflin, you can call me Abby." """

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.llm.memory.history import Utterance
from services.llm.persona.persona import Persona
from services.llm.reply.clauses import sentences
from services.llm.understanding.questions import is_question
from services.llm.understanding.words import LEXICON, content, words

_TITLES: Final = "|".join(LEXICON["titles"].split())
_WORD: Final = r"[^\W\d_][\w'’-]{0,30}"
_GOES_ON: Final = "and|but|or|if|here|please|from"
_NAME: Final = rf"(?P<name>(?:(?:{_TITLES})\b\.? )?{_WORD})(?P<surname> (?!(?:{_GOES_ON}|i)\b){_WORD})?"
#: Bounded, so that a page of "oh" takes no second to read.
_HELLO: Final = rf"(?:(?:{'|'.join(LEXICON['hellos'].split())})\b\W{{0,3}}){{0,4}}"
#: A name ends with its part of the sentence: "I'm Welsh to the bone" names nobody.
_END: Final = rf"(?=\W*$|[,;.!?]|\s+(?:{_GOES_ON})\b)"
#: Behind "my name is" also where somebody goes on to tell of themselves, and no stop was heard.
_END_SAID: Final = rf"(?=\W*$|[,;.!?]|\s+(?:{_GOES_ON}|i(?:['’]\w+)?)\b)"
#: Nothing but a name stands behind these.
_CALLED: Final = re.compile(
    r"\b(?:call me|i go by|(?:my|the) (?:first |full )?name(?:['’]s| is)|i(?:['’]m| am) (?:called|named|known as)) "
    rf"(?:just )?{_NAME}{_END_SAID}",
    re.IGNORECASE,
)
#: Who tells their own name and asks for that of the other: "... and what's yours?", "... and you?"
_ASKS_BACK: Final = re.compile(
    r"\b(?:and|what['’]?s|what is|who) (?:(?:are )?(?P<you>you)|yours|your name|what['’]?s your(?:s| name)|what is your name|"
    r"who(?:['’]re| are) you)\b[^.!?\w]*\?",
    re.IGNORECASE,
)
#: Behind these stands also what somebody is, or where they are from.
_I_AM: Final = re.compile(
    rf"(?:^|[,;:—] ){_HELLO}(?:i['’]m|i am|(?P<this>this is|it['’]s|that['’]s)) {_NAME}{_END}", re.IGNORECASE
)
#: The answer to "What should I call you?"
_ALONE: Final = re.compile(rf"{_HELLO}(?:just )?{_NAME}(?:(?:['’]s| is) fine)?{_END}", re.IGNORECASE)
_ASKS: Final = re.compile(
    r"\b(?:call you|your name|who(?:['’]s this| are you| is this| am i (?:talking|speaking) (?:to|with)))\b[^.!?]*\?",
    re.IGNORECASE,
)
_ASKS_OWN: Final = re.compile(
    r"\bwhat(?:['’]s| is| was)? my name\b|\bwho am i\b|\b(?:know|remember|forg[eo]t(?:ten)?) (?:my name|who i am)\b",
    re.IGNORECASE,
)
_GREETS: Final = re.compile(
    r"^\W*(?:hi|hiya|hello|hey|howdy|good (?:morning|afternoon|evening)|(?:it's )?(?:nice|good|lovely|pleased) to meet you)\b",
    re.IGNORECASE,
)
_GREETING_WORDS: Final = 6
_NEGATION: Final = re.compile(r"n['’]t\b|\b(?:not|never)\b", re.IGNORECASE)
_JOINED: Final = re.compile(r"^\W*(?:(?:and|but|so)\b\W*)?", re.IGNORECASE)
_HELLOS: Final = frozenset(LEXICON["hellos"].split())
_AND_YOU: Final = re.compile(r"(?:what about |how about )?(?:you|yours)\W*\?\W*", re.IGNORECASE)
#: Verbs that need another one: they do not end "my name is", so whoever says so is called Will.
_AUXILIARIES: Final = frozenset(
    ["will", "would", "can", "could", "shall", "should", "may", "might", "must", "do", "does", "did"]
)
_NO_NAMES: Final = frozenset(f"{LEXICON['stop_words']} {LEXICON['no_callings']} {LEXICON['hellos']}".split())


@dataclass(frozen=True)
class Introduction:
    """Somebody has said their name."""

    name: str
    rest: str
    """What they said besides it, but for greetings; "" for nothing."""


def introduced(text: str, history: Sequence[Utterance], persona: Persona) -> Introduction | None:
    """The name by which the speaker of `text` wants to be called; None when they give none.

    A name alone ("Abby.") is one only when the persona has just asked for it.
    """
    last = next((said.text for said in reversed(history) if said.speaker == persona.id), "")
    asked, greets = _ASKS.search(last) is not None, _GREETS.match(text) is not None
    own = frozenset(persona.profile.name.lower().split())
    opens = all(said.speaker == persona.id for said in history)
    back = _ASKS_BACK.search(text)
    greets = greets or (back is not None and (opens or not back["you"]))
    name, called, opening, rest = "", False, True, list[str]()
    for sentence in sentences(text):
        before, match = "", _named(_CALLED.search(sentence), frozenset())
        if match:
            name, called = match["name"], True
        elif (match := _named(_I_AM.search(sentence), own)) and _tells(match, asked=asked, greets=greets):
            # "Call me Abby, I'm Abigail": she wants to be called Abby.
            name, before = name if called else match["name"], sentence[: match.start()]
        elif asked and opening and (match := _named(_ALONE.match(sentence), own)) and _alone(match):
            name = match["name"]
        else:
            rest.append(sentence)
            opening = opening and _greeting(sentence)
            continue
        opening = False
        more = _JOINED.sub("", sentence[match.end() :])
        # "I'm Mark, and you?" leaves out what has just been said.
        rest += [before, "What's your name?" if _AND_YOU.fullmatch(more) else more]
    return Introduction(name[0].upper() + name[1:], " ".join(filter(_says_more, rest))) if name else None


def asks_own_name(text: str) -> bool:
    """Whether somebody wants to hear their own name: "Do you remember my name?" """
    return _ASKS_OWN.search(text) is not None


def _named(match: re.Match[str] | None, taken: frozenset[str]) -> re.Match[str] | None:
    """The match, if its name can be one, is not `taken` and is not denied: "Don't call me Abby."."""
    if match is None or _NEGATION.search(match.string[: match.start("name")]):
        return None
    word = match["name"].lower().replace("’", "'").split()[-1]
    return match if word not in taken and (word not in _NO_NAMES or _all_the_same(match, word)) else None


def _all_the_same(match: re.Match[str], word: str) -> bool:
    """Whether a word that is seldom a name is one here: it has a capital letter within the sentence, or can be nothing else."""
    surname = (match["surname"] or "").strip().lower()
    if match["name"].lower() != word or "'" in word or word == "i" or surname in _NO_NAMES:
        return False
    capital = match["name"][0].isupper() and match.string[: match.start("name")].rstrip()[-1:].islower()
    return capital or word in _AUXILIARIES


def _tells(match: re.Match[str], *, asked: bool, greets: bool) -> bool:
    """Whether "I'm ..." tells a name: with a capital letter, and asked for, after a greeting or with a surname."""
    with_surname = (match["surname"] or " ")[1:2].isupper()
    return match["name"][0].isupper() and (asked or (not match["this"] and (greets or with_surname)))


def _alone(match: re.Match[str]) -> bool:
    """Whether words that stand alone are a name: of two, the second has a capital letter. The first has one in any sentence."""
    return not match["surname"] or match["surname"][1].isupper()


def _greeting(part: str) -> bool:
    """Whether this is all: "Sure.", "Nice to meet you, June."."""
    said = words(part)
    return _HELLOS.issuperset(said) or (_GREETS.match(part) is not None and len(said) <= _GREETING_WORDS)


def _says_more(part: str) -> bool:
    """Whether what stands beside a name wants a reply of its own: "if you like" does not."""
    return not _greeting(part) and (is_question(part) or bool(content(part)))

"""What the words of a turn say about whether it goes on: does it ask, tell, begin, or look for words?

From the words alone, in English. A statement may go on after any pause, a whole question seldom does; of a turn, the first
sentence is often only the beginning; who tells something pauses after whole sentences, and wants a listener, not an answer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: The same words are looked at with every event of a silence, and a long story takes 0.3 ms.
_once: Final = lru_cache(maxsize=16)

_SENTENCE: Final = re.compile(r"(?<=[.?!…])\s+")
_CLAUSE: Final = re.compile(r",\s+")
_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Said before a question begins.
_OPENING: Final = _set(
    """
    actually ah alright and but cool hello hey hi hm hmm huh no now oh ok okay please right so sorry then uh um wait well wow
    yeah yes
    """
)
_OPENINGS: Final = (["by", "the", "way"], ["i", "mean"], ["you", "know"])
_ASKING: Final = _set("what where when who whom why how which whose")
_VERBS: Final = _set(
    """
    am are is was were do does did have has had can could will would shall should may might must aren't isn't wasn't weren't
    don't doesn't didn't haven't hasn't hadn't can't couldn't won't wouldn't shouldn't
    """
)
_SUBJECTS: Final = _set(
    """
    i you he she it we they this that these those there the a an my your his her our their its any anybody anyone anything
    everybody everyone everything some somebody someone something nobody people
    """
)
#: Of somebody who talks, one asks for such things.
_REQUESTS: Final = _set(
    """
    ask bring call choose come continue count describe explain find forget give go guess help imagine keep let let's list look
    make move name open pick play put read recommend remind repeat say show sing speak spell start stop suggest take talk teach
    tell try turn write
    """
)
_WONDERING: Final = re.compile(
    r"""\bi(['’]m|['’]d|['’]ve \s been | \s am | \s was | \s would)? (\s just | \s also)? \s
    (wonder | wondering | (like|love|want) \s to \s (know|hear|ask)) \s+ \w+ \s+ \w""",
    re.VERBOSE | re.IGNORECASE,
)
#: Said to oneself, while the next word does not come.
_HESITATING: Final = re.compile(
    r"""\b(
        let \s me \s (see|think) | let['’]s \s see | (?<!do\s)(?<!did\s)(?<!if\s)(?<!as\s)you \s know | i \s mean
        | (um+|uh+|er+m?|hm+)
        | what['’]?s? \s (is \s)? (the|that) \s word | what \s (do|would) \s (you|they|we) \s call \s (it|that|them|those)
        | how \s (do|should|can|shall) \s i \s (say|put) \s (it|this|that)
    )[\s.,?…-]*$""",
    re.VERBOSE | re.IGNORECASE,
)
#: Somebody who has said nothing else is about to.
_BEFORE_MORE: Final = _set("ah alright and but er hm hmm now oh ok okay right so then uh um well")
#: No sentence ends with these.
_DANGLING: Final = _set("a an the and or but if because than my your our their")
#: And no question with these.
_UNFINISHED: Final = _DANGLING | _ASKING | _set("his her i even just quite such")
#: Nor with one of these and "to": "where do you go to", but "what do you like to".
_BEFORE_VERB: Final = _set("able about going got have like likes need needs supposed try trying used want wants")
_SHORTEST: Final = 3
#: So many words are more than a beginning.
_MORE: Final = 8
#: So many words in one turn are no question and no remark any more.
_LONG: Final = 30
_STORY: Final = re.compile(
    r"""
    (^ | [.?!…]\s+ | \b(and|but|oh|so|well),?\s) you \s know \s (how|that|the|these|this|those|when) \s \w+ \s \w | \b(
        let \s me \s tell \s you
        | i (['’]ll | \s will | ['’]ve \s got \s to | \s (have|want|wanted|need) \s to | \s must) \s tell \s you
        | (guess|you['’]ll \s never \s guess|you \s won['’]t \s believe) \s what
        | (here['’]s|this \s is) \s what \s happened
        | (something|the) \s (funny|strange|odd|weird|funniest|strangest|oddest|weirdest) \s (thing \s)? happened
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


@_once
def asking(text: str) -> bool:
    """Whether the last sentence of `text` is a question or a request that sounds whole."""
    sentence = _SENTENCE.split(text.strip())[-1]
    words = _words(sentence)
    if not words or _unfinished(words) or hesitating(sentence):
        return False
    marked = sentence.endswith("?")
    if marked and len(words) >= _SHORTEST:
        return True
    if "please" in words and len(words) >= _SHORTEST:
        return True
    if _WONDERING.search(sentence):
        return True
    return any(_asks(_opened(_words(clause)), marked) for clause in _CLAUSE.split(sentence))


@_once
def hesitating(text: str) -> bool:
    """Whether `text` ends in what people say while they look for words, or with an "and", or is nothing but "okay, so"."""
    words = _words(text)
    return bool(words) and (words[-1] in _DANGLING or _BEFORE_MORE.issuperset(words) or _HESITATING.search(text) is not None)


def beginning(text: str) -> bool:
    """Whether this is a single sentence, and a short one."""
    return len(text.split()) < _MORE and len(_SENTENCE.split(text.strip())) < 2


@_once
def telling(text: str) -> bool:
    """Whether the turn so far is a story that may go on; one that ends in a question is over."""
    if text.rstrip().endswith("?"):
        return False
    return bool(_STORY.search(text)) or len(text.split()) >= _LONG


def _unfinished(words: list[str]) -> bool:
    """Whether a question with these words has its end still before it."""
    return _stem(words[-1]) in _UNFINISHED or (words[-1] == "to" and len(words) > 1 and words[-2] in _BEFORE_VERB)


def _asks(words: list[str], marked: bool) -> bool:
    if len(words) < 2:
        return False
    first, second, *more = words
    if _stem(first) in _ASKING:
        # "What I like", "when the snow melts"; but "what do you like", "what's new", "how many keys are there".
        return marked or first not in _ASKING or second in _VERBS or bool(_VERBS & set(more[:3]) and second not in _SUBJECTS)
    if first in _VERBS:
        return second in _SUBJECTS and bool(more)
    if [first, second] == ["let", "me"]:
        return more[:1] == ["know"] or more[:1] == ["hear"]
    return first in _REQUESTS and bool(more)


def _opened(words: list[str]) -> list[str]:
    """Without what is said before a question begins."""
    while words:
        said = next((opening for opening in _OPENINGS if words[: len(opening)] == opening), words[: words[0] in _OPENING])
        if not said:
            break
        words = words[len(said) :]
    return words


def _stem(word: str) -> str:
    """ "what" of "what's", "i" of "i'm"."""
    return word.split("'", maxsplit=1)[0]


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]

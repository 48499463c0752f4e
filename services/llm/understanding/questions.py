"""What is asked: a question at all, one about being an AI or about the one who asks, or for more than a short answer."""

from __future__ import annotations

import re
from typing import Final

from services.common.reading.readers import english
from services.common.reading.reading import LIKELY

_ABOUT_AI: Final = re.compile(
    r"""
    \b(are\ you|you're|you\ are|you|talking\ to|speaking\ (to|with)|chatting\ with|is\ this|this\ is)\b [^.?!]{0,25}
    \b(a\.?i\.?|artificial\ intelligence|robot|chat\ ?bot|bot|machine|computer|program|software|real|human|fake|avatar|alive|
       simulation|language\ model|chatgpt|gpt)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SAYS_AI: Final = re.compile(r"\b(an? ai|made[- ]up|not real|by a computer|artificial)\b", re.IGNORECASE)
_WANTS_MORE: Final = re.compile(
    r"\btell me (more|everything|all)\b|\btell me\b.*\b(story|stories)\b|\b(long|whole) story\b|\bin detail\b", re.IGNORECASE
)
#: Questions about the one who asks: "What's my name?", but not "How do I mend a broken heart?"
_ABOUT_LISTENER: Final = re.compile(
    r"\b(what|who|where|when|which|how (old|many|long))\b(?!.*\b(should|can|could|would|you|your)\b).*\b(my|i|i'm)\b"
    r"|\bremember\b.*\b(my|i|i'm)\b|\bdid i (say|tell)\b",
    re.IGNORECASE,
)
_MIRRORED: Final = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "i'm": "you're", "i've": "you've",
    "i'll": "you'll", "i'd": "you'd", "am": "are", "we": "you", "our": "your", "you": "I", "your": "my",
}  # fmt: skip


def asks_about_ai(text: str) -> bool:
    """Whether somebody wants to know if this is a person."""
    return _ABOUT_AI.search(text) is not None


def says_ai(text: str) -> bool:
    """Whether a text admits to be artificial."""
    return _SAYS_AI.search(text) is not None


def wants_more(text: str) -> bool:
    """Whether a longer reply was asked for."""
    return _WANTS_MORE.search(text) is not None


def is_question(text: str) -> bool:
    """Whether a text asks or demands something, rather than tells it: what was said just now, long ago, or may be said next.

    The reader is that of the turn service. It is asked here for each text, since most of them nobody has told: passages and
    their sentences, what history has, the persona's own clauses.
    """
    return english().read(text).demands >= LIKELY


def asks_about_listener(text: str) -> bool:
    """Whether somebody asks about themselves: the answer is in the conversation, if anywhere."""
    return is_question(text) and _ABOUT_LISTENER.search(text) is not None


def mirrored(text: str) -> str:
    """What somebody said of themselves, said to them: "My name is Ana" becomes "your name is Ana"."""

    def swapped(match: re.Match[str]) -> str:
        return _MIRRORED.get(match.group().lower().replace("’", "'"), match.group())

    return re.sub(r"[A-Za-z]+(?:['’][a-z]+)?", swapped, re.sub(r"\b[Ii] was\b", "me were", text))

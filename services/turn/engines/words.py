"""What English words say about the turn: do they sound finished, and are they an acknowledgement or something of their own?

Weights are set by hand, not learned: in logits, small enough that a wrong guess costs at most about half a second of silence.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

FINISHED: Final = 0.8
ANSWER: Final = 0.5
TRAILING: Final = -0.8
UNFINISHED: Final = -1.5


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


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
_ACKNOWLEDGING: Final = _set(
    """
    mm mm-hm mmhm mhm mm-hmm mhmm mmm hm hmm hm-hm uh-huh uhuh uh huh ah aha oh yeah yes yep yup right okay ok sure
    wow really nice great cool good i see exactly true indeed absolutely of course aw gosh well got it
    """
)
#: Of these, those with which people also begin to say something.
_OPENING: Final = _set("yes yep right okay ok sure great good cool well")
#: With these, somebody wants the floor, however short the word was.
_DEMANDING: Final = _set(
    """
    stop wait no nope enough quiet hush shush listen hey sorry pardon excuse pause hang hold question but
    """
)
_ASKING_ALONE: Final = _set("what where who when why how what's where's who's how's")
#: What Whisper makes of a cough or a hum.
_NOISE: Final = frozenset(
    ["you", "thank you", "thanks", "bye", "thank you for watching", "thanks for watching", "so", "the", "i"]
)
_LONGEST_ACKNOWLEDGEMENT: Final = 3
#: Of a hum, recognition also makes "Is that?".
_LEAST_QUESTION: Final = 3


class Kind(Enum):
    NOTHING = "nothing"
    ACKNOWLEDGEMENT = "acknowledgement"
    OPENING = "opening"
    DEMAND = "demand"
    CONTENT = "content"


def completeness(text: str) -> float:
    """How finished the words sound, in logits: above 0 finished, below 0 not, 0 no opinion."""
    words = words_of(text)
    if not words:
        return 0.0
    asking = words[0] in _ASKING and len(words) >= 3
    if text.rstrip().endswith(("...", "…", "-", "—", ",")):
        return TRAILING
    if words[-1] in _OPEN or (words[-1] in _OPEN_STATEMENT and not asking):
        return UNFINISHED
    if asking or text.rstrip().endswith("?"):
        return FINISHED
    return ANSWER if len(words) <= 2 and words[0] in _ANSWERS else 0.0


def kind_of(text: str) -> Kind:
    """What words said over the persona mean: "mm-hm" acknowledges, "okay" may, "stop" wants the floor, the rest is unsure."""
    words = words_of(text)
    if not words or " ".join(words) in _NOISE:
        return Kind.NOTHING
    if len(words) <= _LONGEST_ACKNOWLEDGEMENT and all(word in _ACKNOWLEDGING for word in words):
        return Kind.OPENING if words[-1] in _OPENING else Kind.ACKNOWLEDGEMENT
    asking = words[0] in _ASKING_ALONE or (words[0] in _ASKING and len(words) >= _LEAST_QUESTION)
    return Kind.DEMAND if asking or any(word in _DEMANDING for word in words) else Kind.CONTENT


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return [match.lower().replace("’", "'") for match in _WORD.findall(text)]

"""Whether words are meant for the persona or for somebody else who is there, where no name tells: an opinion, as a probability.

What is asked is more often for the persona than what is told; so is what its memory has something on, and what the one says to
whom it has just spoken. What is said to somebody else is often like what they have just said.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from services.llm.memory.history import Utterance
from services.llm.memory.threads import think
from services.llm.reply.prompt import build_whom
from services.llm.reply.recalling import Recaller
from services.llm.reply.replier import Replier
from services.llm.understanding.questions import is_question

#: Logistic regression on the 126 lines of the parts "dev" and "dev_2" of tests/data/addressees.toml that no rule is sure of.
_BIAS: Final = -2.14
_ASKED: Final = 2.53
_KNOWN: Final = 2.18
_ANSWERS: Final = 0.83
_LIKE: Final = -2.8
#: A model that is less likely to answer yes or no has not understood the question.
_ANSWERED: Final = 0.5


async def opinions(replier: Replier, said: Utterance, other: str, history: Sequence[Utterance]) -> AsyncGenerator[float, None]:
    """How likely it is that `said` is meant for the persona and not for `other`.

    What memory tells of it, at once, and then what the model says, if the settings want that. Raises what the engine raises.
    """
    yield await think(from_memory, replier.recaller, said, history)
    if replier.settings.who_is_meant == "model":
        prompt = build_whom(replier.recaller.persona, history, said, other)
        meant, not_meant = await replier.engine.weigh(prompt, ("yes", "no"))
        if meant + not_meant >= _ANSWERED:
            yield meant / (meant + not_meant)


def from_memory(recaller: Recaller, said: Utterance, history: Sequence[Utterance]) -> float:
    """What the memory knows and who spoke last tell of it; blocks for about 20 ms."""
    odds = _BIAS + _ASKED * is_question(said.text) + _KNOWN * recaller.nearest(said.text)
    persona, last = recaller.persona.id, history[-1] if history else None
    if last and last.speaker == persona:
        before = next((item.speaker for item in reversed(history) if item.speaker != persona), "")
        odds += _ANSWERS * (before == said.speaker)
    elif last and last.speaker != said.speaker:
        odds += _LIKE * recaller.likeness(said.text, last.text)
    return 1 / (1 + math.exp(-odds))

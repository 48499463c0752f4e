"""Whether words are meant for the persona or for somebody else who is there, where no name tells: an opinion, as probabilities.

Each of the others is weighed against the persona by itself; these odds make the shares of all (Luce's choice axiom).

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
#: And whose answer is certain is taken for nearly so.
_LEAST: Final = 1e-6


async def opinions(
    replier: Replier, said: Utterance, others: Sequence[str], history: Sequence[Utterance]
) -> AsyncGenerator[tuple[float, ...], None]:
    """How likely `said` is meant for the persona and for each of `others`, in this order; the probabilities add up to 1.

    What memory tells of it, at once, and then what the model says, if the settings want that. Raises what the engine raises.
    """
    yield await think(from_memory, replier.recaller, said, others, history)
    if replier.settings.who_is_meant == "model":
        odds = [await _odds_from_model(replier, said, other, history) for other in others]
        known = [each for each in odds if each is not None]
        if len(known) == len(odds):
            yield _shares(known)


def from_memory(recaller: Recaller, said: Utterance, others: Sequence[str], history: Sequence[Utterance]) -> tuple[float, ...]:
    """What the memory knows and who spoke last tell of it, like `opinions`; blocks for about 20 ms."""
    odds = _BIAS + _ASKED * is_question(said.text) + _KNOWN * recaller.nearest(said.text)
    persona, last, like = recaller.persona.id, history[-1] if history else None, 0.0
    if last and last.speaker == persona:
        before = next((item.speaker for item in reversed(history) if item.speaker != persona), "")
        odds += _ANSWERS * (before == said.speaker)
    elif last and last.speaker != said.speaker:
        like = _LIKE * recaller.likeness(said.text, last.text)
    # Of several, what is like the last words is for who has said those.
    like_whom = [last.speaker] if last and last.speaker in others else others
    return _shares([math.exp(odds + like * (other in like_whom)) for other in others])


async def _odds_from_model(replier: Replier, said: Utterance, other: str, history: Sequence[Utterance]) -> float | None:
    """How many times likelier the persona is meant than `other`; None when the model does not understand the question."""
    prompt = build_whom(replier.recaller.persona, history, said, other)
    meant, not_meant = await replier.engine.weigh(prompt, ("yes", "no"))
    return max(meant, _LEAST) / max(not_meant, _LEAST) if meant + not_meant >= _ANSWERED else None


def _shares(odds: Sequence[float]) -> tuple[float, ...]:
    """From how many times likelier the persona is than each of the others, the probabilities of all."""
    weights = (1.0, *(1 / each for each in odds))
    return tuple(weight / sum(weights) for weight in weights)

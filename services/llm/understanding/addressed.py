"""What tells whether words are meant for the persona or for somebody else who is there, where no name does.

What the persona's memory has something on is more often for it; what is like the words that somebody else has just said is
not. The orchestrator, which knows who spoke to whom, weighs that. A language model may be asked for its opinion besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.llm.memory.history import Utterance
from services.llm.memory.threads import think
from services.llm.reply.outputs import Addressed
from services.llm.reply.prompt import build_whom
from services.llm.reply.recalling import Recaller
from services.llm.reply.replier import Replier

#: A model that is less likely to answer yes or no has not understood the question.
_ANSWERED: Final = 0.5
#: And whose answer is certain is taken for nearly so.
_LEAST: Final = 1e-6


async def from_memory(recaller: Recaller, said: Utterance, history: Sequence[Utterance]) -> Addressed:
    """What memory has on `said`, and how like it is to what somebody else has just said. Takes about 20 ms."""
    return await think(evidence, recaller, said, history)


def evidence(recaller: Recaller, said: Utterance, history: Sequence[Utterance]) -> Addressed:
    """Like `from_memory`, but blocks."""
    last = history[-1] if history else None
    others = last is not None and last.speaker not in (recaller.persona.id, said.speaker)
    likeness = recaller.likeness(said.text, last.text) if last and others else None
    return Addressed(said.text, recaller.nearest(said.text), likeness)


async def from_model(
    replier: Replier, said: Utterance, others: Sequence[str], history: Sequence[Utterance]
) -> tuple[float, ...]:
    """How likely the model takes `said` to be meant for the persona and for each of `others`, in this order.

    Each of the others is weighed against the persona by itself; these odds make the shares of all (Luce's choice axiom),
    which add up to 1. Empty when the model does not understand the question. Raises what the engine raises.
    """
    odds = [await _odds(replier, said, other, history) for other in others]
    known = [each for each in odds if each is not None]
    if len(known) < len(odds):
        return ()
    weights = (1.0, *(1 / each for each in known))
    return tuple(weight / sum(weights) for weight in weights)


async def _odds(replier: Replier, said: Utterance, other: str, history: Sequence[Utterance]) -> float | None:
    """How many times likelier the persona is meant than `other`; None when the model does not understand the question."""
    prompt = build_whom(replier.recaller.persona, history, said, other)
    meant, not_meant = await replier.engine.weigh(prompt, ("yes", "no"))
    return max(meant, _LEAST) / max(not_meant, _LEAST) if meant + not_meant >= _ANSWERED else None

"""Who is meant, by the rules and the opinion of the llm service with its real memory, on conversations it was not fitted on."""

from __future__ import annotations

import asyncio

import pytest

from services.common.settings import SharedSettings
from services.llm.memory.embedding import Embedder
from services.llm.memory.history import Utterance
from services.llm.persona.persona import load_persona
from services.llm.reply.outputs import Text
from services.llm.reply.recalling import Recaller
from services.llm.reply.replier import Replier
from services.llm.settings import LlmSettings
from services.llm.understanding import addressed
from services.orchestrator.dialog.addressee import in_doubt, judged
from services.orchestrator.dialog.events import Contribution, ms
from tests.harness.addressees import PERSONA, Line, conversations, present, shares
from tests.harness.llm_parts import fake_engine


@pytest.fixture(scope="module")
def june() -> Replier:
    """June with her story, speaking from it alone."""
    shared = SharedSettings()
    persona = load_persona(shared.personas_dir, "june")
    kept = shared.personas_dir / "june" / "derived" / "embeddings.npz"
    recaller = Recaller(persona, Embedder(shared.models_dir / "minilm-l6-v2"), kept)
    return Replier(recaller, fake_engine("Mm."), LlmSettings(opening="passage"))


async def play(lines: list[Line], june: Replier, *, opinions: bool) -> list[tuple[str, bool, bool]]:
    """Each line, whether it is to June, and whether she takes it to be; the conversation goes on as she takes it."""
    participants, history, found = present(lines), list[Utterance](), []
    for at, (speaker, to, text) in enumerate(lines):
        said, opinion = Contribution(speaker, text, ended_at=ms(4000 * at)), None
        other = in_doubt(participants, said, PERSONA)
        if other and opinions:
            opinion, _ = addressed.from_memory(june.recaller, Utterance(speaker, text), [other], history)
        participants, said = judged(participants, said, PERSONA, opinion)
        found.append((text, to == "June", not said.addressee))
        question = Utterance(speaker, text, said.addressee)
        if not said.addressee:
            reply = [event.text async for event in june.reply(question, history, 0) if isinstance(event, Text)]
            history += [question, Utterance("june", "".join(reply).strip())]
        else:
            history.append(question)
    return found


def judged_in(part: str, june: Replier, *, opinions: bool) -> tuple[float, float, list[str]]:
    """See `shares`."""
    return shares([line for talk in conversations(part) for line in asyncio.run(play(talk, june, opinions=opinions))])


def test_without_names_an_opinion_keeps_june_out_of_what_is_said_to_others(june: Replier) -> None:
    _, ruled, _ = judged_in("held_out_3", june, opinions=False)
    to_june, to_others, wrong = judged_in("held_out_3", june, opinions=True)
    assert to_june >= 0.85 and to_others >= ruled + 0.4, wrong


@pytest.mark.parametrize("part", ["held_out", "held_out_2"])
def test_where_names_are_called_nothing_is_lost(part: str, june: Replier) -> None:
    to_june, to_others, wrong = judged_in(part, june, opinions=True)
    assert to_june >= 0.9 and to_others >= 0.75, wrong

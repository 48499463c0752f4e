"""Who is meant, by the rules and the opinion of the llm service with its real memory, on conversations it was not fitted on."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import pytest

from services.common.settings import SharedSettings
from services.llm.memory.embedding import Embedder
from services.llm.memory.history import Utterance
from services.llm.persona.persona import load_persona
from services.llm.reply.recalling import Recaller
from services.llm.reply.replier import Replier, Text
from services.llm.settings import LlmSettings
from services.llm.understanding import addressed
from services.orchestrator.dialog.addressee import Participants, in_doubt, joined, judged
from services.orchestrator.dialog.events import Contribution, ms
from tests.llm_parts import fake_engine

DATA = Path(__file__).parents[1] / "data" / "addressees.toml"
CONVERSATIONS = tomllib.loads(DATA.read_text("utf-8"))["conversations"]
PERSONA = ("June Merrow", "june")


@pytest.fixture(scope="module")
def june() -> Replier:
    """June with her story, speaking from it alone."""
    shared = SharedSettings()
    persona = load_persona(shared.personas_dir, "june")
    kept = shared.personas_dir / "june" / "derived" / "embeddings.npz"
    recaller = Recaller(persona, Embedder(shared.models_dir / "minilm-l6-v2"), kept)
    return Replier(recaller, fake_engine("Mm."), LlmSettings(opening="passage"))


async def play(lines: list[list[str]], june: Replier, *, opinions: bool) -> list[tuple[str, bool, bool]]:
    """Each line, whether it is to June, and whether she takes it to be; the conversation goes on as she takes it."""
    participants, history, found = Participants(), list[Utterance](), []
    for speaker in dict.fromkeys(speaker for speaker, _, _ in lines if not speaker.startswith("Spk")):
        participants = joined(participants, speaker)
    for at, (speaker, to, text) in enumerate(lines):
        said, opinion = Contribution(speaker, text, ended_at=ms(4000 * at)), None
        other = in_doubt(participants, said, PERSONA)
        if other and opinions:
            opinion = addressed.from_memory(june.recaller, Utterance(speaker, text), history)
        participants, said = judged(participants, said, PERSONA, opinion)
        found.append((text, to == "June", not said.addressee))
        question = Utterance(speaker, text, said.addressee)
        if not said.addressee:
            reply = [event.text async for event in june.reply(question, history, 0) if isinstance(event, Text)]
            history += [question, Utterance("june", "".join(reply).strip())]
        else:
            history.append(question)
    return found


def shares(part: str, june: Replier, *, opinions: bool) -> tuple[float, float, list[str]]:
    """Of the lines to June and of those to others, how many are taken to be; and the wrong ones."""
    talks = [talk["lines"] for talk in CONVERSATIONS if talk["part"] == part]
    lines = [line for talk in talks for line in asyncio.run(play(talk, june, opinions=opinions))]
    right = {to: [meant == taken for _, meant, taken in lines if meant == to] for to in (True, False)}
    wrong = [f"{text} -> {'June' if taken else 'others'}" for text, meant, taken in lines if meant != taken]
    return sum(right[True]) / len(right[True]), sum(right[False]) / len(right[False]), wrong


def test_without_names_an_opinion_keeps_june_out_of_what_is_said_to_others(june: Replier) -> None:
    _, ruled, _ = shares("held_out_3", june, opinions=False)
    to_june, to_others, wrong = shares("held_out_3", june, opinions=True)
    assert to_june >= 0.85 and to_others >= ruled + 0.4, wrong


@pytest.mark.parametrize("part", ["held_out", "held_out_2"])
def test_where_names_are_called_nothing_is_lost(part: str, june: Replier) -> None:
    to_june, to_others, wrong = shares(part, june, opinions=True)
    assert to_june >= 0.9 and to_others >= 0.75, wrong

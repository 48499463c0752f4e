"""A persona as others see it: what its folder says is told, and what it leaves out is absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.llm.messages import persona_message
from services.llm.persona.persona import Conversing, Persona, load_persona
from tests.harness.data import PERSONAS
from vivant.persona.v1 import persona_pb2

PIP = load_persona(PERSONAS, "pip")


def conversing(**settings: Any) -> persona_pb2.Manner:
    profile = PIP.profile.model_copy(update={"conversation": Conversing(**settings)})
    return persona_message(Persona(profile, PIP.passages)).manner


def told(manner: persona_pb2.Manner) -> dict[str, Any]:
    """The fields that are there, but for the lines that Pip has anyway."""
    return {field.name: value for field, value in manner.ListFields() if field.name not in ("fillers", "apologies", "voice")}


def test_what_the_folder_leaves_out_is_absent() -> None:
    assert told(conversing()) == {}


def test_what_it_says_is_told_also_where_it_is_what_suits_most() -> None:
    assert told(conversing(patience=1.0, interruptible=True, nods=False, nod_every_s=2, prompt_after_s=12.5, pace=0.75)) == {
        "patience": 1.0,
        "interruptible": True,
        "nods": False,
        "nod_interval_ms": 2000,
        "prompt_delay_ms": 12_500,
        "speech_rate": 0.75,
    }


def test_who_only_speaks_or_listens_says_no_little_words() -> None:
    manner = conversing(half_duplex=True, backchannels=("Mm-hm.",), backchannel_every_s=5)
    assert told(manner) == {"interruptible": False, "backchannel_interval_ms": 5000} and not manner.fillers
    assert list(conversing(backchannels=("Mm-hm.",)).backchannels) == ["Mm-hm."]


def test_the_card_is_what_people_are_shown() -> None:
    profile = PIP.profile
    found = persona_message(replace(PIP, profile=profile.model_copy(update={"voice": ""})))
    assert not found.manner.HasField("voice") and not found.HasField("preparation")
    card = found.card
    assert (card.id, card.name, card.disclosure, card.greeting) == ("pip", profile.name, profile.disclosure, profile.greeting)
    assert (tuple(card.languages), tuple(card.starters)) == (profile.languages, profile.starters)
    assert found.passages == len(PIP.passages)

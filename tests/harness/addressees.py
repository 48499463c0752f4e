"""Made conversations of several people with June, and how often somebody is right about who is meant."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Final

from services.orchestrator.dialog.addressee import Participants, joined, named
from tests.harness.data import DATA

PERSONA: Final = ("June Merrow", "june")
#: Speaker, addressee and text of one contribution.
Line = list[str]
_CONVERSATIONS: Final = tomllib.loads((DATA / "addressees.toml").read_text("utf-8"))["conversations"]


def conversations(part: str) -> list[list[Line]]:
    """The lines of each conversation of one part: "dev", "held_out" and so on."""
    return [each["lines"] for each in _CONVERSATIONS if each["part"] == part]


def present(lines: Sequence[Line]) -> Participants:
    """All who are known by a name, as they are when a conversation begins."""
    return named_people(*dict.fromkeys(speaker for speaker, _, _ in lines if not speaker.startswith("Spk")))


def named_people(*names: str) -> Participants:
    """People whose ids are their names, and who are known by them."""
    participants = Participants()
    for name in names:
        participants = joined(named(participants, name, name), name)
    return participants


def shares(found: Sequence[tuple[str, bool, bool]]) -> tuple[float, float, list[str]]:
    """Of the lines to June and of those to others, how many are taken to be; and the wrong ones.

    Each line has its text, whether it is to June, and whether it is taken to be.
    """
    right = {to: [meant == taken for _, meant, taken in found if meant == to] for to in (True, False)}
    wrong = [f"{text} -> {'June' if taken else 'others'}" for text, meant, taken in found if meant != taken]
    return sum(right[True]) / len(right[True]), sum(right[False]) / len(right[False]), wrong

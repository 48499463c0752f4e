"""People who sit together with June, and how often somebody is right about whom they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.orchestrator.dialog.participants import Participants, joined, named

PERSONA: Final = ("June Merrow", "june")


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

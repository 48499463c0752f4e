"""Who can be talked to on the page, who is there by default, and how many may come: as the system says each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import vivant
from services.gateway.settings import GatewaySettings

#: A persona that has no portrait is a voice. Any other reason means that it has one, which must not or cannot be shown.
_VOICE_ONLY: Final = "no_portrait"


@dataclass(frozen=True)
class Person:
    """Somebody who is offered."""

    card: vivant.PersonaCard
    seen: bool
    """Has a face; otherwise the conversation is voice and text."""


@dataclass(frozen=True)
class People:
    """Who is offered, the default first."""

    offered: tuple[Person, ...]
    default: str
    """Id of the one who is there when nobody is chosen; empty when nobody is offered."""
    refused: tuple[vivant.Unseen, ...]
    """Who is not offered, because the portrait is refused."""


def people(system: vivant.SystemInfo, settings: GatewaySettings) -> People:
    """Who is offered by this system."""
    unseen = {item.persona_id: item for item in system.unseen}
    refused = tuple(item for item in system.unseen if item.reason != _VOICE_ONLY)
    hidden = {item.persona_id for item in refused}
    offered = [Person(card, card.id not in unseen) for card in system.personas if card.id not in hidden]
    wanted = settings.persona or system.default_persona_id
    # Stable: behind the default the order stays as it was.
    offered.sort(key=lambda person: person.card.id != wanted)
    return People(tuple(offered), offered[0].card.id if offered else "", refused)


def places(system: vivant.SystemInfo, settings: GatewaySettings) -> int:
    """How many conversations can be had at once: as many as the narrowest place on the way lets through."""
    return min(settings.capacity, system.orchestrator.capacity or settings.capacity)

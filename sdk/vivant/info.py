"""What runs behind an address: services, engines, models with their licences, personas."""

from __future__ import annotations

from dataclasses import dataclass

from vivant.events import PersonaCard


@dataclass(frozen=True, slots=True)
class Model:
    """A model in use, with the terms under which it may be used."""

    name: str
    licence: str
    notice: str
    """Must be shown to users, if not empty."""


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """What a service says of itself."""

    service: str
    engine: str
    version: str
    capabilities: tuple[str, ...]
    """What the engine can do, by the names of the contract: "partials", "word_times", and "cue:nod" for an expression."""
    languages: tuple[str, ...]
    input_rates_hz: tuple[int, ...]
    output_rates_hz: tuple[int, ...]
    video: tuple[str, ...]
    """Codec and size of each picture format, for example "vp8 512"."""
    capacity: int
    """Streams that may be open at once; of the orchestrator: conversations, for which every service has room."""
    active: int
    ready: bool
    models: tuple[Model, ...]
    activities: tuple[str, ...] = ()
    """What it does in the background: "preparing anna, 40 %"."""
    voices: tuple[str, ...] = ()
    """Of a voice engine: what a persona may name as its voice, the default first."""


@dataclass(frozen=True, slots=True)
class Component:
    """One service behind the orchestrator, as the orchestrator sees it."""

    service: str
    address: str
    ready: bool
    reason: str | None
    """Why it is not ready; None: it is."""
    info: ServiceInfo | None
    """None: it has not answered yet."""
    loading: bool = False
    """It is not ready, but about to be: worth waiting for."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A persona whose face cannot be shown; it can be talked with all the same."""

    persona_id: str
    reason: str
    """"no_portrait": it has none. All else means that the portrait it has is refused: "no_consent", "not_enrolled", ..."""
    message: str
    """What is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """The whole system."""

    orchestrator: ServiceInfo
    components: tuple[Component, ...]
    personas: tuple[PersonaCard, ...]
    default_persona_id: str = ""
    """The one that a conversation is with when it names none."""
    unseen: tuple[Unseen, ...] = ()
    """Personas whose face cannot be shown, as far as the face can be asked."""

    @property
    def loading(self) -> tuple[str, ...]:
        """The services that are worth waiting for."""
        return tuple(item.service for item in self.components if item.loading)

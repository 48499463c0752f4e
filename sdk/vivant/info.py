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
    languages: tuple[str, ...]
    input_rates_hz: tuple[int, ...]
    output_rates_hz: tuple[int, ...]
    video: tuple[str, ...]
    """Codec and size of each picture format, for example "vp8 512"."""
    capacity: int
    """Streams that may be open at once."""
    active: int
    ready: bool
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """One service behind the orchestrator, as the orchestrator sees it."""

    service: str
    address: str
    ready: bool
    reason: str
    """Why it is not ready; empty if it is."""
    info: ServiceInfo | None
    """None: it has not answered yet."""
    loading: bool = False
    """It is not ready, but about to be: worth waiting for."""


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """The whole system."""

    orchestrator: ServiceInfo
    components: tuple[Component, ...]
    personas: tuple[PersonaCard, ...]

    @property
    def loading(self) -> tuple[str, ...]:
        """The services that are worth waiting for."""
        return tuple(item.service for item in self.components if item.loading)

"""Which services a session has lost, and who must be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from services.orchestrator.session import notices
from vivant.errors import VivantError
from vivant.session.v1 import session_pb2


class Abilities:
    """The set of lost abilities. `on_change` hears of every change; users hear that one is lost, and that it is back once that
    is sure: a service that comes and goes is lost once and restored once."""

    def __init__(
        self,
        missing: Iterable[str],
        notify: Callable[[session_pb2.Notice], None],
        on_change: Callable[[str, bool], None],
    ) -> None:
        self.lost = set(missing)
        self._announced = set(self.lost)
        self._notify = notify
        self._on_change = on_change

    def lose(self, ability: str, error: VivantError | None) -> None:
        self.lost.add(ability)
        if ability not in self._announced:
            self._announced.add(ability)
            self._notify(notices.lost(ability, error))
        self._on_change(ability, False)

    def regain(self, ability: str, *, steady: bool = True) -> None:
        """It works again; `steady`: and will go on to."""
        if ability in self.lost:
            self.lost.discard(ability)
            self._on_change(ability, True)
        if steady and ability in self._announced:
            self._announced.discard(ability)
            self._notify(notices.back(ability))

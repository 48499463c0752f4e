"""Which services a session has lost, and who must be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from services.orchestrator import notices
from vivant.errors import VivantError
from vivant.session.v1 import session_pb2


class Abilities:
    """The set of lost abilities. A change is announced once; `on_change` hears of every one."""

    def __init__(
        self,
        missing: Iterable[str],
        notify: Callable[[session_pb2.Notice], None],
        on_change: Callable[[str, bool], None],
    ) -> None:
        self.lost = set(missing)
        self._notify = notify
        self._on_change = on_change

    def lose(self, ability: str, error: VivantError | None) -> None:
        if ability not in self.lost:
            self.lost.add(ability)
            self._notify(notices.lost(ability, error))
        self._on_change(ability, False)

    def regain(self, ability: str) -> None:
        if ability in self.lost:
            self.lost.discard(ability)
            self._notify(notices.back(ability))
            self._on_change(ability, True)

"""The long streams of a session to the services: each is kept open for as long as the session lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from services.orchestrator.hearing.listener import Listener
from services.orchestrator.links.link import Link
from services.orchestrator.session.abilities import Abilities
from vivant.errors import VivantError


class Connections:
    """Runs the links, and says which abilities come and go with them."""

    def __init__(self, abilities: Abilities) -> None:
        self._abilities = abilities
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Links run as tasks of this group."""
        self._tasks = tasks

    def keep(self, link: Link, on_response: Callable[[str, Any], None], on_open: Callable[[str], None] | None = None) -> None:
        """Opens a link, and again whenever it breaks; `on_open` is told each time."""

        def on_change(available: bool, error: VivantError | None) -> None:
            if available and on_open:
                on_open(link.ability)
            if available:
                self._abilities.regain(link.ability, steady=False)
            else:
                self._abilities.lose(link.ability, error)

        def on_steady() -> None:
            self._abilities.regain(link.ability)

        assert self._tasks is not None
        running = self._tasks.create_task(link.run(on_response, on_change, on_steady), name=link.ability)
        self._running.append(running)

    def keep_listener(self, listener: Listener) -> None:
        """The recognition and the turn-taking of one microphone."""
        self.keep(listener.asr, listener.on_asr, listener.rebase)
        self.keep(listener.turn, listener.on_turn, listener.rebase)

    def close(self) -> None:
        for task in self._running:
            task.cancel()

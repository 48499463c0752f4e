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

    def keep(
        self, link: Link, on_response: Callable[[str, Any], None], on_open: Callable[[str], None] | None = None
    ) -> asyncio.Task[None]:
        """Opens a link, and again whenever it breaks; `on_open` is told each time. It ends with the task."""

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
        running.add_done_callback(self._running.remove)
        return running

    def keep_listener(self, listener: Listener) -> Callable[[], None]:
        """The recognition and the turn-taking of one microphone; returns what ends them."""
        tasks = (
            self.keep(listener.asr, listener.on_asr, listener.rebase),
            self.keep(listener.turn, listener.on_turn, listener.rebase),
        )

        def end() -> None:
            for task in tasks:
                task.cancel()

        return end

    def close(self) -> None:
        for task in tuple(self._running):
            task.cancel()

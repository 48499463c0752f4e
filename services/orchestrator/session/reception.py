"""The clients of one session: each is welcomed, attended to and let go by the call that it came with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services.orchestrator.dialog import events as ev
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.client import Client
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.opening import Opening
from services.orchestrator.session.parts import Parts
from services.orchestrator.session.roster import Roster
from services.orchestrator.speaking.audience import Guest
from vivant.common.v1 import common_pb2
from vivant.errors import NotFound
from vivant.session.v1 import session_pb2


class Reception:
    """`begin` starts the clocks; `ended` is set when the session is over, which the last client to leave does, too."""

    def __init__(
        self,
        opening: Opening,
        context: SessionContext,
        parts: Parts,
        roster: Roster,
        abilities: Abilities,
        *,
        conversation_id: str,
        begin: Callable[[], int],
        ended: asyncio.Event,
    ) -> None:
        self._opening = opening
        self._context = context
        self._microphones, self._output, self._requests = parts.microphones, parts.stage.output, parts.requests
        self._roster = roster
        self._abilities = abilities
        self._conversation_id = conversation_id
        self._begin = begin
        self._ended = ended
        self._started_unix_us: int | None = None
        self._here = 0
        """Clients that are there, or wait to be let in."""
        self.opened = asyncio.Event()
        """The first client may come."""

    @property
    def over(self) -> bool:
        """The last client has left, or the session has failed: nobody is let in any more."""
        return self._ended.is_set()

    async def attend(self, client: Client, running: asyncio.Task[None]) -> None:
        """One client, from `ready` until it or the session ends; `running` is the session. Raises what either fails of."""
        self._here += 1
        try:
            await self._until_open(running)
            await self._entertain(client)
        finally:
            self._here -= 1
            if not self._here:
                # Also when whoever opened it has gone before it was open: nobody else would end it.
                self._ended.set()
        if self._ended.is_set():
            await asyncio.shield(running)

    async def _entertain(self, client: Client) -> None:
        guest = self._welcome(client)
        reading = asyncio.create_task(self._read(guest, client), name="read")
        writing = asyncio.create_task(guest.outbox.run(client.write), name="outbox")
        ended = asyncio.create_task(self._ended.wait(), name="ended")
        try:
            await asyncio.wait({reading, writing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not ended.done():
                reading.result()
                if client.finished() and len(self._output.audience) == 1:
                    # The last one hears the reply in hand to its end; of several, whoever goes just goes.
                    self._context.feed(ev.Finished(self._context.now()))
                    await asyncio.wait({writing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if client.finished() or ended.done() or writing.done():
                guest.outbox.close()
                await writing
        finally:
            for task in (reading, writing, ended):
                task.cancel()
            self._leave(guest)

    def _leave(self, guest: Guest) -> None:
        """The conversation goes on for the others, if there are any."""
        self._output.audience.leave(guest)
        if self._output.audience and guest.participant.id not in self._output.audience:
            for participant_id in self._microphones.close(guest.participant.id):
                self._roster.left(participant_id)

    async def _until_open(self, running: asyncio.Task[None]) -> None:
        opened = asyncio.create_task(self.opened.wait(), name="opened")
        await asyncio.wait({opened, running}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if running.done():
            await running
        if self._ended.is_set():
            raise NotFound("this conversation has just ended; open a new one", reason="unknown_conversation")

    def _welcome(self, client: Client) -> Guest:
        """What is missing is known before the first word; both clocks begin with the first client."""
        person = self._roster.admit(client.participant)
        if client.input_audio is not None:
            self._microphones.allow(person.id, client.input_audio, shared=client.shared_microphone)
        first = self._started_unix_us is None
        if self._started_unix_us is None:
            self._started_unix_us = self._begin()
        ready = self._ready(person, client, self._started_unix_us)
        guest = self._output.audience.enter(person, ready, video=client.video)
        if first:
            self._output.raise_curtain()
            if self._opening.config.greeting == session_pb2.GREETING_SPOKEN:
                self._requests.greet()
        return guest

    def _ready(self, person: common_pb2.Participant, client: Client, started_unix_us: int) -> session_pb2.Ready:
        ready = session_pb2.Ready(
            session_id=self._context.session_id,
            conversation_id=self._conversation_id,
            persona=self._opening.card,
            output_audio=self._opening.output_audio,
            started_unix_us=started_unix_us,
            missing=sorted(self._abilities.lost),
            participant=person,
            others=[other for other in self._roster.people if other.id != person.id],
        )
        if client.video and self._opening.has_video and "face" not in self._abilities.lost:
            ready.output_video.CopyFrom(self._opening.video)
        return ready

    async def _read(self, guest: Guest, client: Client) -> None:
        async for kind, message in client.requests:
            self._requests.take(guest.participant.id, kind, message)

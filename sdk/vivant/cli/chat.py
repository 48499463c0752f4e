"""`vivant chat`: a conversation in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from vivant.cli import screen
from vivant.cli._tasks import beside, while_it_lasts
from vivant.cli.awaiting import Awaiting
from vivant.cli.devices import Devices
from vivant.cli.lines import typed_lines
from vivant.cli.take import Take
from vivant.cli.waiting import connected
from vivant.conversation import Session
from vivant.errors import InvalidRequest, Unusable
from vivant.events import Event, Notice, Transcript, Turn, Unit
from vivant.participants import Participants
from vivant.recording import check_path, require_writable
from vivant.subtitles import Subtitles
from vivant.texts import require_text

MICROPHONE_HZ: Final = 16_000


async def run_chat(
    address: str,
    *,
    persona: str | None,
    conversation_id: str | None,
    join: str | None,
    name: str | None,
    audio_out: Path | None,
    use_microphone: bool,
    wait_s: float | None = None,
) -> int:
    """Converses until the end of the input, in a new conversation or in the one to `join`.

    Returns the exit status, 0 if all lines were said and answered.
    """
    if audio_out is not None:
        require_writable(check_path(audio_out, video=False))
    devices = None
    if use_microphone:
        devices = Devices(MICROPHONE_HZ)
    async with connected(address, wait_s) as client:
        rate_hz = MICROPHONE_HZ if devices else None
        if join:
            session = client.join(join, participant=name, microphone=rate_hz, video=False)
        else:
            session = client.converse(
                persona, participant=name, microphone=rate_hz, greeting=True, conversation_id=conversation_id
            )
        async with session:
            return await _Chat(session, screen.console(), audio_out, joined=bool(join)).run(devices)


class _Chat:
    """Typed lines go out, words come in as they are spoken."""

    def __init__(self, session: Session, console: Console, audio_out: Path | None, *, joined: bool) -> None:
        self._session = session
        self._console = console
        self._take = Take(audio_out, session.ready, whole=True, on_lost=self._on_lost) if audio_out else None
        self._participants = Participants()
        self._subtitles = Subtitles()
        self._is_greeted = bool(session.ready.persona.greeting) and not joined
        self._column = 0
        # Lines from a file or a pipe come all at once: each waits for the reply to the one before, as a person would.
        self._polite = sys.stdin is None or not sys.stdin.isatty()
        self._awaiting = Awaiting()
        self._devices: Devices | None = None
        self._failed = False

    async def run(self, devices: Devices | None) -> int:
        """Talks until the input ends and the last reply has been played."""
        self._console.print(screen.opening(self._session.ready))
        self._console.print("Type and press Enter. An empty line stops the reply, Ctrl-D ends the conversation.", style="dim")
        joining = f"Others join with: vivant chat --join {self._session.ready.conversation_id}\n"
        self._console.print(joining, style="dim", markup=False)
        try:
            if devices is not None:
                self._devices = devices
                devices.start(self._session.ready.voice_rate_hz)
            async with beside(self._type(), *([self._listen(devices)] if devices else [])):
                async for event in self._session:
                    await self._on(event)
        finally:
            self._end_line()
            if devices is not None:
                devices.stop()
            self._keep_recording()
        return 1 if self._failed else 0

    def _keep_recording(self) -> None:
        if self._take is None:
            return
        self._take.close()
        if self._take.seconds and not self._take.lost:
            self._console.print(
                f"Recorded {self._take.seconds:.1f} s to {screen.printable(str(self._take.path))}", style="green", markup=False
            )

    async def _type(self) -> None:
        with while_it_lasts():
            if self._polite and self._is_greeted:
                await self._answer()
            async for line in typed_lines():
                await self._enter(line)
            await self._session.finish()

    async def _enter(self, line: str | InvalidRequest) -> None:
        """Says one line. One that breaks a rule is refused, and the conversation goes on."""
        if isinstance(line, str) and not line.strip():
            await self._session.interrupt()
            return
        try:
            if isinstance(line, InvalidRequest):
                raise line
            text = require_text(line)
        except InvalidRequest as exc:
            self._end_line()
            screen.failure(f"this line was not said: {exc.message}")
            self._failed = self._failed or self._polite
            return
        self._awaiting = Awaiting()
        await self._session.send_text(text)
        if self._polite:
            await self._answer()

    async def _answer(self) -> None:
        """Waits for the reply, and no longer than one can be expected."""
        self._awaiting.asked()
        await self._awaiting.settled()
        if not self._awaiting.asking.answered:
            self._end_line()
            screen.failure("no answer came; `vivant info` shows what is running")
            self._failed = True

    async def _listen(self, devices: Devices) -> None:
        with while_it_lasts():
            async for chunk in devices.sound():
                await self._session.send_audio(chunk)

    async def _on(self, event: Event) -> None:
        self._awaiting.on(event)
        self._participants.feed(event)
        words = self._subtitles.feed(event)
        if words:
            self._say(words)
        match event:
            case Unit():
                await self._on_unit(event)
            case Transcript(final=True) if not (event.typed and self._participants.is_own(event.participant_id)):
                self._line(f"{self._participants.name_of(event.participant_id)}: {event.text}")
            case Turn():
                if event.interrupted:
                    self._say(" –")
                self._end_line()
            case Notice():
                self._end_line()
                self._console.print(screen.notice(event))

    async def _on_unit(self, unit: Unit) -> None:
        if self._take:
            self._take.add(unit)
        if self._devices:
            self._devices.play(unit)
        elif unit.turn_id:
            with while_it_lasts():
                await self._session.played(unit.index)

    def _on_lost(self, error: Unusable) -> None:
        self._end_line()
        self._failed = True
        screen.failure(f"the recording failed, the conversation goes on: {error.message}")

    def _say(self, words: str) -> None:
        if not self._column:
            words = f"{self._session.ready.persona.name}: {words.lstrip()}"
        self._column += len(words)
        self._console.print(words, end="", style="bold", markup=False)

    def _line(self, text: str) -> None:
        self._end_line()
        self._console.print(text, markup=False)

    def _end_line(self) -> None:
        if self._column:
            self._console.print()
        self._column = 0

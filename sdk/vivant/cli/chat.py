"""`vivant chat`: a conversation in the terminal."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Final

from rich.console import Console

from vivant.cli import screen
from vivant.cli._tasks import stop
from vivant.cli.devices import Devices
from vivant.client import connect
from vivant.conversation import Session
from vivant.events import Event, Notice, Severity, Transcript, Turn, Unit
from vivant.recording import Recorder, check_path
from vivant.subtitles import Subtitles

MICROPHONE_HZ: Final = 16_000


async def run_chat(address: str, *, persona: str, conversation_id: str, audio_out: Path | None, use_microphone: bool) -> int:
    """Converses until the end of the input; returns the exit status."""
    if audio_out is not None:
        check_path(audio_out, video=False)
    devices = None
    if use_microphone:
        devices = Devices(MICROPHONE_HZ)
    async with connect(address) as client:
        session = client.converse(
            persona, microphone=MICROPHONE_HZ if devices else None, greeting=True, conversation_id=conversation_id
        )
        async with session:
            recorder = Recorder.of(audio_out, session.ready) if audio_out else None
            await _Chat(session, screen.console(), recorder).run(devices)
    return 0


class _Chat:
    """Typed lines go out, words come in as they are spoken."""

    def __init__(self, session: Session, console: Console, recorder: Recorder | None) -> None:
        self._session = session
        self._console = console
        self._recorder = recorder
        self._subtitles = Subtitles()
        self._column = 0
        # Lines from a file or a pipe come all at once: each waits for the reply to the one before, as a person would.
        self._polite = not sys.stdin.isatty()
        self._turn_over = asyncio.Event()
        self._devices: Devices | None = None

    async def run(self, devices: Devices | None) -> None:
        """Talks until the input ends and the last reply has been played."""
        self._console.print(screen.opening(self._session.ready))
        self._console.print("Type and press Enter. An empty line stops the reply, Ctrl-D ends the conversation.\n", style="dim")
        tasks = [asyncio.create_task(self._type(), name="type")]
        if devices is not None:
            self._devices = devices
            devices.start(self._session.ready.voice_rate_hz)
            tasks.append(asyncio.create_task(self._listen(devices), name="listen"))
        try:
            async for event in self._session:
                await self._on(event)
        finally:
            errors = await stop(*tasks)
            self._end_line()
            if devices is not None:
                devices.stop()
            if self._recorder:
                self._recorder.close()
                self._console.print(f"Recorded {self._recorder.units / 25:.1f} s to {self._recorder.path}", style="green")
        if errors:
            raise errors[0]

    async def _type(self) -> None:
        lines = read_lines()
        if self._polite and self._session.ready.persona.greeting:
            await self._turn_over.wait()
        while (line := await lines.get()) is not None:
            if not line.strip():
                await self._session.interrupt()
                continue
            self._turn_over.clear()
            await self._session.send_text(line.strip())
            if self._polite:
                await self._turn_over.wait()
        await self._session.finish()

    async def _listen(self, devices: Devices) -> None:
        async for chunk in devices.sound():
            await self._session.send_audio(chunk)

    async def _on(self, event: Event) -> None:
        words = self._subtitles.feed(event)
        if words:
            self._say(words)
        match event:
            case Unit():
                if self._recorder:
                    self._recorder.write(event)
                if self._devices:
                    self._devices.play(event)
                elif event.turn_id and not self._session.finished:
                    await self._session.played(event.index)
            case Transcript(final=True, typed=False):
                self._line(f"{event.speaker}: {event.text}")
            case Turn():
                if event.interrupted:
                    self._say(" –")
                self._end_line()
                self._turn_over.set()
            case Notice():
                self._end_line()
                self._console.print(screen.notice(event))
                if event.severity is Severity.ERROR:
                    self._turn_over.set()

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


def read_lines() -> asyncio.Queue[str | None]:
    """Lines of standard input as they are entered, then None.

    A daemon thread reads them: a blocked read cannot be cancelled, and the end of the program must not wait for Enter.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        try:
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)
        except RuntimeError:
            # The loop is closed: the conversation is over, and nobody waits for lines.
            return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    return lines

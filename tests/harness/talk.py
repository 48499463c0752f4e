"""A conversation under test: everything that happens is kept with its time, and a microphone that never stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

import vivant
from tests.harness.data import SPEECH
from tests.harness.waiting import PATIENCE_S
from vivant import audio

RATE_HZ = 16_000
CHUNK = RATE_HZ // 50
#: Below this level (of 32768; -50 dBFS) a sample counts as silence.
AUDIBLE = 104
#: Who is on the microphone until somebody else is named.
ANN = "Ann"

Kind = TypeVar("Kind")


class Microphone:
    """Sends 20 ms at a time at the pace of real time: what was put on it, else silence."""

    def __init__(self, session: vivant.Session) -> None:
        self._session = session
        self._clips: asyncio.Queue[tuple[NDArray[np.int16], str, tuple[str, ...]]] = asyncio.Queue()

    async def say(self, name: str, *, participant: str = ANN, addressees: tuple[str, ...] = ()) -> None:
        """Plays a recording of tests/data/speech; returns when its last sample has been sent."""
        await self._clips.put((audio.read(SPEECH / name, RATE_HZ), participant, addressees))
        async with asyncio.timeout(PATIENCE_S):
            await self._clips.join()

    async def run(self) -> None:
        """Sends until cancelled or until the session can take no more. Silence is of whoever spoke last."""
        clip, who, whom = np.zeros(0, np.int16), ANN, tuple[str, ...]()
        playing = False
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        while not self._session.finished:
            if not len(clip) and playing:
                self._clips.task_done()
                playing = False
            if not playing and not self._clips.empty():
                clip, who, whom = self._clips.get_nowait()
                playing = True
            chunk, clip = clip[:CHUNK], clip[CHUNK:]
            sent += CHUNK
            await asyncio.sleep(max(0.0, start + sent / RATE_HZ - loop.time()))
            if self._session.finished:
                return
            await self._session.send_audio(np.pad(chunk, (0, CHUNK - len(chunk))), who, addressees=whom)


class Talk:
    """One open conversation and all its events so far."""

    def __init__(self, session: vivant.Session) -> None:
        self.session = session
        self.microphone = Microphone(session)
        self.events: list[vivant.Event] = []
        self.ended = False
        self.error: vivant.VivantError | None = None
        self._news = asyncio.Condition()

    async def record(self) -> None:
        """Keeps events until the end."""
        try:
            async for event in self.session:
                async with self._news:
                    self.events.append(event)
                    self._news.notify_all()
        except vivant.VivantError as exc:
            self.error = exc
        async with self._news:
            self.ended = True
            self._news.notify_all()

    @property
    def mark(self) -> int:
        """The place in `events` that the next event will have."""
        return len(self.events)

    def of(self, kind: type[Kind], since: int = 0) -> list[Kind]:
        """The events of one kind."""
        return [event for event in self.events[since:] if isinstance(event, kind)]

    async def until(
        self, kind: type[Kind], test: Callable[[Kind], bool] = lambda _: True, *, since: int = 0, timeout_s: float = PATIENCE_S
    ) -> Kind:
        """The first event of a kind that passes the test, waited for if need be."""

        def found() -> list[Kind]:
            return [event for event in self.of(kind, since) if test(event)]

        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: bool(found()) or self.ended)
        except TimeoutError:
            pass
        matches = found()
        assert matches, f"no such {kind.__name__} in {timeout_s:.0f} s ({self.error}); {self.story(since)}"
        return matches[0]

    async def ending(self, timeout_s: float = PATIENCE_S) -> None:
        """Waits until nothing more can come."""
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: self.ended)

    async def speaking(self, since: int = 0, seconds: float = 0.4) -> vivant.Unit:
        """Waits until the persona has spoken for so long, and returns the unit."""
        return await self.until(
            vivant.Unit, lambda unit: unit.turn_id > 0 and unit.turn_sample >= seconds * 24_000, since=since
        )

    async def notice(self, reason: str, since: int = 0, timeout_s: float = PATIENCE_S) -> vivant.Notice:
        """Waits for a notice."""
        return await self.until(vivant.Notice, lambda notice: notice.reason == reason, since=since, timeout_s=timeout_s)

    async def ask(self, text: str) -> vivant.Turn:
        """Types a question and waits until it has been answered."""
        since = self.mark
        await self.session.send_text(text)
        return await self.until(vivant.Turn, since=since)

    def story(self, since: int = 0) -> list[vivant.Event]:
        """All but the units, for messages of failed tests."""
        return [event for event in self.events[since:] if not isinstance(event, vivant.Unit)]

    def captions(self, turn_id: int) -> str:
        """The text shown for a reply."""
        return " ".join(event.text for event in self.of(vivant.Caption) if event.turn_id == turn_id)

    def voice(self, turn_id: int) -> NDArray[np.int16]:
        """The sound of a reply as it came."""
        units = [np.frombuffer(unit.pcm, "<i2") for unit in self.of(vivant.Unit) if unit.turn_id == turn_id]
        return np.concatenate(units) if units else np.zeros(0, np.int16)


@asynccontextmanager
async def conversation(
    address: str, *, microphone: bool = False, video: vivant.Video | None = None, conversation_id: str | None = None
) -> AsyncIterator[Talk]:
    """A conversation with the default persona."""
    async with vivant.connect(address) as client:
        rate = RATE_HZ if microphone else None
        async with client.converse(video=video, microphone=rate, participant=ANN, conversation_id=conversation_id) as session:
            talk = Talk(session)
            tasks = [asyncio.create_task(talk.record())]
            if microphone:
                tasks.append(asyncio.create_task(talk.microphone.run()))
            try:
                yield talk
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def is_audible(unit: vivant.Unit) -> bool:
    """There is something to hear in it."""
    return bool(np.abs(np.frombuffer(unit.pcm, "<i2").astype(int)).max(initial=0) > AUDIBLE)


def plain(text: str) -> list[str]:
    """The words of a text without case and punctuation."""
    return "".join(char for char in text.lower() if char.isalnum() or char.isspace()).split()

"""`vivant ask`: one question, one answer, and where the time went."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from vivant import audio
from vivant.cli import screen
from vivant.cli._tasks import stop
from vivant.cli.asking import Asking
from vivant.cli.take import Take
from vivant.client import connect
from vivant.conversation import Session
from vivant.errors import Timeout, Unavailable, VivantError
from vivant.events import Event, Notice, Transcript, Turn, Unit
from vivant.formats import Video
from vivant.recording import best_codec
from vivant.subtitles import Subtitles

MICROPHONE_HZ: Final = 16_000
#: The server has this long to end the conversation after `finish`.
_END_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class Question:
    """What to ask whom, and what to keep of the answer."""

    recording: Path | None = None
    text: str = ""
    output: Path | None = None
    whole: bool = False
    size_px: int = 512
    persona: str = ""
    conversation_id: str = ""

    @property
    def video(self) -> Video | None:
        """The picture to ask for: in the codec that is stored without a second encoding."""
        codec = best_codec(self.output) if self.output else None
        return Video(codec, self.size_px) if codec else None


async def run_ask(question: Question, address: str, *, show_sources: bool, as_json: bool) -> int:
    """Asks and prints; returns the exit status."""
    console = Console(quiet=True) if as_json else screen.console()
    sound = audio.read(question.recording, MICROPHONE_HZ) if question.recording else None
    async with connect(address) as client:
        session = client.converse(
            question.persona,
            video=question.video,
            microphone=MICROPHONE_HZ if sound is not None else None,
            conversation_id=question.conversation_id,
        )
        async with session:
            dialogue = _Dialogue(session, question, console)
            asking = await dialogue.run(sound)
            conversation_id = session.ready.conversation_id
    if not asking.turns:
        raise _no_answer(asking, question)
    if as_json:
        print(json.dumps(_as_json(asking, question, conversation_id), ensure_ascii=False))
        return 0
    if show_sources:
        console.print(f"Sources: {', '.join(asking.sources) or 'none'}", style="dim")
    if asking.last_metrics:
        console.print()
        console.print(screen.stages(asking.last_metrics))
    if question.output:
        console.print(f"\nRecorded {dialogue.seconds:.1f} s to {question.output}", style="green")
    return 0


class _Dialogue:
    """The conversation around one question."""

    def __init__(self, session: Session, question: Question, console: Console) -> None:
        self._session = session
        self._question = question
        self._console = console
        self._loop = asyncio.get_running_loop()
        self._asking = Asking()
        self._news = asyncio.Event()
        self._subtitles = Subtitles()
        self._column = 0
        self._take: Take | None = None
        self._finished = False
        self.seconds = 0.0

    async def run(self, sound: NDArray[np.int16] | None) -> Asking:
        """Asks, listens until the answer has been played, and returns what came of it."""
        ready = self._session.ready
        if sound is not None and "asr" in ready.missing:
            raise Unavailable(
                "speech recognition is not available at the moment; ask with --text instead", reason="asr_missing"
            )
        self._console.print(screen.opening(ready))
        if self._question.output:
            self._take = Take(self._question.output, ready, whole=self._question.whole)
            if self._question.video and not ready.video:
                self._console.print("There is no picture at the moment: the recording holds sound alone.", style="yellow")
        speaking = asyncio.create_task(self._ask(sound), name="ask")
        looking = asyncio.create_task(self._look(), name="look")
        try:
            async for event in self._session:
                await self._on(event)
        finally:
            errors = await stop(speaking, looking)
            self._end_line()
            if self._take:
                self._take.close()
                self.seconds = self._take.seconds
        if errors and not self._finished:
            raise errors[0]
        return self._asking

    async def _ask(self, sound: NDArray[np.int16] | None) -> None:
        if sound is None:
            await self._session.send_text(self._question.text)
        else:
            async for chunk in audio.paced(sound, MICROPHONE_HZ):
                await self._session.send_audio(chunk)
        self._asking.asked(self._loop.time())
        self._news.set()
        if sound is not None:
            # A live microphone goes on: the end of the question is heard in the silence after it.
            async for chunk in audio.paced(b"", MICROPHONE_HZ, silence_after_s=math.inf):
                await self._session.send_audio(chunk)

    async def _look(self) -> None:
        """Finishes when the answer is complete; a server that then does not end the conversation is left."""
        await self._settled()
        self._finished = True
        await self._session.finish()
        await asyncio.sleep(_END_TIMEOUT_S)
        await self._session.close()

    async def _settled(self) -> None:
        """Waits until nothing more is to be expected. Every event moves that moment, so it is looked at again then."""
        while (at := self._asking.settles_at()) is None or at > self._loop.time():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(at):
                    await self._news.wait()
            self._news.clear()

    async def _on(self, event: Event) -> None:
        self._asking.on(event, self._loop.time())
        self._news.set()
        words = self._subtitles.feed(event)
        match event:
            case Unit():
                await self._on_unit(event)
            case Transcript(final=True):
                self._line(f"{event.speaker or 'You'}: {event.text}")
            case Notice():
                self._end_line()
                self._console.print(screen.notice(event))
        if words:
            self._say(words)
        if isinstance(event, Turn):
            self._end_line()

    async def _on_unit(self, unit: Unit) -> None:
        if self._finished:
            return
        if unit.turn_id:
            await self._session.played(unit.index)
        if self._take and self._take.add(unit):
            await self._session.request_keyframe()

    def _say(self, words: str) -> None:
        if not self._column:
            words = f"{self._session.ready.persona.name}: {words}"
        self._column += len(words)
        self._console.print(words, end="", style="bold", markup=False)

    def _line(self, text: str) -> None:
        self._end_line()
        self._console.print(text, markup=False)

    def _end_line(self) -> None:
        if self._column:
            self._console.print()
        self._column = 0


def _no_answer(asking: Asking, question: Question) -> VivantError:
    last = next((notice.message for notice in reversed(asking.notices)), "")
    if last:
        return Timeout(f"no answer came: {last}", reason="no_answer")
    if question.recording and not asking.transcripts:
        return Timeout(f"no answer came: no words were understood in {question.recording}", reason="no_answer")
    return Timeout("no answer came; `vivant info` shows what is running", reason="no_answer")


def _as_json(asking: Asking, question: Question, conversation_id: str) -> dict[str, object]:
    metrics = asking.last_metrics
    return {
        "conversation_id": conversation_id,
        "transcript": asking.question,
        "reply": asking.reply,
        "interrupted": asking.turns[-1].interrupted,
        "sources": asking.sources,
        "stages": {stage.name: round(stage.at_ms, 1) for stage in metrics.stages} if metrics else {},
        "notices": [asdict(notice) for notice in asking.notices],
        "output": str(question.output) if question.output else None,
    }

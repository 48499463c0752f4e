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
from vivant.cli._tasks import beside, while_it_lasts
from vivant.cli.asking import Asking
from vivant.cli.awaiting import Awaiting
from vivant.cli.take import Take
from vivant.cli.waiting import connected
from vivant.conversation import Session
from vivant.errors import InvalidRequest, Timeout, Unavailable, Unusable, VivantError
from vivant.events import Event, Notice, Severity, Transcript, Turn, Unit
from vivant.formats import Video
from vivant.participants import Participants
from vivant.recording import best_codec, require_writable
from vivant.subtitles import Subtitles
from vivant.texts import require_text

MICROPHONE_HZ: Final = 16_000
#: A peak below this, -66 dB, is no voice.
_AUDIBLE: Final = 16
#: Less is not heard to be missing.
_WORTH_TELLING_S: Final = 0.005
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
    persona: str | None = None
    conversation_id: str | None = None

    @property
    def video(self) -> Video | None:
        """The picture to ask for: in the codec that is stored without a second encoding."""
        codec = best_codec(self.output) if self.output else None
        return Video(codec, self.size_px) if codec else None


async def run_ask(question: Question, address: str, *, show_sources: bool, as_json: bool, wait_s: float | None = None) -> int:
    """Asks and prints; returns the exit status, which is 0 only if a reply came and, if wanted, was recorded."""
    console = Console(quiet=True) if as_json else screen.console()
    sound = _prepare(question)
    async with connected(address, wait_s) as client:
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
    if not asking.answered:
        raise _no_answer(asking, question)
    recorded = question.output if dialogue.recorded else None
    if question.output and not recorded and not dialogue.lost:
        screen.failure(f"nothing was recorded to {question.output}: the reply had no sound")
    if as_json:
        print(json.dumps(_as_json(asking, recorded, conversation_id), ensure_ascii=False))
        return dialogue.status
    if show_sources:
        console.print(f"Sources: {', '.join(asking.sources) or 'none'}", style="dim")
    if asking.last_metrics:
        console.print()
        console.print(screen.stages(asking.last_metrics))
    if recorded:
        console.print(f"\nRecorded {dialogue.seconds:.1f} s to {screen.printable(str(recorded))}", style="green", markup=False)
    return dialogue.status


def _prepare(question: Question) -> NDArray[np.int16] | None:
    """What will be said, None for typed text. All that can be wrong with a command is found before anybody is called."""
    if question.output is not None:
        require_writable(question.output)
    if question.recording is None:
        require_text(question.text)
        return None
    recording = audio.decode(question.recording, MICROPHONE_HZ)
    if recording.lost_s >= _WORTH_TELLING_S:
        screen.warning(f"{question.recording}: {recording.lost_s:.2f} s of {recording.total_s:.2f} s could not be read")
    if np.abs(recording.samples.astype(np.int32)).max() < _AUDIBLE:
        raise InvalidRequest(f"{question.recording} is silent: there is nothing to answer", reason="silent_audio")
    return recording.samples


class _Dialogue:
    """The conversation around one question."""

    def __init__(self, session: Session, question: Question, console: Console) -> None:
        self._session = session
        self._question = question
        self._console = console
        self._awaiting = Awaiting()
        self._participants = Participants()
        self._subtitles = Subtitles()
        self._column = 0
        self._take: Take | None = None
        self._finished = False

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self._take.seconds if self._take else 0.0

    @property
    def recorded(self) -> bool:
        """There is a recording."""
        return self._take is not None and not self._take.lost and self._take.seconds > 0

    @property
    def lost(self) -> bool:
        """The recording failed; that was said."""
        return self._take is not None and self._take.lost

    @property
    def status(self) -> int:
        """0 if all that was wanted has been done."""
        return 0 if self.recorded or self._take is None else 1

    async def run(self, sound: NDArray[np.int16] | None) -> Asking:
        """Asks, listens until the answer has been played, and returns what came of it."""
        ready = self._session.ready
        if sound is not None and "asr" in ready.missing:
            raise Unavailable(
                "speech recognition is not available at the moment; ask with --text instead", reason="asr_missing"
            )
        self._console.print(screen.opening(ready))
        if self._question.output:
            self._take = Take(self._question.output, ready, whole=self._question.whole, on_lost=self._on_lost)
            if self._question.video and not ready.video:
                self._console.print("There is no picture at the moment: the recording holds sound alone.", style="yellow")
        try:
            async with beside(self._ask(sound), self._look()):
                async for event in self._session:
                    await self._on(event)
        finally:
            self._end_line()
            if self._take:
                self._take.close()
        return self._awaiting.asking

    async def _ask(self, sound: NDArray[np.int16] | None) -> None:
        with while_it_lasts():
            if sound is None:
                await self._session.send_text(self._question.text)
                self._awaiting.asked()
                return
            async for chunk in audio.paced(sound, MICROPHONE_HZ):
                await self._session.send_audio(chunk)
            self._awaiting.asked()
            # A live microphone goes on: the end of the question is heard in the silence after it.
            async for chunk in audio.paced(b"", MICROPHONE_HZ, silence_after_s=math.inf):
                await self._session.send_audio(chunk)

    async def _look(self) -> None:
        """Finishes when the answer is complete; a server that then does not end the conversation is left."""
        await self._awaiting.settled()
        self._finished = True
        with suppress(VivantError):
            # It is lost after all was said: no matter any more.
            await self._session.finish()
        await asyncio.sleep(_END_TIMEOUT_S)
        await self._session.close()

    async def _on(self, event: Event) -> None:
        self._awaiting.on(event)
        self._participants.feed(event)
        words = self._subtitles.feed(event)
        match event:
            case Unit():
                await self._on_unit(event)
            case Transcript(final=True):
                self._line(f"{self._participants.name_of(event.participant_id)}: {event.text}")
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
        wants_keyframe = self._take is not None and self._take.add(unit)
        with while_it_lasts():
            if unit.turn_id:
                await self._session.played(unit.index)
            if wants_keyframe:
                await self._session.request_keyframe()

    def _on_lost(self, error: Unusable) -> None:
        self._end_line()
        screen.failure(f"the recording failed, the conversation goes on: {error.message}")

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
    last = next((item.message for item in reversed(asking.notices) if item.severity is not Severity.INFO), "")
    if last:
        return Timeout(f"no answer came: {last}", reason="no_answer")
    if question.recording and not asking.transcripts:
        return Timeout(f"no answer came: no words were understood in {question.recording}", reason="no_answer")
    return Timeout("no answer came; `vivant info` shows what is running", reason="no_answer")


def _as_json(asking: Asking, recorded: Path | None, conversation_id: str) -> dict[str, object]:
    metrics = asking.last_metrics
    return {
        "conversation_id": conversation_id,
        "transcript": asking.question,
        "reply": asking.reply,
        "interrupted": asking.turns[-1].interrupted,
        "sources": asking.sources,
        "stages": {stage.name: round(stage.at_ms, 1) for stage in metrics.stages} if metrics else {},
        "notices": [asdict(notice) for notice in asking.notices],
        "output": str(recorded) if recorded else None,
    }

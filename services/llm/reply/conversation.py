"""One conversation: turns that replace each other, drafts that wait for their commit, and the history of what was heard.

At most one turn is alive. All its work is one task, so ending the turn ends the work: the retrieval, the model, and what would
still have been sent. A draft writes into a list until the commit with the same words opens the door.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from services.common.logs import get_logger
from services.common.streams import Cancelled
from services.llm.memory.history import History, Utterance
from services.llm.persona.story import Passage
from services.llm.reply.replier import Done, Event, Replier, Text
from services.llm.understanding import addressed
from services.llm.understanding.words import same_words, words
from vivant.errors import Internal, VivantError

_log = get_logger(__name__)

#: Fewer words of a sentence recall nothing yet.
_MIN_WORDS: Final = 2


@dataclass(frozen=True)
class Finished:
    """The reply is complete."""

    done: Done
    first_token_us: int


@dataclass(frozen=True)
class Broken:
    """The turn ended without a (whole) reply."""

    error: VivantError


@dataclass(frozen=True)
class Drafted:
    """How the reply will begin if the words so far are committed."""

    text: str


@dataclass(frozen=True)
class Addressed:
    """How likely these words are meant for the persona."""

    text: str
    probability: float


Output = Event | Finished | Broken | Drafted | Addressed


class Outlet(Protocol):
    """The conversation's way out."""

    async def emit(self, turn_id: int, output: Output) -> None:
        """Sends something of the turn that is alive."""

    def stale(self) -> None:
        """Notes that something was made for a turn that is over, and dropped."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts a task; an error in it ends the stream."""


@dataclass
class _Turn:
    """What is known and made of one turn."""

    id: int
    question: Utterance
    task: asyncio.Task[None] | None = None
    judging: asyncio.Task[None] | None = None
    """Finds out whether the words of the draft are meant for the persona."""
    drafting: bool = False
    committed_at: float | None = None
    first_at: float | None = None
    held: list[Output] = field(default_factory=list)
    recalled: tuple[Passage, ...] | None = None
    """What the words so far bring to mind."""


class Conversation:
    """The methods are called by one reader in order."""

    def __init__(self, replier: Replier, lane: int, outlet: Outlet, history: Iterable[Utterance] = ()) -> None:
        self._replier = replier
        self._lane = lane
        self._outlet = outlet
        self._history = History(replier.recaller.persona.id, replier.settings.history_words, history)
        self._newest = 0
        self._turn: _Turn | None = None
        self._waiting: asyncio.Task[None] | None = None

    @property
    def history(self) -> tuple[Utterance, ...]:
        return self._history.items

    def start(self) -> None:
        """Reads ahead what every prompt begins with."""
        self._read_ahead()

    async def words(self, turn_id: int, text: str, speaker: str, *, draft: bool, other: str = "") -> None:
        """Words of somebody who still speaks: recalls and reads ahead, or writes a draft.

        The words of a draft may be meant for `other`: then an opinion on that is given beside it.
        """
        turn = await self._enter(turn_id, Utterance(speaker, text, turn_id=turn_id))
        if turn is None or turn.committed_at is not None:
            return
        if draft:
            if not (turn.drafting and same_words(turn.question.text, text)):
                await self._restart(turn, Utterance(speaker, text, turn_id=turn_id), drafting=True)
                if other and self._replier.settings.who_is_meant != "off":
                    turn.judging = self._outlet.spawn(self._judge(turn, other), f"judge-{turn_id}")
        elif not turn.drafting or not same_words(turn.question.text, text):
            turn.question = Utterance(speaker, text, turn_id=turn_id)
            if turn.drafting or turn.task is None or turn.task.done():
                await self._begin(turn, self._prepare, drafting=False)

    async def commit(self, turn_id: int, said: Utterance) -> None:
        """The contribution is complete: sends the draft of these very words, or writes a reply."""
        turn = await self._enter(turn_id, said)
        if turn is None or turn.committed_at is not None:
            return
        self._history.add(said)
        fits = turn.drafting and turn.task is not None and same_words(turn.question.text, said.text)
        turn.committed_at = time.monotonic()
        if not fits:
            await self._restart(turn, said, drafting=False)
            return
        held, turn.held = turn.held, []
        for output in held:
            await self._send(turn, output)
        # What was written while these were sent.
        while turn.held:
            await self._send(turn, turn.held.pop(0))
        turn.drafting = False

    async def cancel(self, turn_id: int) -> None:
        """Forgets a turn."""
        self._history.forget(turn_id)
        if self._turn and self._turn.id == turn_id:
            await self._end(self._turn)

    def heard(self, said: Utterance, turn_id: int, *, interrupted: bool) -> None:
        """What was heard of a reply becomes history."""
        persona = self._replier.recaller.persona.id
        self._history.heard(replace(said, speaker=persona, turn_id=turn_id, interrupted=interrupted))
        self._read_ahead()

    def utterance(self, said: Utterance) -> None:
        """Something that needs no answer becomes history."""
        self._history.add(said)
        self._read_ahead()

    async def finish(self) -> None:
        """Waits for the turn in hand, if it was committed."""
        if self._turn and self._turn.task and self._turn.committed_at is not None:
            await asyncio.gather(self._turn.task, return_exceptions=True)

    async def close(self) -> None:
        """Ends all work."""
        if self._turn:
            await self._end(self._turn)
        await _stop(self._waiting)

    async def _enter(self, turn_id: int, question: Utterance) -> _Turn | None:
        """The turn with this number; a newer one ends the older, and None is for what comes too late."""
        if turn_id < self._newest or (turn_id == self._newest and self._turn is None):
            return None
        if self._turn is None or turn_id > self._turn.id:
            if self._turn:
                await self._end(self._turn)
            self._newest = turn_id
            self._turn = _Turn(turn_id, question)
        return self._turn

    async def _restart(self, turn: _Turn, question: Utterance, *, drafting: bool) -> None:
        turn.question = question
        await self._begin(turn, self._write, drafting=drafting)

    async def _begin(self, turn: _Turn, work: Callable[[_Turn], Coroutine[Any, Any, None]], *, drafting: bool) -> None:
        await _stop(turn.task)
        await _stop(turn.judging)
        await _stop(self._waiting)
        turn.held.clear()
        turn.first_at = None
        turn.drafting = drafting
        turn.task = self._outlet.spawn(work(turn), f"turn-{turn.id}")

    async def _end(self, turn: _Turn) -> None:
        if self._turn is turn:
            self._turn = None
        await _stop(turn.task)
        await _stop(turn.judging)

    async def _prepare(self, turn: _Turn) -> None:
        """Recalls and reads ahead for the words so far, again whenever there are more.

        Half a sentence brings other passages to mind than the whole, and each change of them has to be read: so nothing is read
        before two updates in a row have recalled the same.
        """
        done: Utterance | None = None
        try:
            with _faults_named():
                while turn.question is not done:
                    done = turn.question
                    if len(words(done.text)) < _MIN_WORDS:
                        continue
                    history = self._history.before(turn.id)
                    recollection = await self._replier.recall(done, history)
                    steady, turn.recalled = recollection.passages == turn.recalled, recollection.passages
                    if steady:
                        await self._replier.prefill(done, history, recollection, self._lane)
        except VivantError as exc:
            # Reading ahead saves time and nothing else: the reply itself will say what is wrong.
            _log.info("prefill_failed", reason=exc.reason)

    async def _write(self, turn: _Turn) -> None:
        try:
            with _faults_named():
                async with aclosing(self._replier.reply(turn.question, self._history.before(turn.id), self._lane)) as events:
                    async for event in events:
                        if isinstance(event, Text) and turn.first_at is None:
                            turn.first_at = time.monotonic()
                        await self._give(turn, event)
        except VivantError as exc:
            await self._give(turn, Broken(exc))

    async def _judge(self, turn: _Turn, other: str) -> None:
        said = turn.question
        history = self._history.before(turn.id)
        try:
            with _faults_named():
                async with aclosing(addressed.opinions(self._replier, said, other, history)) as opinions:
                    async for likely in opinions:
                        await self._send(turn, Addressed(said.text, likely))
                        if turn.committed_at is not None:
                            # From here on the model is wanted for the reply.
                            break
        except VivantError as exc:
            # What was told from memory stands; the reply itself will say what is wrong.
            _log.info("opinion_failed", reason=exc.reason)

    async def _give(self, turn: _Turn, output: Output) -> None:
        if turn.drafting:
            first = isinstance(output, Text) and not any(isinstance(held, Text) for held in turn.held)
            turn.held.append(output)
            if first and isinstance(output, Text):
                await self._send(turn, Drafted(output.text))
        else:
            await self._send(turn, output)

    async def _send(self, turn: _Turn, output: Output) -> None:
        if self._turn is not turn:
            self._outlet.stale()
            return
        if isinstance(output, Done):
            waited = max(0.0, (turn.first_at or time.monotonic()) - (turn.committed_at or 0))
            output = Finished(output, int(waited * 1e6))
        await self._outlet.emit(turn.id, output)

    def _read_ahead(self) -> None:
        """Reads history that is new while there is nothing else to do."""
        if self._waiting and not self._waiting.done():
            self._waiting.cancel()
        if self._turn and self._turn.task and not self._turn.task.done():
            return
        self._waiting = self._outlet.spawn(self._read_waiting(), "read-ahead")

    async def _read_waiting(self) -> None:
        try:
            with _faults_named():
                await self._replier.prefill_waiting(self._history.items, self._lane)
        except VivantError as exc:
            _log.info("prefill_failed", reason=exc.reason)


@contextmanager
def _faults_named() -> Iterator[None]:
    """A fault of ours costs the turn, not the stream: its place is logged, and it becomes Internal, which is not retried."""
    try:
        yield
    except (VivantError, Cancelled):
        raise
    except Exception as exc:
        _log.error("turn_fault", exc_info=exc)
        raise Internal(
            f"a fault in the llm service ({type(exc).__name__}); its log has the details", reason="turn_fault"
        ) from exc


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is None:
        return
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

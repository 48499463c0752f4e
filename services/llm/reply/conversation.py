"""One conversation: turns that replace each other, drafts that wait for their commit, and the history of what was heard.

At most one turn is alive. All its work is one task, so ending the turn ends the work: the retrieval, the model, and what would
still have been sent. A draft writes into a list until the commit with the same words opens the door.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.common.logs import get_logger
from services.common.streams import Cancelled
from services.llm.memory.history import Utterance
from services.llm.memory.record import Record
from services.llm.memory.store import Entry
from services.llm.persona.story import Passage
from services.llm.reply.briefing import recalled
from services.llm.reply.outputs import Broken, Done, Drafted, Finished, Outlet, Output, Text
from services.llm.reply.replier import Replier
from services.llm.understanding import addressed
from services.llm.understanding.words import same_words, words
from vivant.errors import Internal, VivantError

_log = get_logger(__name__)

#: Fewer words of a sentence recall nothing yet.
_MIN_WORDS: Final = 2


@dataclass
class _Turn:
    """What is known and made of one turn."""

    id: int
    question: Utterance
    answers: str = ""
    """The id of the utterance that it answers, once that is complete."""
    task: asyncio.Task[None] | None = None
    judging: asyncio.Task[None] | None = None
    """Finds out what tells whether the words of the draft are meant for the persona."""
    telling: asyncio.Task[None] | None = None
    """Finds out what the words bring to mind, for somebody else who answers them."""
    drafting: bool = False
    committed_at: float | None = None
    first_at: float | None = None
    held: list[Output] = field(default_factory=list)
    recalled: tuple[Passage, ...] | None = None
    """What the words so far bring to mind."""


class Conversation:
    """The methods are called by one reader in order."""

    def __init__(self, replier: Replier, lane: int, outlet: Outlet, record: Record) -> None:
        self._replier = replier
        self._lane = lane
        self._outlet = outlet
        self._record = record
        self._newest = 0
        self._turn: _Turn | None = None
        self._waiting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Reads ahead what every prompt begins with."""
        self._read_ahead()

    async def words(
        self, turn_id: int, text: str, participant_id: str, *, draft: bool, others: Sequence[str] = (), recall: bool = False
    ) -> None:
        """Words of somebody who still speaks: recalls and reads ahead, or writes a draft.

        The words of a draft may be meant for `others`, by their ids: what tells of that is told beside it; with `recall`, what
        they bring to mind.
        """
        question = self._record.shown(participant_id, text)
        turn = await self._enter(turn_id, question)
        if turn is None or turn.committed_at is not None:
            return
        if recall:
            await self._remind(turn, question)
        if draft:
            if not (turn.drafting and same_words(turn.question.text, text)):
                await self._restart(turn, question, drafting=True)
                if others and self._replier.settings.who_is_meant != "off":
                    turn.judging = self._outlet.spawn(self._judge(turn, others), f"judge-{turn_id}")
        elif not turn.drafting or not same_words(turn.question.text, text):
            turn.question = question
            if turn.drafting or turn.task is None or turn.task.done():
                await self._begin(turn, self._prepare, drafting=False)

    async def commit(self, entry: Entry) -> None:
        """The contribution of a turn is complete: sends the draft of these very words, or writes a reply.

        It is being kept meanwhile; nothing is sent before it is.
        """
        turn = await self._enter(entry.turn_id, self._record.shown(entry.participant_id, entry.text))
        if turn is None or turn.committed_at is not None:
            return
        said = self._record.add(entry)
        fits = turn.drafting and turn.task is not None and same_words(turn.question.text, said.text)
        turn.answers = entry.id
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

    async def answered_elsewhere(self, entry: Entry) -> None:
        """Like `commit`, but somebody else answers: what it brings to mind is told. A commit may still ask for a reply."""
        turn = await self._enter(entry.turn_id, self._record.shown(entry.participant_id, entry.text))
        if turn is not None and turn.committed_at is None:
            await self._remind(turn, self._record.add(entry))

    async def cancel(self, turn_id: int) -> None:
        """Forgets a turn."""
        self._record.forget(turn_id)
        if self._turn and self._turn.id == turn_id:
            await self._end(self._turn)

    def heard(self, entry: Entry) -> None:
        """What was heard of a reply becomes history."""
        self._record.heard(entry)
        self._read_ahead()

    def utterance(self, entry: Entry) -> None:
        """Something that needs no answer becomes history."""
        self._record.add(entry)
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
        await self._record.kept()

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
        for task in (turn.task, turn.judging, turn.telling):
            await _stop(task)

    async def _prepare(self, turn: _Turn) -> None:
        """Recalls and reads ahead for the words so far, again whenever there are more.

        Half a sentence brings other passages to mind than the whole, and each change of them has to be read: so nothing is read
        before two updates in a row have recalled the same.
        """
        done: Utterance | None = None
        with _faults_logged("prefill_failed"):
            while turn.question is not done:
                done = turn.question
                if len(words(done.text)) < _MIN_WORDS:
                    continue
                history = self._record.before(turn.id)
                recollection = await self._replier.recall(done, history)
                steady, turn.recalled = recollection.passages == turn.recalled, recollection.passages
                if steady:
                    await self._replier.prefill(done, history, recollection, self._lane)

    async def _write(self, turn: _Turn) -> None:
        try:
            with _faults_named():
                async with aclosing(self._replier.reply(turn.question, self._record.before(turn.id), self._lane)) as events:
                    async for event in events:
                        if isinstance(event, Text) and turn.first_at is None:
                            turn.first_at = time.monotonic()
                        await self._give(turn, event)
        except VivantError as exc:
            await self._give(turn, Broken(exc))

    async def _judge(self, turn: _Turn, others: Sequence[str]) -> None:
        said, called = turn.question, [self._record.called(other) for other in others]
        history, ids = self._record.before(turn.id), (self._replier.recaller.persona.id, *others)
        with _faults_logged("opinion_failed"):
            told = await addressed.from_memory(self._replier.recaller, said, history)
            await self._send(turn, told)
            # From the commit on the model is wanted for the reply.
            if self._replier.settings.who_is_meant != "model" or turn.committed_at is not None:
                return
            if likely := await addressed.from_model(self._replier, said, called, history):
                shares = sorted(zip(ids, likely, strict=True), key=lambda share: -share[1])
                await self._send(turn, replace(told, shares=tuple(shares)))

    async def _remind(self, turn: _Turn, said: Utterance) -> None:
        await _stop(turn.telling)
        turn.telling = self._outlet.spawn(self._tell_recalled(turn, said), f"remind-{turn.id}")

    async def _tell_recalled(self, turn: _Turn, said: Utterance) -> None:
        with _faults_logged("recall_failed"):
            recollection = await self._replier.recall(said, self._record.before(turn.id))
            await self._send(turn, recalled(said.text, recollection))

    async def _give(self, turn: _Turn, output: Output) -> None:
        if turn.drafting:
            first = isinstance(output, Text) and not any(isinstance(held, Text) for held in turn.held)
            turn.held.append(output)
            if first and isinstance(output, Text):
                await self._send(turn, Drafted(output.text))
        else:
            await self._send(turn, output)

    async def _send(self, turn: _Turn, output: Output) -> None:
        # What is answered is on the disk before.
        await self._record.kept()
        if self._turn is not turn:
            self._outlet.stale()
            return
        if isinstance(output, Done):
            waited = max(0.0, (turn.first_at or time.monotonic()) - (turn.committed_at or 0))
            done = replace(output, problem=output.problem or self._record.take_problem())
            output = Finished(done, int(waited * 1e6), turn.answers)
        await self._outlet.emit(turn.id, output)

    def _read_ahead(self) -> None:
        """Reads history that is new while there is nothing else to do."""
        if self._waiting and not self._waiting.done():
            self._waiting.cancel()
        if self._turn and self._turn.task and not self._turn.task.done():
            return
        self._waiting = self._outlet.spawn(self._read_waiting(), "read-ahead")

    async def _read_waiting(self) -> None:
        with _faults_logged("prefill_failed"):
            await self._replier.prefill_waiting(self._record.said, self._lane)


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


@contextmanager
def _faults_logged(event: str) -> Iterator[None]:
    """Of what saves time, or helps somebody else, and nothing more: the reply itself will say what is wrong."""
    try:
        with _faults_named():
            yield
    except VivantError as exc:
        _log.info(event, reason=exc.reason)


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is None:
        return
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

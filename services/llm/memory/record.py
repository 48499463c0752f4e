"""The record of one conversation: in memory to be read, in the store to last.

Changes go to the store one after the other, beside what else is done; `kept` waits for them. A store that fails costs memory
and no reply: what went wrong is in the log, and `take_problem` tells it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from services.common.logs import get_logger
from services.common.tasks import say_why
from services.llm.memory.history import History, Utterance
from services.llm.memory.participants import Participants
from services.llm.memory.store import ConversationStore, Entry, Kept, Key, Participant
from services.llm.persona.persona import Persona
from services.llm.understanding.introducing import introduced
from vivant.errors import Unavailable, VivantError

_log = get_logger(__name__)

#: A change takes some 0.2 ms; a reply waits so long for a disk that hangs, and then goes on without it.
PATIENCE_S: Final = 1.0
#: Without what was said before it is another conversation: that is worth a longer wait, before anybody has said anything.
_OPENING_S: Final = 5.0

Change = Callable[[ConversationStore], Coroutine[Any, Any, None]]


class Record:
    """Keeps nothing before `open`."""

    def __init__(self, persona: Persona, max_words: int, session_id: str = "") -> None:
        self._persona = persona
        self._session_id = session_id
        self._max_words = max_words
        self._begin(Kept())
        self._store: ConversationStore | None = None
        self._key = Key("", persona.id)
        self._kept = False
        """The store knows of this conversation."""
        self._last: asyncio.Task[None] | None = None
        """The change that is written last."""
        self._problem: VivantError | None = None

    async def open(self, store: ConversationStore, conversation_id: str) -> None:
        """Goes on with what was said before, and keeps what is said. Raises InvalidRequest for one with another persona."""
        self._store, self._key = store, Key(conversation_id, self._persona.id)
        try:
            async with asyncio.timeout(_OPENING_S):
                kept = await store.open(self._key)
        except (TimeoutError, Unavailable) as exc:
            self._fail(exc)
        else:
            self._kept = bool(kept.entries)
            self._begin(kept)

    # --- what happens ---------------------------------------------------------------------------------------------------

    def meet(self, participant: Participant) -> None:
        """Somebody is there, or is called something else from now on."""
        self._participants.meet(participant)
        self._keep_names()

    def relabel(self, from_id: str, to_id: str) -> None:
        """Whoever was `from_id` is `to_id`, from now on and in what was said before."""
        if from_id == to_id:
            return
        self._participants.relabel(from_id, to_id)
        self._history.relabel(from_id, to_id)
        if self._kept:
            self._write(lambda store: store.relabel(self._key, from_id, to_id))
        self._keep_names()

    def add(self, entry: Entry) -> Utterance:
        """Something was said. Gives it as the persona knows it."""
        entry = self._participants.appear(entry)
        if name := self._introduced(entry):
            self._participants.learn(entry.participant_id, name)
        self._history.add(entry)
        people, self._kept = self._participants.changed(), True
        self._write(lambda store: store.add(self._key, entry, people))
        return self._participants.shown(entry)

    def heard(self, entry: Entry) -> None:
        """What was heard of the persona's words; a later report replaces an earlier one."""
        entry = self._participants.appear(entry)
        self._history.heard(entry)
        people, self._kept = self._participants.changed(), True
        self._write(lambda store: store.replace(self._key, entry, people))

    def forget(self, turn_id: int) -> None:
        """A turn of this session was taken back."""
        self._history.forget(turn_id)
        if self._kept:
            self._write(lambda store: store.forget(self._key, self._session_id, turn_id))

    @property
    def persona_id(self) -> str:
        return self._persona.id

    # --- what is read ---------------------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was said until now, as far as it is remembered, with ids."""
        return self._history.entries

    @property
    def said(self) -> tuple[Utterance, ...]:
        """What was said until now, as far as it is remembered."""
        return tuple(map(self._participants.shown, self._history.entries))

    def before(self, turn_id: int) -> tuple[Utterance, ...]:
        """What was said before a turn of this session."""
        return tuple(map(self._participants.shown, self._history.before(turn_id)))

    def shown(self, participant_id: str, text: str) -> Utterance:
        """Words that are not complete yet."""
        return self._participants.shown(self._participants.appear(Entry(participant_id, text)))

    def called(self, participant_id: str) -> str:
        """What they are called; whoever is new is there from now on."""
        return self.shown(participant_id, "").speaker

    # --- what is kept ---------------------------------------------------------------------------------------------------

    async def kept(self) -> None:
        """Returns when all that has happened until now is in the store, or cannot be."""
        if self._last and not self._last.done():
            done, _ = await asyncio.wait({self._last}, timeout=PATIENCE_S)
            if not done:
                self._fail(TimeoutError())

    def take_problem(self) -> VivantError | None:
        """Why something could not be kept since this was asked last; None when all was."""
        problem, self._problem = self._problem, None
        return problem

    # --- within ---------------------------------------------------------------------------------------------------------

    def _begin(self, kept: Kept) -> None:
        name = self._persona.profile.name
        self._participants = Participants(self._persona.id, (name, name.split()[0]), kept.participants)
        self._history = History(self._persona.id, self._session_id, self._max_words, kept.entries)

    def _introduced(self, entry: Entry) -> str:
        """The name that somebody says is theirs; "" for none."""
        if entry.participant_id == self._persona.id:
            return ""
        found = introduced(entry.text, self.before(entry.turn_id) if entry.turn_id else self.said, self._persona)
        return found.name if found else ""

    def _keep_names(self) -> None:
        # Of a conversation in which nothing was said nothing is kept, not who was there either.
        if self._kept and (people := self._participants.changed()):
            self._write(lambda store: store.meet(self._key, people))

    def _write(self, change: Change) -> None:
        if self._store:
            self._last = asyncio.create_task(self._written(change, self._store, self._last), name="keep")
            self._last.add_done_callback(say_why("keep"))

    async def _written(self, change: Change, store: ConversationStore, before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait({before})
        try:
            await change(store)
        except Unavailable as exc:
            self._fail(exc)

    def _fail(self, exc: VivantError | TimeoutError) -> None:
        if isinstance(exc, TimeoutError):
            exc = Unavailable(
                "the store of the conversations did not answer in time; see whether the disk of LLM_CONVERSATIONS hangs",
                reason="conversation_not_kept",
            )
        _log.error("conversation_not_kept", reason=exc.reason, detail=exc.message)
        self._problem = exc

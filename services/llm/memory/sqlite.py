"""Conversations in a file of SQLite, which several processes on one machine may share.

When a method returns, the change is with the operating system and outlives this process (WAL, synchronous=NORMAL: 0.2 ms); a
second later it is on the disk itself and outlives a power cut. To wait for that takes 2 ms on a quiet disk and a hundred on a
busy one, and somebody waits for an answer. All of it happens in a thread of its own, in the order in which the methods were
called. What is deleted is overwritten.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from services.common.logs import get_logger
from services.llm.memory import tables
from services.llm.memory.store import Entry, Kept, Key, Participant
from vivant.errors import InvalidRequest, Unavailable, Unusable

_log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: Another process that writes has the file for less than 1 ms; nobody who waits for an answer waits longer than this for it.
_BUSY_S: Final = 1.0
#: At the start there is more time, and a file that is made takes some.
_BUSY_AT_START_S: Final = 10.0
#: A power cut takes no more than what was said in this time.
_FLUSHED_S: Final = 1.0
_PRAGMAS: Final = {"journal_mode": "WAL", "synchronous": "NORMAL", "foreign_keys": "ON", "secure_delete": "ON"}
#: By the beginning of SQLite's name for an error.
_CAUSES: Final = {
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_READONLY": "it cannot be written; let the service write it, or name another place",
    "SQLITE_CANTOPEN": "it cannot be opened; let the service write its folder, or name another place",
    "SQLITE_BUSY": "another process does not let go of it; end what works on it besides the llm services",
    "SQLITE_NOTADB": "it is something else; name another place",
    "SQLITE_CORRUPT": "it is damaged; move it away, and a new one is begun (what is left is read by: sqlite3 FILE .recover)",
    "SQLITE_IOERR": "the disk fails; see the system's log",
}


class SqliteStore:
    """Conversations in the file `path`, or in the memory of this process where there is none.

    Those in which nothing was said for `keep_s` are deleted, whenever another one is opened.
    """

    def __init__(self, path: Path | None, keep_s: float) -> None:
        self._path = path
        self._keep_us = int(keep_s * 1e6)
        self._thread = ThreadPoolExecutor(1, "conversations")
        self._opened: sqlite3.Connection | None = None
        self._flushing: asyncio.TimerHandle | None = None

    # --- the interface --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        try:
            self._thread.submit(self._connect).result()
        except (sqlite3.Error, OSError) as exc:
            raise Unusable(f"{self._where()} cannot be used: {_cause(exc)}", reason="store_unusable") from exc

    async def open(self, key: Key) -> Kept:
        kept = await self._run(self._read, key)
        self._thread.submit(self._delete_old)
        return kept

    async def meet(self, key: Key, participants: Sequence[Participant]) -> None:
        await self._change(key, (), tables.meet, key, participants)

    async def relabel(self, key: Key, from_id: str, to_id: str) -> None:
        await self._change(key, (), tables.relabel, key, from_id, to_id)

    async def add(self, key: Key, entry: Entry, participants: Sequence[Participant]) -> None:
        await self._change(key, participants, tables.add, key, entry)

    async def replace(self, key: Key, entry: Entry, participants: Sequence[Participant]) -> None:
        await self._change(key, participants, tables.replace, key, entry)

    async def forget(self, key: Key, session_id: str, turn_id: int) -> None:
        await self._change(key, (), tables.forget, key, session_id, turn_id)

    async def close(self) -> None:
        if self._flushing:
            self._flushing.cancel()
        await self._run(self._disconnect)
        self._thread.shutdown(wait=False)

    # --- on the way to the thread ---------------------------------------------------------------------------------------

    async def _change(
        self,
        key: Key,
        participants: Sequence[Participant],
        change: Callable[Concatenate[sqlite3.Connection, P], None],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        def changed() -> None:
            with _transaction(self._db) as db:
                tables.touch(db, key, _now_us())
                tables.meet(db, key, participants)
                change(db, *args, **kwargs)

        await self._run(changed)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(_FLUSHED_S, self._begin_to_flush)

    def _begin_to_flush(self) -> None:
        self._flushing = None
        self._thread.submit(self._flush)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        except sqlite3.Error as exc:
            raise Unavailable(
                f"what was said could not be kept: {self._where()}: {_cause(exc)}", reason="conversation_not_kept"
            ) from exc

    # --- in the thread --------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._path:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # What people said is nobody else's to read.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(self._path or ":memory:", timeout=_BUSY_AT_START_S, isolation_level=None, check_same_thread=False)
        self._opened = db
        for name, value in _PRAGMAS.items():
            db.execute(f"PRAGMA {name} = {value}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > tables.VERSION:
            raise Unusable(f"{self._where()} was made by a newer Vivant; use that one", reason="store_unusable")
        with _transaction(db):
            tables.make(db)
        db.execute(f"PRAGMA busy_timeout = {_BUSY_S * 1000:.0f}")

    def _disconnect(self) -> None:
        if self._opened:
            self._opened.close()
            self._opened = None

    def _read(self, key: Key) -> Kept:
        persona_id = tables.persona_of(self._db, key.conversation_id)
        if persona_id not in (None, key.persona_id):
            raise InvalidRequest(
                f"the conversation {key.conversation_id!r} is one with {persona_id!r}, not with {key.persona_id!r}; "
                "begin another one, with an id of its own",
                reason="other_persona",
            )
        return tables.read(self._db, key)

    def _delete_old(self) -> None:
        with self._behind("conversations_not_deleted"), _transaction(self._db) as db:
            tables.delete_before(db, _now_us() - self._keep_us)

    def _flush(self) -> None:
        with self._behind("conversations_not_flushed"):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def _behind(self, event: str) -> Iterator[None]:
        """Work for which nobody waits: what goes wrong is in the log, and tried again next time."""
        try:
            yield
        except sqlite3.Error as exc:
            _log.warning(event, path=str(self._path), detail=_cause(exc))

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._opened is not None, "load comes first"
        return self._opened

    def _where(self) -> str:
        return f"the file of the conversations ({self._path}, LLM_CONVERSATIONS)"


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    # IMMEDIATE: whoever reads first and writes then would not wait for another writer, but fail.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _cause(exc: sqlite3.Error | OSError) -> str:
    """What is wrong, and what to do."""
    if isinstance(exc, OSError):
        return f"{exc.strerror}; let the service write there, or name another place"
    name = getattr(exc, "sqlite_errorname", "")
    return next((cause for begins, cause in _CAUSES.items() if name.startswith(begins)), str(exc))


def _now_us() -> int:
    return time.time_ns() // 1000

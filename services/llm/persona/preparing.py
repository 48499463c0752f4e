"""Making the memory of a persona ready beside the conversations: all that its story has must be embedded, once.

It is done piece by piece in one thread that steps back behind the others of the machine, so that who is ready goes on answering
as before, and it can end after each piece. What was embedded until then is kept, and is where the next attempt begins.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from services.common.logs import get_logger
from services.llm.memory.embedding import Embedder
from services.llm.memory.retrieval import texts_of
from services.llm.memory.vectors import Vectors, pieces
from services.llm.persona.persona import Persona
from services.llm.reply.recalling import Recaller
from vivant.errors import Unavailable

_log = get_logger(__name__)

T = TypeVar("T")

#: After so many pieces what is done is written down: all that is lost when the machine stops.
_KEEP_EVERY: Final = 32
#: How far the thread steps back: beside a busy process it gets a tenth of a core, on an idle one all of it.
_NICE: Final = 10
#: Who was told to try again does so within this time; work that nobody has waited for since then ends.
LINGER_S: Final = 30.0

Tell = Callable[[float], None]


class Preparation:
    """A `Recaller` in the making. It ends when nobody waits for it any more, unless it is `lasting`."""

    def __init__(self, persona: Persona, vectors: Vectors, *, lasting: bool, linger_s: float = LINGER_S) -> None:
        self.persona = persona
        self.vectors = vectors
        self.lasting = lasting
        self.done = 0.0
        """0 to 1."""
        self._linger_s = linger_s
        self._waiting = 0
        self._leaving: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Recaller] | None = None

    def begin(self, task: asyncio.Task[Recaller]) -> None:
        """`task` does the work."""
        self._task = task

    def tell(self, done: float) -> None:
        self.done = done

    async def recaller(self, timeout_s: float | None = None) -> Recaller | None:
        """The recaller, or None when it is not ready after `timeout_s`. Raises Unavailable when the work was ended."""
        assert self._task is not None
        with self.wanted():
            await asyncio.wait({self._task}, timeout=timeout_s)
        if not self._task.done():
            return None
        if self._task.cancelled():
            raise not_yet(self.persona.profile.name, self.done)
        return self._task.result()

    async def over(self) -> None:
        """Waits until it has ended, in whatever way."""
        assert self._task is not None
        await asyncio.wait({self._task})

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Somebody waits."""
        self._waiting += 1
        if self._leaving:
            self._leaving.cancel()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and not self.lasting:
                self._leaving = asyncio.get_running_loop().call_later(self._linger_s, self._end_unwanted)

    def end(self) -> None:
        """Ends the work with the piece in hand."""
        if self._leaving:
            self._leaving.cancel()
        if self._task:
            self._task.cancel()

    def _end_unwanted(self) -> None:
        if not self._waiting and not self.lasting and self._task and not self._task.done():
            _log.info("preparation_ended", persona=self.persona.id, done=round(self.done, 2), detail="nobody waits for it")
            self.end()


class Preparer:
    """Embeds stories."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(1, "prepare", initializer=_step_back)
        self._closed = threading.Event()

    def make_now(self, persona: Persona, vectors: Vectors, tell: Tell) -> Recaller:
        """Blocks, and uses all cores: for the time before anybody can be answered. Raises Unavailable when closed meanwhile."""
        texts = texts_of(persona.passages)
        parts = pieces(vectors.missing(texts))
        threads = ThreadPoolExecutor(os.cpu_count(), "prepare")
        try:
            for number, _ in _told(persona.id, threads.map(vectors.embed, parts), len(parts), tell):
                if self._closed.is_set():
                    raise Unavailable("the llm service is stopping", reason="stopping")
                if number % _KEEP_EVERY == 0:
                    vectors.keep(texts)
        finally:
            threads.shutdown(cancel_futures=True)
            if parts:
                vectors.keep(texts)
        return Recaller(persona, self._embedder, vectors)

    async def make(self, persona: Persona, vectors: Vectors, tell: Tell) -> Recaller:
        """The same in the background; cancelled, it ends with the piece in hand."""
        texts = await self._run(texts_of, persona.passages)
        parts = pieces(await self._run(vectors.missing, texts))
        try:
            for number, piece in _told(persona.id, parts, len(parts), tell):
                await self._run(vectors.embed, piece)
                if number % _KEEP_EVERY == 0:
                    await self._run(vectors.keep, texts)
        finally:
            if parts and not self._closed.is_set():
                self._thread.submit(vectors.keep, texts)
        return await self._run(Recaller, persona, self._embedder, vectors)

    async def close(self) -> None:
        """Waits for the piece in hand."""
        self._closed.set()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=False)

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def not_yet(name: str, done: float) -> Unavailable:
    """What somebody is told who comes too early."""
    return Unavailable(f"{name} is being prepared, {done:.0%} done; try again in a few seconds", reason="loading")


def _told(persona_id: str, parts: Iterable[T], count: int, tell: Tell) -> Iterator[tuple[int, T]]:
    """The parts, numbered from 1; tells after each how far it is, and the log at the quarters."""
    started = time.monotonic()
    if count:
        _log.info("persona_preparing", persona=persona_id, pieces=count)
    for number, part in enumerate(parts, 1):
        yield number, part
        tell(number / count)
        if number * 4 // count > (number - 1) * 4 // count:
            seconds = round(time.monotonic() - started, 1)
            _log.info("persona_prepared", persona=persona_id, done=round(number / count, 2), seconds=seconds)


def _step_back() -> None:
    if sys.platform == "linux":
        # There a thread has a priority of its own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

"""The personas of this process: as their folders have them now, each with its memory indexed once it is wanted.

No persona waits for another. One that is not ready is prepared in the background (`preparing.py`); one whose folder was changed
goes on as it was until the new is ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.logs import get_logger
from services.common.tasks import say_why
from services.llm.engine import Engine
from services.llm.memory.embedding import Embedder
from services.llm.memory.vectors import Vectors
from services.llm.persona.persona import FILES, Persona, find, list_ids, load_persona
from services.llm.persona.preparing import LINGER_S, Preparation, Preparer, not_yet
from services.llm.reply.recalling import Recaller
from services.llm.reply.replier import Replier
from services.llm.settings import LlmSettings
from vivant.errors import NotFound, Unavailable, Unusable, VivantError

_log = get_logger(__name__)

#: A conversation waits so long for a persona that is being prepared; most changes of a story take less.
PATIENCE_S: Final = 1.0
#: How often somebody who wants to see it is told how far a preparation is.
_TOLD_EVERY_S: Final = 0.5

#: Tells a folder from the same folder with something changed.
Stamp = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Ready:
    """A persona that can be talked to."""

    persona: Persona
    replier: Replier
    vectors: Vectors


class Personas:
    """Reads personas and keeps them with their memory indexed."""

    def __init__(
        self, folder: Path, embedding_folder: Path, engine: Engine, settings: LlmSettings, linger_s: float = LINGER_S
    ) -> None:
        self._folder = folder
        self._embedding_folder = embedding_folder
        self._engine = engine
        self.settings = settings
        self._linger_s = linger_s
        self._embedder: Embedder | None = None
        self._preparer: Preparer | None = None
        self._found: dict[str, tuple[Stamp, Persona]] = {}
        """As the folders have them."""
        self._ready: dict[str, _Ready] = {}
        self._preparing: dict[str, Preparation] = {}
        self._first = 0.0
        """How far the default persona is, before anybody can be answered."""
        self._files = ThreadPoolExecutor(2, "persona-files")
        self._behind: asyncio.Task[None] | None = None

    # --- from the start to the end --------------------------------------------------------------------------------------

    def load(self) -> None:
        """Loads the embedding model and the default persona; blocks."""
        embedder = Embedder(self._embedding_folder)
        self._preparer = preparer = Preparer(embedder)
        persona = self._read(self.settings.persona)
        vectors = self._vectors(persona.id, embedder)
        self._put(persona, preparer.make_now(persona, vectors, self._tell_first), vectors)
        self._embedder = embedder

    async def warm(self) -> None:
        """Lets the model read what the default persona's prompts begin with; starts all the same when it is out of reach."""
        replier = await self.replier("")
        try:
            await replier.prefill_waiting((), lane=0)
        except VivantError as exc:
            _log.warning("engine_out_of_reach", detail=exc.message)

    def begin(self) -> None:
        """Prepares the other personas, one after the other, behind all that conversations need."""
        self._behind = asyncio.create_task(self._prepare_all(), name="prepare")
        self._behind.add_done_callback(say_why("prepare"))

    async def close(self) -> None:
        """Ends all preparations."""
        if self._behind:
            self._behind.cancel()
        for preparation in self._preparing.values():
            preparation.end()
        if self._preparer:
            await self._preparer.close()
        self._files.shutdown(wait=False)

    # --- what is asked --------------------------------------------------------------------------------------------------

    async def get(self, persona_id: str) -> Persona:
        """A persona as its folder has it now. Raises NotFound or Unusable."""
        persona_id = persona_id or self.settings.persona
        try:
            return await asyncio.get_running_loop().run_in_executor(self._files, self._read, persona_id)
        except NotFound:
            self._forget(persona_id)
            raise

    async def usable(self) -> list[Persona]:
        """All personas whose folders are in order; the log says what is wrong with the others."""
        found = []
        for persona_id in await asyncio.get_running_loop().run_in_executor(self._files, list_ids, self._folder):
            try:
                found.append(await self.get(persona_id))
            except VivantError as exc:
                _log.warning("persona_refused", persona=persona_id, reason=exc.reason, detail=exc.message)
        return found

    async def replier(self, persona_id: str) -> Replier:
        """The one that speaks for a persona; empty is the default one.

        Raises NotFound or Unusable, and Unavailable while it is being prepared, after a short wait. Whoever needs an adapter
        that is not there does not get another model instead.
        """
        persona = await self.get(persona_id)
        try:
            await self._engine.require(persona.profile.adapter)
        except Unusable as exc:
            raise Unusable(f"persona {persona.id!r}: {exc.message}", reason=exc.reason) from exc
        before = self._ready.get(persona.id)
        if before is None or before.persona != persona:
            try:
                await self._prepare(persona, lasting=before is not None).recaller(PATIENCE_S)
            except Unavailable as exc:
                if before is None:
                    raise
                _log.info("preparation_ended", persona=persona.id, detail=exc.message)
        if ready := self._ready.get(persona.id):
            return ready.replier
        raise not_yet(persona.profile.name, self.done(persona.id))

    async def prepare(self, persona_id: str) -> AsyncGenerator[float, None]:
        """How far it is, 0 to 1, until the persona is ready as its folder has it. Raises NotFound, Unusable, Unavailable."""
        while True:
            persona = await self.get(persona_id)
            if (ready := self._ready.get(persona.id)) and ready.persona == persona:
                return
            preparation = self._prepare(persona, lasting=False)
            with preparation.wanted():
                yield preparation.done
                while await preparation.recaller(_TOLD_EVERY_S) is None:
                    yield preparation.done

    def done(self, persona_id: str) -> float:
        """How far a persona is, 0 to 1; 1 is for one that can be talked to."""
        if persona_id in self._ready:
            return 1.0
        preparation = self._preparing.get(persona_id)
        return preparation.done if preparation else 0.0

    def activities(self) -> list[str]:
        """What is being made ready in the background, for people."""
        if self._embedder is None:
            return [f"preparing {self.settings.persona}, {self._first:.0%}"] if self._first else []
        return [f"preparing {name}, {preparation.done:.0%}" for name, preparation in self._preparing.items()]

    # --- within ---------------------------------------------------------------------------------------------------------

    def _read(self, persona_id: str) -> Persona:
        """A persona as its folder has it, read anew when something there has changed; blocks."""
        stamp = _stamp(find(self._folder, persona_id))
        known = self._found.get(persona_id)
        if known is None or known[0] != stamp:
            self._found.pop(persona_id, None)
            self._found[persona_id] = known = (stamp, load_persona(self._folder, persona_id))
        return known[1]

    def _prepare(self, persona: Persona, *, lasting: bool) -> Preparation:
        """The preparation of a persona as it is now: the one that is under way, or a new one."""
        if self._embedder is None or self._preparer is None:
            raise Unavailable("the llm service is still loading; try again in a few seconds", reason="loading")
        old = self._preparing.get(persona.id)
        if old is not None and old.persona == persona:
            old.lasting |= lasting
            return old
        if old is not None:
            old.end()
        last = old or self._ready.get(persona.id)
        vectors = last.vectors if last else self._vectors(persona.id, self._embedder)
        preparation = Preparation(persona, vectors, lasting=lasting, linger_s=self._linger_s)
        self._preparing[persona.id] = preparation
        task = asyncio.create_task(self._make(preparation, self._preparer), name=f"prepare-{persona.id}")
        task.add_done_callback(say_why(f"prepare-{persona.id}"))
        preparation.begin(task)
        return preparation

    async def _make(self, preparation: Preparation, preparer: Preparer) -> Recaller:
        persona = preparation.persona
        try:
            recaller = await preparer.make(persona, preparation.vectors, preparation.tell)
            if self._preparing.get(persona.id) is preparation:
                self._put(persona, recaller, preparation.vectors)
            return recaller
        finally:
            if self._preparing.get(persona.id) is preparation:
                del self._preparing[persona.id]

    async def _prepare_all(self) -> None:
        for persona in await self.usable():
            if persona.id not in self._ready:
                # However it ends: what is wrong with one is in the log, and keeps nobody else from being prepared.
                await self._prepare(persona, lasting=True).over()

    def _put(self, persona: Persona, recaller: Recaller, vectors: Vectors) -> None:
        self._ready[persona.id] = _Ready(persona, Replier(recaller, self._engine, self.settings), vectors)
        _log.info("persona_ready", persona=persona.id, passages=len(persona.passages))

    def _forget(self, persona_id: str) -> None:
        """A folder is gone; conversations that go on keep what they have."""
        self._found.pop(persona_id, None)
        if preparation := self._preparing.pop(persona_id, None):
            preparation.end()
        if self._ready.pop(persona_id, None):
            _log.warning("persona_removed", persona=persona_id)

    def _vectors(self, persona_id: str, embedder: Embedder) -> Vectors:
        elsewhere = self.settings.embeddings_dir
        beside = self._folder / persona_id / "derived" / "embeddings.npz"
        if elsewhere is not None:
            return Vectors(embedder, elsewhere.expanduser() / f"{persona_id}.npz")
        return Vectors(embedder, beside, Path.home() / ".cache" / "vivant" / "embeddings" / f"{persona_id}.npz")

    def _tell_first(self, done: float) -> None:
        self._first = done


def _stamp(folder: Path) -> Stamp:
    """Of a folder that is not there nothing but emptiness."""
    found = list[tuple[int, ...]]()
    for name in FILES:
        try:
            status = (folder / name).stat()
        except OSError:
            found.append(())
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)

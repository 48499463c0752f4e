"""The personas of this process: read and indexed once, when first asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.common.logs import get_logger
from services.llm.embedding import Embedder
from services.llm.engine import Engine
from services.llm.mind import Mind
from services.llm.persona import Persona, list_ids, load_persona
from services.llm.reply import Replier
from services.llm.settings import LlmSettings
from vivant.errors import Unavailable, VivantError

_log = get_logger(__name__)


class Personas:
    """Loads personas and keeps them with their memory indexed."""

    def __init__(self, folder: Path, embedding_folder: Path, engine: Engine, settings: LlmSettings) -> None:
        self._folder = folder
        self._embedding_folder = embedding_folder
        self._engine = engine
        self._settings = settings
        self._embedder: Embedder | None = None
        self._repliers: dict[str, Replier] = {}
        self._loading = asyncio.Lock()

    def load(self) -> None:
        """Loads the embedding model and the default persona; blocks."""
        self._embedder = Embedder(self._embedding_folder)
        self._repliers[self._settings.persona] = self._make(self._settings.persona)

    async def warm(self) -> None:
        """Lets the model read what the default persona's prompts begin with; starts all the same when it is out of reach."""
        replier = await self.replier("")
        try:
            await replier.prefill_waiting((), lane=0)
        except VivantError as exc:
            _log.warning("engine_out_of_reach", detail=exc.message)

    async def replier(self, persona_id: str) -> Replier:
        """The one that speaks for a persona; empty is the default one. Raises NotFound or Unusable."""
        persona_id = persona_id or self._settings.persona
        async with self._loading:
            if persona_id not in self._repliers:
                self._repliers[persona_id] = await asyncio.to_thread(self._make, persona_id)
            return self._repliers[persona_id]

    async def get(self, persona_id: str) -> Persona:
        """A persona as its folder has it now. Raises NotFound or Unusable."""
        return await asyncio.to_thread(load_persona, self._folder, persona_id or self._settings.persona)

    async def usable(self) -> list[Persona]:
        """All personas that can be talked to; the log says what is wrong with the others."""
        found = []
        for persona_id in await asyncio.to_thread(list_ids, self._folder):
            try:
                found.append(await self.get(persona_id))
            except VivantError as exc:
                _log.warning("persona_refused", persona=persona_id, reason=exc.reason, detail=exc.message)
        return found

    def _make(self, persona_id: str) -> Replier:
        if self._embedder is None:
            raise Unavailable("the llm service is still loading; try again in a few seconds", reason="loading")
        persona = load_persona(self._folder, persona_id)
        kept = self._folder / persona_id / "derived" / "embeddings.npz"
        return Replier(Mind(persona, self._embedder, kept), self._engine, self._settings)

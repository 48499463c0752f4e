"""Parts for tests of the llm service: a small persona, embeddings without a model, an engine with a script."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.common.settings import SharedSettings
from services.llm.engines.fake import FakeEngine
from services.llm.memory.history import Utterance
from services.llm.persona.persona import load_persona
from services.llm.reply.outputs import Cue, Done, Text
from services.llm.reply.recalling import Recaller
from services.llm.reply.replier import Replier
from services.llm.settings import FakeOptions, LlmSettings
from services.llm.understanding.words import content
from tests.harness.data import PERSONAS


class WordEmbedder:
    """Embeds a text as the bag of its words: alike texts are those that share words."""

    fingerprint = "words"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.full((len(texts), 384), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in content(text):
                vectors[row, zlib.crc32(word.encode()) % 384] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_words(self, words: Sequence[str]) -> np.ndarray:
        return self.embed(words)


def fake_engine(*replies: str, token_delay_s: float = 0.0, weights: tuple[float, ...] = ()) -> FakeEngine:
    return FakeEngine(FakeOptions(replies=replies, token_delay_s=token_delay_s, weights=weights), SharedSettings())


def pip_recaller(folder: Path) -> Recaller:
    return Recaller(load_persona(PERSONAS, "pip"), WordEmbedder(), folder / "embeddings.npz")


def pip(folder: Path, engine: FakeEngine, **settings: object) -> Replier:
    return Replier(pip_recaller(folder), engine, LlmSettings(persona="pip", **settings))


async def replied(
    replier: Replier, text: str, history: Sequence[Utterance] = (), speaker: str = "Ana", *, named: bool = False
) -> tuple[str, list[str]]:
    """What is answered, and the names of its cues; that the speaker is called so is known where they are `named`."""
    said, cues = "", []
    async for event in replier.reply(Utterance(speaker, text, nameless=not named), history, 0):
        if isinstance(event, Text):
            said += event.text
        elif isinstance(event, Cue):
            cues.append(event.cue.name)
        assert not isinstance(event, Done) or said
    return said.strip(), cues

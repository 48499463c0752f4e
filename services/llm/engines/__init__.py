"""The language model engines to choose from with LLM_ENGINE."""

from __future__ import annotations

from typing import Final

from services.common.registry import EngineSpec
from services.llm.settings import FakeOptions, LlamacppOptions, OpenaiOptions

ENGINES: Final = (
    EngineSpec("llamacpp", "services.llm.engines.llamacpp:LlamacppEngine", LlamacppOptions, "requirements/llm.txt"),
    EngineSpec("openai", "services.llm.engines.openai:OpenaiEngine", OpenaiOptions, "requirements/llm.txt"),
    EngineSpec("fake", "services.llm.engines.fake:FakeEngine", FakeOptions, "requirements/llm.txt"),
)

"""A scripted engine: no model, the same words every time. For tests and for trying out the rest of the system."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

from services.common.settings import SharedSettings
from services.llm.engine import Item, LlmInfo, Prompt, Usage, without_adapters
from services.llm.settings import FakeOptions

_MEMORIES = re.compile(r"\[memories: (.*?)\]", re.DOTALL)


class FakeEngine:
    """Says its script; without one, the memories it was given, or that it cannot tell. Keeps what it was asked."""

    def __init__(self, options: FakeOptions, shared: SharedSettings) -> None:
        self._options = options
        self._said = 0
        self.prefilled: list[tuple[int, Prompt]] = []
        self.generated: list[tuple[int, Prompt]] = []
        self.weighed: list[Prompt] = []
        self.stopped = 0
        """Replies that were closed before their end."""
        self.fail_with: Exception | None = None
        """Raised by the next calls, until it is None again."""

    @property
    def info(self) -> LlmInfo:
        return LlmInfo(name="fake", version="1", prefill=True)

    def load(self) -> None:
        return

    async def connect(self) -> None:
        return

    async def require(self, adapter: str) -> None:
        without_adapters(adapter, "fake")

    async def prefill(self, prompt: Prompt, lane: int) -> None:
        self._check()
        self.prefilled.append((lane, prompt))

    async def generate(self, prompt: Prompt, max_tokens: int, lane: int) -> AsyncGenerator[Item, None]:
        self.generated.append((lane, prompt))
        words = re.findall(r"\S+\s*", self._reply(prompt))[:max_tokens]
        complete = False
        try:
            for word in words:
                self._check()
                await asyncio.sleep(self._options.token_delay_s)
                yield word
            complete = True
        finally:
            self.stopped += not complete
        self._check()
        yield Usage(prompt_tokens=sum(len(message.content.split()) for message in prompt.messages), reply_tokens=len(words))

    async def weigh(self, prompt: Prompt, answers: Sequence[str]) -> tuple[float, ...]:
        self._check()
        self.weighed.append(prompt)
        return self._options.weights or (1 / len(answers),) * len(answers)

    def problems(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        return

    def _reply(self, prompt: Prompt) -> str:
        if self._options.replies:
            self._said += 1
            return self._options.replies[(self._said - 1) % len(self._options.replies)]
        found = _MEMORIES.search(prompt.messages[-1].content)
        return found.group(1) if found and found.group(1) != "none" else "That I couldn't tell you."

    def _check(self) -> None:
        if self.fail_with:
            raise self.fail_with

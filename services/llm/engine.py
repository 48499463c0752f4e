"""What a language model engine is: messages in, words out. It knows nothing of personas, history or grounding."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from services.common.engine import EngineInfo
from vivant.errors import Unusable

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True)
class Prompt:
    """A chat that ends with a message of the user."""

    messages: tuple[Message, ...]
    opening: str = ""
    """Words with which the reply has begun; the model goes on from there."""
    adapter: str = ""
    """The fine-tuned model that answers, by its name on a server; empty: the one that the engine is set up with."""


@dataclass(frozen=True)
class Thought:
    """Reasoning that a server gives beside the text; it is not said."""

    text: str


@dataclass(frozen=True)
class Called:
    """The model calls a tool. It was offered none."""


Finish = Literal["stop", "length", "tool", "filter", "cut"]
"""Why a reply is over: it is complete, as long as it may be, it calls a tool, the server withheld the rest, it broke off."""


@dataclass(frozen=True)
class Usage:
    """The last item of a reply."""

    prompt_tokens: int
    """Tokens of the prompt that had to be read; those found in the cache are not counted."""
    reply_tokens: int
    finish: Finish = "stop"
    cached_tokens: int = 0
    """Tokens of the prompt that were found in the cache; 0 also where that is not told."""


Item = str | Thought | Called | Usage
"""A piece of the text as the model writes it, marks and all, or what else comes beside it."""


@dataclass(frozen=True, kw_only=True)
class LlmInfo(EngineInfo):
    prefill: bool = False
    """`prefill` does something: words are read ahead while they are still being said."""
    opening: Literal["passage", "model"] = "model"
    """How replies begin unless the settings say: a model that is too small to be trusted leaves the word to the life story."""


def without_adapters(adapter: str, engine: str) -> None:
    """`Engine.require` of an engine that has none."""
    if adapter:
        raise Unusable(
            f"there is no adapter {adapter!r}: the engine {engine} has none; set LLM_ENGINE=openai, for a server that has it, "
            "or take `adapter` out of persona.toml",
            reason="unknown_adapter",
        )


def weighed(tokens: Sequence[tuple[str, float]], answers: Sequence[str]) -> tuple[float, ...]:
    """For each answer the probability of the tokens that are it; `tokens` are words and their log-probabilities."""
    return tuple(
        sum(math.exp(logprob) for token, logprob in tokens if token.strip().lower() == answer.lower()) for answer in answers
    )


class Engine(Protocol):
    """A language model. `lane` is a number from 0 that each conversation keeps, so that an engine can keep its state apart."""

    @property
    def info(self) -> LlmInfo: ...

    def load(self) -> None:
        """Gets ready; blocks. Raises Unusable when it cannot work as it is set up."""

    async def connect(self) -> None:
        """After `load`: waits until what it needs elsewhere is there, for a bounded time; `problems` says what it waits for.

        Raises Unusable for what will not pass, and Unavailable when the time is over.
        """

    async def require(self, adapter: str) -> None:
        """Raises Unusable, with what there is instead, where no prompt can name this adapter; "" is always there."""

    async def prefill(self, prompt: Prompt, lane: int) -> None:
        """Reads the prompt, whose last message may still grow, so that a later `generate` has less to read."""

    def generate(self, prompt: Prompt, max_tokens: int, lane: int) -> AsyncGenerator[Item, None]:
        """The reply, token by token, and a Usage at the end. Closing the iterator stops the model.

        Raises Unavailable or Timeout when the model is out of reach.
        """

    async def weigh(self, prompt: Prompt, answers: Sequence[str]) -> tuple[float, ...]:
        """For each of several one-word answers the probability that the reply begins with it, case and spaces aside.

        It keeps clear of the state of the conversations. Raises like `generate`, and Unusable where the model's probabilities
        cannot be had.
        """

    def problems(self) -> Sequence[str]:
        """Sentences that say why it cannot serve at the moment."""

    async def close(self) -> None:
        """Stops all work and frees the model."""

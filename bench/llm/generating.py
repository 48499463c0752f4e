"""The engine itself against the server: replies that are stopped, and replies that memory has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.llm.vllm import Vllm
from services.common.settings import SharedSettings
from services.llm.engine import Item, Message, Prompt
from services.llm.engines.openai import OpenaiEngine
from services.llm.memory.history import Utterance
from services.llm.persona.persona import load_persona
from services.llm.reply import prompt as prompts
from services.llm.settings import OpenaiOptions

#: A reply is stopped behind so many pieces; behind 0 it is stopped while its prompt is read.
PIECES: Final = (0, 0, 0, 0, 1, 1, 2, 4, 8, 12, 16, 24)
#: So long the prompt is read before it is stopped.
_READING_S: Final = 0.3
#: A server that has done nothing for so long has stopped: a token takes a tenth of that.
_QUIET_S: Final = 1.0
_LOOK_S: Final = 0.02
_TIMES: Final = 5
_SHORT: Final = Prompt((Message("user", "Hello."),))
#: Each so many passages of the life story begin two replies, one with their first sentence and one with half of it.
_EACH: Final = 12
_REPLY_TOKENS: Final = 24
#: A reply that has so many words in a row of its beginning says that again.
_SAME_WORDS: Final = 3


@dataclass(frozen=True)
class Begun:
    """A reply that had begun, and how the model went on."""

    opening: str
    reply: str

    @property
    def again(self) -> bool:
        """Whether the beginning is said once more."""
        first = _words(self.opening)[:_SAME_WORDS]
        said = _words(self.reply)
        return any(said[place : place + len(first)] == first for place in range(len(said)))


@asynccontextmanager
async def engine(server: Vllm, **options: Any) -> AsyncIterator[OpenaiEngine]:
    """The engine as the service has it, but without chance."""
    made = OpenaiEngine(OpenaiOptions(base_url=server.base_url, temperature=0.0, **options), SharedSettings())
    made.load()
    await made.connect()
    try:
        yield made
    finally:
        await made.close()


async def stopped_ms(server: Vllm) -> list[float]:
    """For each of PIECES the time from closing a reply until the last sign of work on it, and at least a look at the server.

    A sign is a token more, or that the server counts it as running, which it does anew after each of its steps.
    """
    found = []
    # It would go on until its limit.
    async with engine(server, extra={"ignore_eos": True}) as made:
        for number, pieces in enumerate(PIECES):
            found.append(await _stopped_ms(made, server, _long(number), pieces))
    return found


async def waited_ms(server: Vllm) -> tuple[list[float], list[float]]:
    """How long a short question takes behind a prompt that was stopped while it was read, and how long it takes by itself."""
    behind, alone = [], []
    async with engine(server) as made:
        for number in range(_TIMES):
            alone.append(await _answered_ms(made))
            await _read_in_part(made.generate(_long(100 + number), 1, 0))
            behind.append(await _answered_ms(made))
    return behind, alone


async def _answered_ms(made: OpenaiEngine) -> float:
    started = asyncio.get_running_loop().time()
    async for _ in made.generate(_SHORT, 1, 0):
        pass
    return (asyncio.get_running_loop().time() - started) * 1000


async def _read_in_part(items: AsyncGenerator[Item, None]) -> float:
    """Asks for a reply and closes it while its prompt is read; returns when. RuntimeError: it was read before that."""
    reading = asyncio.ensure_future(anext(items))
    await asyncio.sleep(_READING_S)
    if reading.done():
        raise RuntimeError("the prompt was read before it could be stopped")
    closed = asyncio.get_running_loop().time()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return closed


def _long(number: int) -> Prompt:
    """A prompt that takes a while to read: nothing of it is in the cache."""
    story = f"Story {number}. " + "The sea was grey that morning, and nobody had lit the lamp. " * 60
    return Prompt((Message("system", story), Message("user", "Tell me all of it, slowly.")))


async def _stopped_ms(made: OpenaiEngine, server: Vllm, prompt: Prompt, pieces: int) -> float:
    loop = asyncio.get_running_loop()
    items = made.generate(prompt, 400, 0)
    if pieces:
        for _ in range(pieces):
            await anext(items)
        started = last = loop.time()
        await items.aclose()
    else:
        started = last = await _read_in_part(items)
    written: float | None = None
    while loop.time() < last + _QUIET_S:
        now = await server.counters()
        if written is None or now.running or now.written > written:
            last = loop.time()
        written = now.written
        await asyncio.sleep(_LOOK_S)
    return (last - started) * 1000


async def begun(server: Vllm, **options: Any) -> list[Begun]:
    """Replies to questions about June's life that her memory has begun."""
    persona = load_persona(Path("personas"), "june")
    found = []
    async with engine(server, **options) as made:
        for passage in persona.passages[::_EACH]:
            sentence = passage.sentences[0]
            words = sentence.split()
            for opening in (sentence + " ", " ".join(words[: (len(words) + 1) // 2]) + " "):
                question = Utterance("Ana", passage.question)
                prompt = prompts.build(persona, (), (passage.text,), question, opening)
                items = [item async for item in made.generate(prompt, _REPLY_TOKENS, 0)]
                found.append(Begun(opening.strip(), "".join(item for item in items if isinstance(item, str))))
    return found


def _words(text: str) -> list[str]:
    return ["".join(filter(str.isalnum, word)).lower() for word in text.split()]

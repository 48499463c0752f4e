"""A conversation with the llm service over gRPC, at the pace of speech, and what of its prompts had to be read."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc

from bench.llm.vllm import Counters, Vllm
from vivant.common.v1 import common_pb2
from vivant.llm.v1 import llm_pb2

#: Questions about June's life, a remark that no memory answers, and what leans on what was said before.
LINES: Final = (
    "Hello June, how are you today?",
    "What do you do for a living?",
    "Who brought the piano across the ice?",
    "And when was that?",
    "I had a long day at work and my feet hurt.",
    "What was your mother like?",
    "Did she teach you the piano?",
    "Tell me about the goose.",
    "Do you have any brothers or sisters?",
    "What does your brother do?",
    "What is the winter like up there?",
    "Would you ever move away from Tansy Harbor?",
)
#: A speaker says about 3 words a second; words are sent as often as a recogniser would.
_WORD_S: Final = 0.33


@dataclass(frozen=True)
class Turn:
    """One line and the reply to it."""

    line: str
    reply: str
    first_ms: float
    """From the commit to the first text."""
    read: int
    cached: int
    """Tokens of the prompt as `done` tells them; both 0 when the model was not asked, or its reply was not heard to its end."""
    asked: int = 0
    found: int = 0
    """Tokens of prompts from the commit on, and those of them in the cache, as the server counts them: with those of a prompt
    that was still being read ahead."""


class Conversation:
    """One conversation with June, who is heard to the end of each reply."""

    def __init__(self, stub: Any, server: Vllm | None = None, *, cold: bool = False) -> None:
        """`server`: the one behind the service; `cold`: it forgets all prompts before each commit."""
        self._call = stub.Generate()
        self._server = server
        self._cold = cold
        self.turns = list[Turn]()

    async def open(self) -> None:
        await self._send(config=llm_pb2.GenerateConfig(persona_id="june", session_id="bench"))

    async def say(self, line: str) -> None:
        """Speaks a line and takes the reply. Raises RuntimeError when that fails."""
        turn_id, words = len(self.turns) + 1, line.split()
        for count in range(2, len(words)):
            await self._send(words=llm_pb2.HeardWords(turn_id=turn_id, text=" ".join(words[:count]), participant_id="asker"))
            await asyncio.sleep(_WORD_S)
        if self._cold and self._server:
            await self._server.forget()
        before = await self._server.counters() if self._server else Counters()
        turn = await self._commit(turn_id, line)
        after = await self._server.counters() if self._server else before
        self.turns.append(replace(turn, asked=int(after.asked - before.asked), found=int(after.cached - before.cached)))
        await self._send(heard=llm_pb2.Heard(turn_id=turn_id, utterance_id=f"reply-{turn_id}", text=turn.reply))

    async def close(self) -> None:
        await self._send(finish=llm_pb2.Finish())
        await self._call.done_writing()
        while await self._call.read() is not grpc.aio.EOF:
            pass

    async def _commit(self, turn_id: int, line: str) -> Turn:
        said = common_pb2.Utterance(id=f"line-{turn_id}", participant_id="asker", text=line)
        started = time.monotonic()
        await self._send(commit=llm_pb2.Commit(turn_id=turn_id, utterance=said))
        reply, first_ms = "", 0.0
        while (message := await self._call.read()) is not grpc.aio.EOF:
            kind = message.WhichOneof("response")
            if kind == "text":
                first_ms = first_ms or (time.monotonic() - started) * 1000
                reply += message.text.text
            elif kind == "failed":
                raise RuntimeError(f"the reply to {line!r} failed: {message.failed.message}")
            elif kind == "done":
                return Turn(line, reply.strip(), first_ms, message.done.prompt_tokens, message.done.cached_tokens)
        raise RuntimeError(f"the stream ended before the reply to {line!r}")

    async def _send(self, **message: Any) -> None:
        await self._call.write(llm_pb2.GenerateRequest(**message))

"""The engine `openai` in front of a real vLLM, beside `llamacpp` in one run: the same weights, the same lines, one thread each.

    python -m bench.llm

A conversation of twelve lines with June is held three times, spoken at the pace of speech: with vLLM, whose prompts are read
ahead while the line is spoken; with llama.cpp, line by line in turn with the first; and with vLLM made to forget all prompts
before each commit, and nothing read ahead. The model phrases all replies. `cached_pct` is the share of the prompts' tokens,
from the commit on, that vLLM found in its cache, by its own count; `cached_told_pct` as `done` tells it of the replies that
were heard to their end. `cancel_ms` is the longest of twelve times from closing a reply until the last sign that vLLM worked
on it; `behind_stopped_p50_ms` is how long a short question takes behind a prompt that was stopped while it was read, which
goes on to the end of a step. `duplicated` counts the replies, of those that memory has begun, in which the model begins
again; beside it the same when vLLM is not told to go on.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.llm.generating import PIECES, Begun, begun, stopped_ms, waited_ms
from bench.llm.talking import LINES, Conversation, Turn
from bench.llm.vllm import Vllm, serving
from bench.running import running
from vivant.llm.v1 import llm_pb2_grpc

_EVERYWHERE: Final = {"LLM_OPENING": "model", "LLM_CONVERSATIONS_DAYS": "0", "LLM_LLAMACPP_THREADS": "1"}


@asynccontextmanager
async def talking(server: Vllm | None, *, cold: bool = False) -> AsyncIterator[Conversation]:
    """A conversation with a service of its own."""
    settings = _EVERYWHERE | {"LLM_ENGINE": "llamacpp"}
    if server:
        settings = _EVERYWHERE | {
            "LLM_ENGINE": "openai",
            "LLM_OPENAI_BASE_URL": server.base_url,
            "LLM_OPENAI_TEMPERATURE": "0",
            "LLM_OPENAI_TOKEN_TIMEOUT_S": "60",
            "LLM_OPENAI_PREFILL": "false" if cold else "true",
        }
    async with running("llm", **settings) as channel:
        conversation = Conversation(llm_pb2_grpc.LlmServiceStub(channel), server, cold=cold)
        await conversation.open()
        yield conversation
        await conversation.close()


async def talked(server: Vllm) -> list[list[Turn]]:
    """The conversations: with vLLM, with llama.cpp, and with a vLLM that forgets."""
    # Line by line in turn: on a machine that others use too, either is as hindered as the other.
    async with talking(server) as ours, talking(None) as local:
        for line in LINES:
            await ours.say(line)
            await local.say(line)
    async with talking(server, cold=True) as cold:
        for line in LINES:
            await cold.say(line)
    return [each.turns for each in (ours, local, cold)]


async def measure() -> dict[str, Any]:
    """All figures."""
    async with serving() as server:
        warm, local, cold = await talked(server)
        stopped, (behind, alone) = await stopped_ms(server), await waited_ms(server)
        told, untold = await begun(server), await begun(server, continues="off")
    console = Console(width=160)
    for table in (_conversations(warm, cold, local), _stopped(stopped), _begun(told, untold)):
        console.print(table)
    # Lines for which the model was asked; the same ask it in all three.
    first, first_local, first_cold = (
        statistics.median(turn.first_ms for turn, other in zip(turns, warm, strict=True) if other.asked)
        for turns in (warm, local, cold)
    )
    return {
        "cached_pct": round(100 * sum(turn.found for turn in warm) / sum(turn.asked for turn in warm), 1),
        "cached_told_pct": round(100 * _told_share(warm), 1),
        "llamacpp_cached_told_pct": round(100 * _told_share(local), 1),
        "first_text_p50_ms": round(first),
        "first_text_cold_p50_ms": round(first_cold),
        "first_text_to_cold": round(first / first_cold, 2),
        "llamacpp_first_text_p50_ms": round(first_local),
        "cancel_ms": round(max(stopped), 1),
        "cancel_p50_ms": round(statistics.median(stopped), 1),
        "behind_stopped_p50_ms": round(statistics.median(behind)),
        "alone_p50_ms": round(statistics.median(alone)),
        "duplicated": sum(each.again for each in told),
        "duplicated_untold": sum(each.again for each in untold),
        "begun": len(told),
    }


def _told_share(turns: Sequence[Turn]) -> float:
    """As the service tells it, of the replies that were heard to their end."""
    return sum(turn.cached for turn in turns) / sum(turn.read + turn.cached for turn in turns)


def _conversations(warm: Sequence[Turn], cold: Sequence[Turn], local: Sequence[Turn]) -> Table:
    table = Table(title="A conversation: tokens of the prompt (in the cache), first text after the commit in ms")
    for column in ("line", "vLLM", "cold", "llama.cpp", "first ms", "cold", "llama.cpp", "what vLLM's said"):
        table.add_column(column)
    for ours, bare, other in zip(warm, cold, local, strict=True):
        tokens = [f"{each.asked} ({each.found})" for each in (ours, bare)] + [f"{other.read + other.cached} ({other.cached})"]
        firsts = (f"{turn.first_ms:.0f}" for turn in (ours, bare, other))
        table.add_row(ours.line, *tokens, *firsts, ours.reply)
    return table


def _stopped(stopped: Sequence[float]) -> Table:
    table = Table("pieces of the reply before it was closed", "ms until the last sign of work on it", title="Replies stopped")
    for pieces, ms in zip(PIECES, stopped, strict=True):
        table.add_row(str(pieces), f"{ms:.0f}")
    return table


def _begun(told: Sequence[Begun], untold: Sequence[Begun]) -> Table:
    table = Table("begun", "told to go on", "not told", title="Replies that memory has begun (✗ begins again)")
    for ours, other in zip(told, untold, strict=True):
        table.add_row(ours.opening, *(f"{'✗ ' if each.again else ''}{each.reply}" for each in (ours, other)))
    return table


def main() -> None:
    print(json.dumps(asyncio.run(measure())))


if __name__ == "__main__":
    main()

"""Does the persona keep to its story? Asks the questions of data/persona_questions.toml, and those of
data/persona_heldout.toml, on which nothing is tuned, as text, over gRPC.

A fact is right when one pattern of each group of `expect` is in the reply (for an unknown one: when the reply declines), and
no pattern of `reject` is. It is invented when a pattern of `reject` is in the reply, or a name or number that neither the
story nor the question has. Every question is a conversation of its own, sent the way a dialog manager does: words while they
are spoken, then the commit. All replies are printed, so read them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import time
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table

from bench.running import running
from services.llm.persona.persona import Persona, load_persona
from services.llm.reply.grounding import unknown_terms
from services.llm.reply.manners import assistant_phrase, speakable
from vivant.channel import open_channel
from vivant.common.v1 import common_pb2
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc

_DATA = Path(__file__).parent / "data"
_QUESTIONS = _DATA / "persona_questions.toml"
_HELD_OUT = _DATA / "persona_heldout.toml"
_DECLINES = re.compile(
    r"couldn't (tell|say)|can't (tell|say|open)|don't know|no idea|drawing a blank|beats me|you've got me|not sure"
    r"|nobody ever (wrote|told)",
    re.IGNORECASE,
)
#: A speaker says about 3 words a second; words are sent as often as a recogniser would.
_WORD_S = 0.33


@dataclass(frozen=True)
class Reply:
    text: str
    first_ms: float
    corrected: bool


@dataclass(frozen=True)
class Grade:
    asked: str
    reply: Reply
    right: bool
    problem: str
    """Why it counts as invented, or as out of character; empty when it does not."""


def grade(item: dict[str, Any], reply: Reply, persona: Persona) -> Grade:
    """Grades one reply by the patterns of its question and by what the story has."""
    asked = item.get("ask") or item["say"]

    def found(pattern: str) -> bool:
        return re.search(pattern, reply.text, re.IGNORECASE) is not None

    story = [f"{passage.question} {passage.text}" for passage in persona.passages]
    fallbacks = persona.profile.fallbacks
    own_lines = [*fallbacks.unknown, *fallbacks.empty, *fallbacks.listening, persona.profile.name]
    problem = next((f"rejected: {pattern}" for pattern in item.get("reject", ()) if found(pattern)), "")
    strange = unknown_terms(reply.text, [*story, *own_lines, asked])
    if not problem and strange:
        problem = f"not in the story: {', '.join(strange)}"
    if item.get("unknown"):
        right = _DECLINES.search(reply.text) is not None
    else:
        right = all(any(found(pattern) for pattern in group) for group in item.get("expect", ()))
    if "say" in item and not problem:
        phrase = assistant_phrase(reply.text) or ("" if speakable(reply.text) else "not speakable")
        problem = f"assistant: {phrase}" if phrase else ""
        right = right and len(reply.text.split()) >= 3
    return Grade(asked, reply, right and not problem, problem)


async def ask(stub: Any, persona: str, text: str, speaking_s: float) -> Reply:
    """One question in a conversation of its own, spoken at the pace of speech."""
    call = stub.Generate()
    await call.write(llm_pb2.GenerateRequest(config=llm_pb2.GenerateConfig(persona_id=persona, session_id="bench")))
    words = text.split()
    for count in range(2, len(words)):
        heard = llm_pb2.HeardWords(turn_id=1, text=" ".join(words[:count]), participant_id="asker")
        await call.write(llm_pb2.GenerateRequest(words=heard))
        await asyncio.sleep(speaking_s)
    started = time.monotonic()
    question = common_pb2.Utterance(id="question", participant_id="asker", text=text)
    await call.write(llm_pb2.GenerateRequest(commit=llm_pb2.Commit(turn_id=1, utterance=question)))
    await call.write(llm_pb2.GenerateRequest(finish=llm_pb2.Finish()))
    await call.done_writing()
    said, first_ms, corrected = "", 0.0, False
    while (message := await call.read()) is not grpc.aio.EOF:
        kind = message.WhichOneof("response")
        if kind == "text":
            first_ms = first_ms or (time.monotonic() - started) * 1000
            said += message.text.text
        elif kind == "done":
            corrected = message.done.corrected
        elif kind == "failed":
            raise RuntimeError(f"the reply to {text!r} failed: {message.failed.message}")
    return Reply(said.strip(), first_ms, corrected)


@asynccontextmanager
async def service(address: str | None) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the llm service: the one at the address, or one started for the time of the block."""
    if address:
        async with open_channel(address) as channel:
            yield channel
    else:
        async with running("llm") as channel:
            yield channel


def show(title: str, grades: list[Grade]) -> None:
    table = Table(title=title, show_lines=True)
    for column in ("", "asked", "reply", "first ms", "problem"):
        table.add_column(column)
    for item in grades:
        mark = "[red]✗[/]" if item.problem else "[green]✓[/]" if item.right else "[yellow]–[/]"
        text = item.reply.text + (" [dim](corrected)[/]" if item.reply.corrected else "")
        table.add_row(mark, item.asked, text, f"{item.reply.first_ms:.0f}", item.problem)
    Console(width=160).print(table)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="of a running llm service; by default one is started")
    parser.add_argument("--persona", default="june")
    parser.add_argument("--pace", type=float, default=1.0, help="1 speaks as people do, 0 all at once")
    parser.add_argument("--questions", type=Path, help="a file to ask instead of the two")
    options = parser.parse_args()
    files = {"": options.questions} if options.questions else {"": _QUESTIONS, "heldout_": _HELD_OUT}
    persona = load_persona(Path("personas"), options.persona)
    counted: dict[str, float] = {}
    first: list[float] = []
    async with service(options.address) as channel:
        stub = llm_pb2_grpc.LlmServiceStub(channel)
        for prefix, path in files.items():
            facts, talk = await asked(stub, _read(path), persona, _WORD_S * options.pace)
            show(f"Facts of {path.name}", facts)
            show(f"Small talk of {path.name}", talk)
            counted |= {f"{prefix}{key}": value for key, value in summary(facts, talk).items()}
            first += [item.reply.first_ms for item in facts + talk]
    counted |= {"first_text_p50_ms": round(statistics.median(first), 1), "first_text_max_ms": round(max(first), 1)}
    print(json.dumps(counted))


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(path.read_text("utf-8"))


async def asked(
    stub: Any, data: dict[str, list[dict[str, Any]]], persona: Persona, speaking_s: float
) -> tuple[list[Grade], list[Grade]]:
    """The graded replies to the facts and to the small talk of a file."""
    graded: tuple[list[Grade], list[Grade]] = ([], [])
    for kind, grades in zip(("facts", "talk"), graded, strict=True):
        for item in data.get(kind, ()):
            reply = await ask(stub, persona.id, item.get("ask") or item["say"], speaking_s)
            grades.append(grade(item, reply, persona))
    return graded


def summary(facts: list[Grade], talk: list[Grade]) -> dict[str, float]:
    """The numbers of one file for the last line; shares from 0 to 1."""
    return {
        "right": round(sum(item.right for item in facts) / max(1, len(facts)), 3),
        "invented": round(sum(bool(item.problem) for item in facts) / max(1, len(facts)), 3),
        "smalltalk_assistant_phrases": sum(item.problem.startswith("assistant") for item in talk),
        "smalltalk_in_character": sum(item.right for item in talk),
        "smalltalk": len(talk),
    }


if __name__ == "__main__":
    asyncio.run(main())

"""`make bench-talk`: conversations with a running system, measured from outside.

Recorded questions are spoken at the pace of real time by a client on the same machine, every second one over the reply before
it. Measured are: the end of the speech to the first audible sample of the reply; the first sample of speech over a reply to its
last audible sample; what is heard of a reply after it was interrupted; what the processes cost. A filler ("Hm.") is an audible
sample like any other; how many answers begin with one, and when the text of the reply itself was there, is counted beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

import vivant
from bench.conversation.playback import late_units, lost_units, stale_units
from bench.conversation.questions import Question, questions
from bench.conversation.stage import Microphones
from bench.conversation.take import Take
from bench.resources import Processes
from deploy.addresses import NOTHING_KEPT, environment, on_free_ports
from deploy.system import running

ROUNDS: Final = 4
READY_S: Final = 120.0
#: A question that is not answered by then was not heard.
PATIENCE_S: Final = 8.0
#: The reply is let speak for so long before it is spoken over, or stopped.
LISTEN_S: Final = 1.0
#: Between a reply that was stopped and the next question.
PAUSE_S: Final = 1.0
SEED: Final = 7
TARGETS: Final = {"v2v_p50_ms": 900, "v2v_p95_ms": 1400, "barge_in_p95_ms": 250, "stale_units": 0, "rss_mb": 3000}


@dataclass(frozen=True)
class Answer:
    """What became of one question."""

    question: str
    v2v_ms: float | None
    """End of speech to the first audible sample; None: no answer."""
    early: bool
    """Something was answered before the end of the question."""
    barge_in_ms: float | None
    """Speech over a reply to its last audible sample; None: it was not spoken over one."""
    turn_id: int
    """Of the answer; 0: none."""
    understood: str
    stages: dict[str, float] = field(default_factory=dict)
    """Of the answer, in milliseconds since the end of speech; known when the conversation is over."""


@dataclass
class Results:
    """All conversations together."""

    answers: list[Answer] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0
    units: int = 0
    lost: int = 0
    late: int = 0
    stale: int = 0
    frames_missing: int = 0
    frames_repeated: int = 0

    def add(self, take: Take, answers: Iterable[Answer], seconds: float) -> None:
        """Takes in one conversation."""
        self.answers += [replace(answer, stages=take.stages(answer.turn_id)) for answer in answers]
        self.seconds += seconds
        self.units += len(take.units)
        self.lost += lost_units(take)
        self.late += late_units(take)
        self.stale += stale_units(take)
        self.frames_missing += sum(unit.frame == "missing" for unit in take.units)
        self.frames_repeated += sum(unit.frame == "repeated" for unit in take.units)
        self.notices += [notice.reason for notice in take.of(vivant.Notice)]


class Conversation:
    """One conversation from the client's side."""

    def __init__(self, session: vivant.Session, microphones: Microphones, take: Take) -> None:
        self._session = session
        self._microphones = microphones
        self._take = take
        self._clock = asyncio.get_running_loop().time

    async def ask(self, question: Question) -> Answer:
        """Speaks, over the reply in hand if there is one, and waits until the answer is heard."""
        take = self._take
        before = take.newest_turn()
        over = before if before and before not in take.ends() else 0
        heard = len(self._transcripts())
        began = self._microphones.say(question.samples)
        ended = began + question.end_s
        await take.until(lambda: self._clock() >= ended, ended)
        early = take.first_audible(before) is not None
        answered = max(before, take.newest_turn())
        if early:
            # It spoke into the question: what counts is when the question as a whole is answered.
            await take.until(lambda: answered in take.ends(), ended + PATIENCE_S)
        found = await take.until(lambda: take.first_audible(answered) is not None, ended + PATIENCE_S)
        unit = take.first_audible(answered)
        barge_in = None
        if over and (went_on := take.last_audible(over) - began - question.floor_s) > 0:
            barge_in = went_on * 1000
        return Answer(
            question.name,
            (unit.first - ended) * 1000 if found and unit and unit.first else None,
            early,
            barge_in,
            unit.turn_id if unit else 0,
            " ".join(self._transcripts()[heard:]),
        )

    def _transcripts(self) -> list[str]:
        return [words.text for words in self._take.of(vivant.Transcript) if words.final]

    async def listen(self) -> None:
        """Lets the reply speak for a while."""
        await asyncio.sleep(LISTEN_S)

    async def stop(self) -> None:
        """Stops the reply in hand and is quiet for a moment."""
        await self._session.interrupt()
        await asyncio.sleep(PAUSE_S)


async def converse(client: vivant.Client, asked: Iterable[Question], results: Results, console: Console) -> None:
    """One conversation with all these questions, every second one spoken over the reply before it."""
    loop = asyncio.get_running_loop()
    async with client.converse(video=vivant.Video("vp8", 512), microphone=16_000) as session:
        began = loop.time()
        take = Take("talk", 0)
        microphones = Microphones(session, ("",), take)
        tasks = [asyncio.create_task(take.listen(session)), asyncio.create_task(microphones.run())]
        answers: list[Answer] = []
        try:
            talk = Conversation(session, microphones, take)
            await asyncio.sleep(PAUSE_S)
            for number, question in enumerate(asked):
                answer = await talk.ask(question)
                answers.append(answer)
                console.print(_line(answer))
                await talk.listen()
                if number % 2:
                    await talk.stop()
            results.add(take, answers, loop.time() - began)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def measure(address: str, rounds: int, console: Console) -> dict[str, Any]:
    """All rounds against a running system; prints what came out and returns the last line."""
    results = Results()
    async with vivant.connect(address) as client:
        info = await client.info()
        processes = Processes([address, *(component.address for component in info.components)])
        watching = asyncio.create_task(processes.watch())
        before = processes.cpu_s()
        order = random.Random(SEED)
        for _ in range(rounds):
            asked = questions()
            order.shuffle(asked)
            await converse(client, asked, results, console)
        after = processes.cpu_s()
        watching.cancel()
    cpu = {name: (after[name] - before[name]) / results.seconds * 60 for name in after}
    return report(results, cpu, processes, console)


def report(results: Results, cpu: dict[str, float], processes: Processes, console: Console) -> dict[str, Any]:
    """Prints the tables and returns the last line."""
    answers = results.answers
    stages_of = [answer.stages for answer in answers]
    v2v = [answer.v2v_ms for answer in answers if answer.v2v_ms is not None]
    barge_in = [answer.barge_in_ms for answer in answers if answer.barge_in_ms is not None]
    stages = {
        name: percentile([answer.stages[name] for answer in answers if name in answer.stages], 50)
        for name in dict.fromkeys(name for answer in answers for name in answer.stages)
    }
    line: dict[str, Any] = {
        "v2v_p50_ms": percentile(v2v, 50),
        "v2v_p95_ms": percentile(v2v, 95),
        "barge_in_p50_ms": percentile(barge_in, 50),
        "barge_in_p95_ms": percentile(barge_in, 95),
        "stale_units": results.stale,
        "cpu_s_per_min": round(sum(cpu.values()), 1),
        "rss_mb": round(processes.peak.rss),
        "pss_mb": round(processes.peak.pss),
        "turns": len(answers),
        "interruptions": len(barge_in),
        "fillers": sum("filler" in answer.stages for answer in answers),
        "reply_text_p95_ms": percentile([at["llm_first_text"] for at in stages_of if "llm_first_text" in at], 95),
        "early": sum(answer.early for answer in answers),
        "unanswered": sum(answer.v2v_ms is None for answer in answers),
        "units_late": results.late,
        "units_lost": results.lost,
        "frames_missing": results.frames_missing,
        "frames_repeated": results.frames_repeated,
        "stages_p50_ms": stages,
    }
    console.print(_summary(line, results), _stage_table(answers, stages), _cost_table(cpu))
    if results.notices:
        console.print("notices:", ", ".join(results.notices))
    return line


def percentile(values: list[float], share: float) -> float | None:
    """A percentile in whole milliseconds."""
    return round(float(np.percentile(values, share))) if values else None


def _line(answer: Answer) -> str:
    v2v = "no answer" if answer.v2v_ms is None else f"{answer.v2v_ms:5.0f} ms"
    over = "" if answer.barge_in_ms is None else f"  stopped the reply in {answer.barge_in_ms:.0f} ms"
    early = "  [red]was answered before its end[/]" if answer.early else ""
    return f"{answer.question:18} {v2v}{over}{early}  [dim]{answer.understood}[/]"


def _summary(line: dict[str, Any], results: Results) -> Table:
    table = Table(title=f"{line['turns']} turns in {results.seconds / 60:.1f} minutes of conversation, {results.units} units")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    for name, value in line.items():
        if name != "stages_p50_ms":
            table.add_row(name, "-" if value is None else str(value), f"<= {TARGETS[name]}" if name in TARGETS else "")
    return table


def _stage_table(answers: list[Answer], stages: dict[str, float | None]) -> Table:
    """Where the time goes: each stage since the end of speech as the server saw it, and the rest up to the client's ear."""
    table = Table(title="from the end of the speech, ms")
    for name in ("stage", "p50", "p95", "step p50"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    before = ""
    for name, p50 in stages.items():
        rows = [answer.stages for answer in answers if name in answer.stages]
        p95 = percentile([row[name] for row in rows], 95)
        if name == "filler":
            table.add_row(f"filler ({len(rows)})", str(p50), str(p95), "")
            continue
        steps = [row[name] - row.get(before, 0.0) for row in rows if "filler" not in row]
        table.add_row(name, str(p50), str(p95), str(percentile(steps, 50)))
        before = name
    heard = [(answer.v2v_ms, answer.stages) for answer in answers if answer.v2v_ms is not None]
    v2v = [at for at, _ in heard]
    rest = [at - stages[before] for at, stages in heard if before in stages]
    table.add_row("heard by the client", str(percentile(v2v, 50)), str(percentile(v2v, 95)), str(percentile(rest, 50)))
    return table


def _cost_table(cpu: dict[str, float]) -> Table:
    table = Table(title="CPU seconds per minute of conversation")
    for name in cpu:
        table.add_column(name, justify="right")
    table.add_row(*(f"{seconds:.1f}" for seconds in cpu.values()))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.talk", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--address", help="host:port of a running system; without it one is started")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often all questions are asked (default {ROUNDS})")
    arguments = parser.parse_args()
    console = Console()
    with ExitStack() as stack:
        address = arguments.address
        if not address:
            console.print("Starting a system of its own ...")
            logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vivant-talk-")))
            env = stack.enter_context(on_free_ports(environment() | NOTHING_KEPT))
            address = stack.enter_context(running(env, logs, READY_S)).address
        line = asyncio.run(measure(address, arguments.rounds, console))
    print(json.dumps(line))


if __name__ == "__main__":
    main()

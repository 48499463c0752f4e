"""`make bench-conversation`: how natural a conversation is, measured from outside.

A client with microphones that are always on plays the scenarios of `bench/scenarios` to a full system: questions, hesitations,
a story, acknowledgements and coughs, interruptions, several people. Each run is kept in out/conversation for listening: both
sides in one WAV file (user left, persona right), what happened in a table (.tsv), what was found in it (.json). `--report`
shows the table of all that is kept there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console

import vivant
from bench.conversation.judging import LineResult, RunResult, judge
from bench.conversation.recording import begin_of, write
from bench.conversation.report import summary
from bench.conversation.scenarios import Scenario, scenarios
from bench.conversation.sounds import prepare
from bench.conversation.stage import play
from bench.talk import READY_S
from deploy.addresses import NOTHING_KEPT, environment, on_free_ports
from deploy.system import running

OUT: Final = Path("out/conversation")
RUNS: Final = 5


async def measure(address: str, wanted: Sequence[Scenario], numbers: range, out: Path, console: Console) -> list[RunResult]:
    """Plays each scenario for each of these run numbers; keeps recordings and results in `out`."""
    results: list[RunResult] = []
    async with vivant.connect(address) as client:
        info = await client.info()
        tts = next(component.address for component in info.components if component.service == "tts")
        sounds = await prepare(wanted, numbers.stop, tts)
        for scenario in wanted:
            console.print(f"[bold]{scenario.name}[/]: {scenario.about}")
            for run in numbers:
                take = await play(client, scenario, run, sounds)
                path = write(take, out)
                result = judge(take, scenario, begin_of(take))
                path.with_suffix(".json").write_text(json.dumps(asdict(result), indent=1), "utf-8")
                console.print(_line(result, path), markup=False, highlight=False)
                results.append(result)
    return results


def kept(out: Path, only: Sequence[str] = ()) -> list[RunResult]:
    """The results of earlier runs."""
    found = [_result(json.loads(path.read_text("utf-8"))) for path in sorted(out.glob("*.json"))]
    return [result for result in found if not only or result.scenario in only]


def _result(values: dict[str, Any]) -> RunResult:
    return RunResult(**values | {"lines": [LineResult(**line) for line in values["lines"]]})


def _line(result: RunResult, path: Path) -> str:
    v2v = [f"{line.v2v_ms:.0f}" for line in result.lines if line.v2v_ms is not None]
    faults = [line.fault for line in result.lines if line.fault] + result.jumps + result.clicks
    parts = [f"  {path}", f"answers after {', '.join(v2v)} ms" if v2v else "", "; ".join(faults), result.broken]
    return "  ".join(part for part in parts if part)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.conversation", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--address", help="host:port of a running system; without it one is started")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how often each scenario is played (default {RUNS})")
    parser.add_argument("--first", type=int, default=1, help="number of the first run, to add runs to what is kept (default 1)")
    parser.add_argument("--only", action="append", default=[], metavar="SCENARIO", help="play only this one; may be repeated")
    parser.add_argument("--report", action="store_true", help="play nothing, show what is kept")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where recordings and results are kept (default {OUT})")
    arguments = parser.parse_args()
    console = Console()
    try:
        wanted = scenarios(arguments.only)
    except ValueError as exc:
        parser.error(str(exc))
    if arguments.report:
        results = kept(arguments.out, arguments.only)
    else:
        numbers = range(arguments.first - 1, arguments.first - 1 + arguments.runs)
        with ExitStack() as stack:
            address = arguments.address
            if not address:
                console.print("Starting a system of its own ...")
                env = stack.enter_context(on_free_ports(environment() | NOTHING_KEPT))
                address = stack.enter_context(running(env, arguments.out / "logs", READY_S)).address
            results = asyncio.run(measure(address, wanted, numbers, arguments.out, console))
    line, table, faults = summary(results)
    console.print(table)
    for fault in faults:
        console.print(fault, markup=False, highlight=False)
    print(json.dumps(line))


if __name__ == "__main__":
    main()

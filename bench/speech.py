"""`make bench-speech`: a conversation whose replies a speech model gives, interrupted again and again, measured from outside.

A system of its own with the scripted model of the speech service: one that says when it says what, one that does not, and
one that cannot be stopped. Somebody speaks over its replies as in `bench/scenarios`. The sound of the model is no speech, and
nothing here says how good a model is: what is measured is how its replies are stopped, and what of them is remembered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.conversation.__main__ import measure
from bench.conversation.judging import RunResult
from bench.conversation.report import summary
from bench.conversation.scenarios import scenarios
from bench.talk import READY_S
from deploy.addresses import NAMES, NOTHING_KEPT, environment, on_free_ports
from deploy.system import running

OUT: Final = Path("out/speech")
SCENARIOS: Final = ("interruptions", "typed_interruptions")
KEYS: Final = ("stop_p95_ms", "stale_units", "history_off_words")
#: A reply of 12 s: the latest interruption comes after six.
REPLY: Final = (
    "My grandmother taught me on a piano that came across the ice one winter, and it took eight men and a sledge and the best "
    "part of a day, and when they set it down in her kitchen it was so far out of tune that the dog left home until spring."
)
#: How the scripted model is made to differ.
MODELS: Final = {
    "tells the times of its words": {},
    "tells no times": {"SPEECH_FAKE_WORD_TIMES": "false"},
    "cannot be stopped": {"SPEECH_FAKE_STOPS": "false"},
}


def played(model: str, runs: int, console: Console) -> list[RunResult]:
    """The scenarios with one of `MODELS`."""
    names = (*NAMES, "speech")
    fake = {"SPEECH_ENGINE": "fake", "SPEECH_FAKE_REPLIES": json.dumps([REPLY])} | MODELS[model]
    out = OUT / model.replace(" ", "_")
    with ExitStack() as stack:
        env = stack.enter_context(on_free_ports(environment() | NOTHING_KEPT | fake, names))
        system = stack.enter_context(running(env, out / "logs", READY_S, names))
        return asyncio.run(measure(system.address, scenarios(SCENARIOS), range(runs), out, console))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.speech", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=2, help="how often each scenario is played with each model (default 2)")
    arguments = parser.parse_args()
    console = Console()
    table = Table(title="Replies of a speech model, interrupted")
    for name in ("the model", *KEYS):
        table.add_column(name)
    lines = list[dict[str, Any]]()
    for model in MODELS:
        console.print(f"[bold]A model that {model}[/]")
        line, _, faults = summary(played(model, arguments.runs, console))
        lines.append(line)
        table.add_row(model, *(str(line[key]) for key in KEYS))
        for fault in faults:
            console.print(fault, markup=False, highlight=False)
    console.print(table)
    print(json.dumps({key: max((line[key] for line in lines if line[key] is not None), default=None) for key in KEYS}))


if __name__ == "__main__":
    main()

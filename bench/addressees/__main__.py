"""Who is meant where several people are there: how often the dialog manager is right, on made conversations.

`python -m bench.addressees` prints tables and ends in one line of JSON; `python -m bench.addressees fit` fits the weights
first. A line to the persona is right when it is answered, one to somebody else when it is left alone; the persona answers
from its real memory what it takes to be for it, and all goes on from there. The parts that the weights are fitted on
("dev") are judged by weights that were fitted without the conversation in hand. Beside it, the policy that was in use
before, on the same lines; and both without the llm.

The second table is about the lines that nobody is called in, with all before them understood: how well the probabilities of
either policy tell those to the persona from the others, and of the lines that are said to be so likely for the persona, how
many are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.addressees.baseline import Rules
from bench.addressees.fitting import left_out, rows_of, score, write
from bench.addressees.material import FITTED, HELD_OUT, Personas, Talk, talks
from bench.addressees.playing import Begin, Judged, Scorer, play
from services.orchestrator.dialog.clues import NAMES, Logistic, model

_BINS: Final = 5
_WAYS: Final = ("scorer", "scorer without llm", "before", "before without llm")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.addressees", description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", choices=["score", "fit"], default="score")
    parser.add_argument("--parts", nargs="*", default=HELD_OUT, help="the held-out parts that are looked at")
    parser.add_argument("--wrong", action="store_true", help="print what the scorer gets wrong")
    return parser.parse_args()


class Bench:
    """All conversations, and the policies that they are played with."""

    def __init__(self, personas: Personas, parts: Sequence[str]) -> None:
        self._personas = personas
        self.talks = talks(*FITTED, *parts)
        self._models: dict[Talk, Logistic] = {}

    async def fit(self, *, to_file: bool) -> None:
        """Of each conversation that is fitted on, the model without it; and all of them into the file."""
        fitted = [talk for talk in self.talks if talk.part in FITTED]
        unfitted = partial(Scorer, model=Logistic(0.0, dict.fromkeys(NAMES, 0.0)), llm=True)
        rows = [rows_of(await play(talk, unfitted, self._personas, truth=True)) for talk in fitted]
        self._models = dict(zip(fitted, left_out(rows), strict=True))
        if to_file:
            likely, meant = _guesses([await self._play(talk, "scorer", truth=True) for talk in fitted])
            write(rows, fitted, likely, meant)
            model.cache_clear()

    async def played(self, way: str, *, truth: bool) -> dict[Talk, list[Judged]]:
        """Every conversation, one of `_WAYS`."""
        return {talk: await self._play(talk, way, truth=truth) for talk in self.talks}

    async def _play(self, talk: Talk, way: str, *, truth: bool) -> list[Judged]:
        llm = not way.endswith("without llm")
        begin: Begin = partial(Rules, llm=llm)
        if way.startswith("scorer"):
            begin = partial(Scorer, model=self._models.get(talk) or model(), llm=llm)
        return await play(talk, begin, self._personas, truth=truth)


def _guesses(played: Sequence[Sequence[Judged]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of the lines that nobody is called in: how likely they are said to be for the persona, and whether they are."""
    found = [(each.verdict.likely, not each.line.to) for lines in played for each in lines if each.verdict.likely is not None]
    return np.array([likely for likely, _ in found], np.float64), np.array([meant for _, meant in found], np.bool_)


def _right(lines: Sequence[Judged], *, to_persona: bool) -> tuple[int, int]:
    """So many are right, of so many."""
    right = [each.right for each in lines if (not each.line.to) == to_persona]
    return sum(right), len(right)


def _parts(played: dict[Talk, list[Judged]]) -> dict[str, list[Judged]]:
    parts: dict[str, list[Judged]] = {}
    for talk, lines in played.items():
        parts.setdefault(talk.part, []).extend(lines)
    return parts


def _shares(ways: dict[str, dict[Talk, list[Judged]]]) -> tuple[Table, dict[str, float]]:
    """How often each way is right, by part; and as numbers, of all that was held out."""
    table = Table("part", "lines to", *_WAYS, title="Right: answered where meant, silent where not")
    for part in _parts(ways["scorer"]):
        for to_persona in (True, False):
            counts = [_right(_parts(ways[way])[part], to_persona=to_persona) for way in _WAYS]
            row = [f"{right} of {count} ({100 * right / count:.0f} %)" for right, count in counts]
            table.add_row(part if to_persona else "", "the persona" if to_persona else "others", *row)
    result = {}
    for way in _WAYS:
        lines = [each for talk, judged in ways[way].items() if talk.part not in FITTED for each in judged]
        for to_persona, name in ((True, "answered"), (False, "left_alone")):
            right, count = _right(lines, to_persona=to_persona)
            result[f"{way.replace(' ', '_')}_{name}_pct"] = round(100 * right / max(1, count), 1)
    return table, result


def _reliability(ways: dict[str, dict[Talk, list[Judged]]]) -> Table:
    """By fifths of the probability; "n" lines, of which so many are for the persona."""
    edges = np.linspace(0, 1, _BINS + 1)
    spans = [f"{low:.1f}-{high:.1f}" for low, high in pairwise(edges)]
    table = Table("parts", "policy", "n", *spans, "AUC", "calibration error", "log loss", title="Said to be so likely, and is")
    for fitted in (True, False):
        for way, played in ways.items():
            likely, meant = _guesses([lines for talk, lines in played.items() if (talk.part in FITTED) == fitted])
            if not len(likely):
                continue
            inside = np.clip((likely * _BINS).astype(int), 0, _BINS - 1)
            shares = [f"{100 * meant[inside == each].mean():.0f} % of {sum(inside == each)}" for each in range(_BINS)]
            scores = map(str, score(likely, meant).values())
            table.add_row("fitted, left out" if fitted else "held out", way, str(len(likely)), *shares, *scores)
    return table


async def _main() -> int:
    arguments = _arguments()
    bench = Bench(Personas(), arguments.parts)
    await bench.fit(to_file=arguments.command == "fit")
    ways = {way: await bench.played(way, truth=False) for way in _WAYS}
    table, result = _shares(ways)
    console = Console(width=180)
    console.print(table)
    console.print(_reliability({way: await bench.played(way, truth=True) for way in _WAYS[:-1]}))
    if arguments.wrong:
        for talk, lines in ways["scorer"].items():
            for each in lines:
                if not each.right:
                    likely = f"{each.verdict.likely:.2f}" if each.verdict.likely is not None else "sure"
                    print(
                        f"{talk.part}: {each.line.speaker}: {each.line.text} -> {each.verdict.to or 'the persona'} ({likely})"
                    )
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))

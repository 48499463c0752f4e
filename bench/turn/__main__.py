"""`make bench-turn`: how often a turn is ended in a pause, against how long it takes to end it where it is over.

Three ways in one run: silence only, plain Smart Turn (asked once, one threshold) and the `fusion` engine (one threshold).
Beside them, the best that other waits and timeouts could make of the latter two, if they were chosen on the very material that
is measured. On made turns of unseen voices and texts (`bench/data/turn`), on real meetings and questions, and, for the record
only, on passages that are read. Delays count from the end of the last word; the computing comes on top (about 40 ms).

Next to the policy in use the one before it is measured, `bench.turn.baseline`, on the same silences and words.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.turn import curves
from bench.turn.curves import Point
from bench.turn.material import made, meetings, passages, questions
from bench.turn.picture import svg
from bench.turn.playing import Player, play
from bench.turn.trace import Silence
from services.orchestrator.dialog.state import Style
from vivant.errors import VivantError

#: Whose policy is measured.
STYLE: Final = Style()
PICTURE: Final = Path("out") / "turn.svg"


def measure(read: int, other: Path | None) -> dict[str, Any]:
    """All figures; draws the pictures. `other` are made turns to measure in place of those of the repository."""
    # A missing model is better said here than by a process that did not start.
    Player.start()
    Player.recogniser.close()
    groups = play(
        {
            "made turns": list(made(other) if other else made()),
            "meetings and questions": [*meetings(), *questions()],
            "read": list(passages())[:read],
        }
    )
    groups["questions"] = [each for each in groups["meetings and questions"] if each.recording.end_s is not None]
    chosen = {title: curves.point("fusion", curves.by_style(STYLE), silences) for title, silences in groups.items()}
    before = {title: curves.point("before", curves.by_tables(), each) for title, each in groups.items()}
    panels = {
        title: {
            "silence only": curves.silence_curve(groups[title]),
            "Smart Turn": curves.smart_turn_curve(groups[title]),
            "Smart Turn, tuned here": curves.smart_turn_tuned(groups[title]),
            "fusion": curves.fusion_curve(groups[title]),
            "fusion, tuned here": curves.fusion_tuned(groups[title]),
            "the rule": curves.style_curve(STYLE, groups[title]),
        }
        for title in ("made turns", "meetings and questions")
    }
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(svg(panels, chosen, before), encoding="utf-8")
    for title, panel in panels.items():
        _print(title, groups[title], panel, chosen[title])
    _print_chosen("in use: over once waiting costs more than breaking in", chosen)
    _print_chosen("before: counted words and tables of silence and probability", before)
    result: dict[str, Any] = {"breaking_in_cost_s": STYLE.breaking_in_cost_s, **_figures(chosen)}
    result |= {f"before_{name}": figure for name, figure in _figures(before).items()}
    for title, key in (("made turns", "made"), ("meetings and questions", "real")):
        for name, short in (
            ("silence only", "silence"),
            ("Smart Turn", "smart_turn"),
            ("Smart Turn, tuned here", "smart_turn_tuned"),
        ):
            equal = curves.at_delay(panels[title][name], chosen[title].mean_ms)
            result[f"{short}_{key}_pct"] = round(equal.cut_pct, 1) if equal else None
    return result


def _figures(points: dict[str, Point]) -> dict[str, float]:
    """Of one policy on each material."""
    made, real, read, asked = (points[title] for title in ("made turns", "meetings and questions", "read", "questions"))
    return {
        "cutoff_pct": round(made.cut_pct, 1),
        "cutoff_turns_pct": round(made.turns_cut_pct, 1),
        "cutoff_real_pct": round(real.cut_pct, 1),
        "cutoff_read_pct": round(read.cut_pct, 1),
        "delay_p50_ms": round(made.p50_ms),
        "delay_mean_ms": round(made.mean_ms),
        "delay_p95_ms": round(made.p95_ms),
        "delay_real_p50_ms": round(real.p50_ms),
        "delay_real_mean_ms": round(real.mean_ms),
        "delay_questions_p50_ms": round(asked.p50_ms),
        "delay_questions_p95_ms": round(asked.p95_ms),
    }


def _print(title: str, silences: Sequence[Silence], panel: dict[str, list[Point]], chosen: Point) -> None:
    pauses, ends = (sum(silence.kind == kind for silence in silences) for kind in ("pause", "end"))
    table = Table("mean delay", *panel, title=f"{title}: % of {pauses} pauses cut off; {ends} ends")
    for delay in (300, 400, 500, 600, 700, 800, 1000, 1200):
        found = [curves.at_delay(points, delay) for points in panel.values()]
        table.add_row(f"<= {delay} ms", *(f"{each.cut_pct:.1f} ({each.name})" if each else "" for each in found))
    found = [curves.at_delay(points, chosen.mean_ms) for points in panel.values()]
    table.add_row(f"<= {chosen.mean_ms:.0f} ms", *(f"{each.cut_pct:.1f} ({each.name})" if each else "" for each in found))
    Console(file=sys.stdout).print(table)


def _print_chosen(title: str, chosen: dict[str, Point]) -> None:
    columns = ("material", "pauses cut %", "turns cut %", "delay p50 ms", "mean ms")
    table = Table(*columns, title=title)
    for material, each in chosen.items():
        table.add_row(material, *(f"{value:.1f}" for value in (each.cut_pct, each.turns_cut_pct, each.p50_ms, each.mean_ms)))
    Console(file=sys.stdout).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.turn", description="Measures when turns are ended.")
    parser.add_argument("--read", type=int, default=10, help="so many read passages (of 50)")
    parser.add_argument(
        "--made", type=Path, default=None, help="a folder of other made turns (`python -m bench.turn.training corpus`)"
    )
    args = parser.parse_args()
    try:
        print(json.dumps(measure(args.read, args.made)))
    except VivantError as exc:
        raise SystemExit(exc.message) from exc


if __name__ == "__main__":
    main()

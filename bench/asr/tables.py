"""The tables of `bench.asr` and `bench.asr.choice`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.asr.material import Utterance
from bench.asr.scoring import Score, Side, likely_difference
from bench.asr.streaming import Streamed


def print_choices(sides: Sequence[Side], scores: Sequence[Score], stock: Score, chosen: Counter[int], held_out: Score) -> None:
    """What can be chosen, for how many of the speakers each was, and what came of it for them."""
    low, high = likely_difference(held_out, stock)
    table = Table(
        "whisper with", "WER %", "times as fast", "chosen for speakers", title=f"{len(stock.words)} utterances, all speakers"
    )
    for at, (side, each) in enumerate(zip(sides, scores, strict=True)):
        table.add_row(side.name, f"{each.wer:.2f}", f"{each.times_as_fast(stock):.2f}", str(chosen[at]))
    table.add_section()
    table.add_row("chosen on the other speakers", f"{held_out.wer:.2f}", f"{held_out.times_as_fast(stock):.2f}", "")
    table.add_row("faster-whisper, greedy", f"{stock.wer:.2f}", "1.00", "")
    table.add_row("difference, 95 % of draws", f"{low:+.2f} to {high:+.2f}", "", "")
    Console(file=sys.stdout).print(table)


def print_figures(spoken: Sequence[Utterance], rows: list[tuple[str, Score]], streamed: list[Streamed]) -> None:
    console = Console(file=sys.stdout)
    seconds = sum(utterance.seconds for utterance in spoken)
    table = Table("recogniser", "WER %", "CPU s/utterance", "real-time factor", title=f"{len(spoken)} utterances, one thread")
    for name, each in rows:
        spent = each.seconds.sum()
        table.add_row(name, f"{each.wer:.2f}", f"{spent / len(spoken):.3f}", f"{spent / seconds:.3f}")
    console.print(table)
    table = Table("ms", "p50", "p95", "most", title=f"{len(streamed)} utterances at the pace of speech, over gRPC")
    partials = [each.first_partial for each in streamed if each.first_partial is not None]
    for name, values in (("speech to first partial", partials), ("flush to final", [each.final for each in streamed])):
        table.add_row(name, *(f"{value:.0f}" for value in (*np.percentile(values, [50, 95]), max(values))))
    console.print(table)

"""The table and the last line of `make bench-conversation`, from the results of all runs.

A measure whose ability the services do not have yet is null, with a line that says what is missing; so is one of which nothing
was seen. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

import numpy as np
from rich.table import Table

from bench.conversation.judging import LineResult, RunResult
from bench.conversation.questions import asking
from bench.conversation.scenarios import Expect

#: More speakers than these on one microphone are not tried.
_MOST_SPEAKERS: Final = 4

Found = tuple[float | None, str]
"""A measure, and how many it is from or what is missing."""


@dataclass(frozen=True)
class Measure:
    """One row of the table."""

    key: str
    what: str
    target: str
    find: Callable[[Sequence[RunResult]], Found]


def _lines(runs: Iterable[RunResult], *expects: Expect) -> list[LineResult]:
    wanted = {expect.value for expect in expects}
    return [line for run in runs for line in run.lines if line.expect in wanted]


def _v2v(share: float) -> Callable[[Sequence[RunResult]], Found]:
    def find(runs: Sequence[RunResult]) -> Found:
        alone = [run for run in runs if run.speakers == 1]
        # Of the other recordings, one is a story of 22 s: after stories it waits for two seconds, on purpose.
        asked = asking()
        lines = [each for each in _lines(alone, Expect.ANSWER) if each.what in asked and each.v2v_ms is not None]
        return _percentile([line.v2v_ms for line in lines if line.v2v_ms is not None], share, "recorded questions")

    return find


def _percentile(values: list[float], share: float, of: str) -> Found:
    return (round(float(np.percentile(values, share))), f"{len(values)} {of}") if values else (None, f"no {of}")


def _share(found: Iterable[bool | None], of: str) -> Found:
    known = [each for each in found if each is not None]
    return (round(100 * sum(known) / len(known), 1), f"{len(known)} {of}") if known else (None, f"no {of}")


def _pauses_cut(runs: Sequence[RunResult]) -> Found:
    turns = _lines(runs, Expect.ANSWER)
    taken, pauses = sum(line.pauses_taken for line in turns), sum(line.pauses for line in turns)
    return (round(100 * taken / pauses, 1), f"{pauses} pauses inside turns") if pauses else (None, "no turns with pauses")


def _turns_cut(runs: Sequence[RunResult]) -> Found:
    return _share((line.early for line in _lines(runs, Expect.ANSWER) if line.pauses), "turns with pauses")


def _interruptions(name: str) -> Callable[[Sequence[RunResult]], Found]:
    def find(runs: Sequence[RunResult]) -> Found:
        values = [getattr(line, name) for line in _lines(runs, Expect.YIELD)]
        return _percentile([value for value in values if value is not None], 95, "spoken interruptions")

    return find


def _kept(runs: Sequence[RunResult]) -> Found:
    return _share((line.kept for line in _lines(runs, Expect.GO_ON)), "acknowledgements and coughs")


def _yielded(runs: Sequence[RunResult]) -> Found:
    return _share((line.yielded for line in _lines(runs, Expect.YIELD)), "interruptions")


def _history(runs: Sequence[RunResult]) -> Found:
    off = [each for run in runs for each in run.history_off]
    return (max(off), f"the worst of {len(off)} replies") if off else (None, "no reply was spoken")


def _stale(runs: Sequence[RunResult]) -> Found:
    return sum(run.stale for run in runs), f"{sum(run.turns for run in runs)} replies"


def _murmurs(runs: Sequence[RunResult]) -> Found:
    minutes = sum(run.story_s for run in runs) / 60
    if not minutes:
        return None, "no story was told"
    if not any(run.told_murmurs for run in runs):
        return None, f"the system gave no backchannel, spoken or nodded, in {minutes:.1f} minutes of story"
    return round(sum(run.murmurs for run in runs) / minutes, 1), f"{minutes:.1f} minutes of story"


def _speculated(runs: Sequence[RunResult]) -> Found:
    turns, used = sum(run.spoken_turns for run in runs), sum(len(run.saved_ms) for run in runs)
    thrown = sum(run.drafts for run in runs) - used
    return (round(100 * used / turns, 1) if turns else None), f"{turns} replies to speech; {thrown} drafts thrown away"


def _saved(runs: Sequence[RunResult]) -> Found:
    return _percentile([saved for run in runs for saved in run.saved_ms], 50, "replies begun early")


def _speakers(runs: Sequence[RunResult]) -> Found:
    """Of lines on one microphone: the share with the right label, under the best naming of the labels in each run."""
    right = total = 0
    separated = False
    for run in runs:
        heard = [(line.speaker, line.label) for line in run.lines if line.spoken and line.label is not None]
        if not run.one_microphone or len({speaker for speaker, _ in heard}) < 2:
            continue
        separated = separated or len({label for _, label in heard}) > 1
        right, total = right + _best_naming(heard), total + len(heard)
    if not total:
        return None, "nobody took turns on one microphone"
    if not separated:
        return None, f"all of {total} turns on one microphone have one label: voices are not told apart"
    return round(100 * right / total, 1), f"{total} turns on one microphone"


def _best_naming(heard: Sequence[tuple[str, str | None]]) -> int:
    names = sorted({speaker for speaker, _ in heard})
    labels = sorted({label for _, label in heard if label})[:_MOST_SPEAKERS]
    padded = names + [""] * max(0, len(labels) - len(names))
    return max(
        sum(speaker == dict(zip(labels, naming, strict=True)).get(label or "") for speaker, label in heard)
        for naming in permutations(padded, len(labels))
    )


def _addressees(runs: Sequence[RunResult]) -> Found:
    """The smaller of two shares: answered when addressed, silent otherwise."""
    several = [run for run in runs if run.speakers > 1 and not (run.told or run.one_microphone)]
    meant = [line.answered for line in _lines(several, Expect.ANSWER)]
    others = [not line.answered for line in _lines(several, Expect.QUIET) if line.answered is not None]
    if not meant or not others:
        return None, "nobody spoke to somebody else"
    if not any(others) and not any(run.addressees for run in several):
        return None, f"each of {len(others)} lines to somebody else was answered: nobody works out who is meant"
    shares = [100 * sum(map(bool, each)) / len(each) for each in (meant, others)]
    return round(min(shares), 1), f"answers {shares[0]:.0f} % of {len(meant)}, silent for {shares[1]:.0f} % of {len(others)}"


MEASURES: Final = (
    Measure("v2v_p50_ms", "end of speech to first sound, real questions, p50", "<= 600", _v2v(50)),
    Measure("v2v_p95_ms", "the same, p95", "<= 1000", _v2v(95)),
    # The units of `make bench-turn`.
    Measure("cutoff_pct", "pauses inside turns in which it began to speak, %", "<= 10", _pauses_cut),
    Measure("cutoff_turns_pct", "turns with pauses in which it did, once at least, %", "", _turns_cut),
    Measure("duck_p95_ms", "interruption to the voice ducked, p95", "<= 80", _interruptions("duck_ms")),
    Measure("stop_p95_ms", "interruption to the last sound, p95", "<= 250", _interruptions("stop_ms")),
    Measure("bc_kept_pct", "goes on through acknowledgements and coughs, %", ">= 90", _kept),
    Measure("yield_pct", "yields to interruptions, %", ">= 95", _yielded),
    Measure("history_off_words", "remembered against delivered, words", "<= 1", _history),
    Measure("stale_units", "heard of a reply that was over, units", "0", _stale),
    Measure("bc_per_min", "backchannels spoken a minute of story", "2 to 6", _murmurs),
    Measure("spec_used_pct", "replies begun before the turn was over, %", "", _speculated),
    Measure("spec_saved_ms", "time saved by that, p50", "", _saved),
    Measure("speaker_pct", "right speaker, several on one microphone, %", ">= 90", _speakers),
    Measure("addressee_pct", "answers when meant, and is silent when not, %", ">= 90", _addressees),
)


def summary(runs: Sequence[RunResult]) -> tuple[dict[str, Any], Table, list[str]]:
    """The last line; the table; and a line for each fault, with the recording and the second in which it is to be heard."""
    table = Table(title=f"{len(runs)} conversations")
    for name in ("what", "measured", "target", "from"):
        table.add_column(name, justify="right" if name in ("measured", "target") else "left")
    line: dict[str, Any] = {}
    for measure in MEASURES:
        line[measure.key], of = measure.find(runs)
        shown = "-" if line[measure.key] is None else str(line[measure.key])
        table.add_row(f"{measure.key}: {measure.what}", shown, measure.target, of)
    for name, value in _asides(runs).items():
        table.add_row(name, str(value), "", "", style="dim")
    return line, table, [fault for run in runs for fault in _faults(run)]


def _asides(runs: Sequence[RunResult]) -> dict[str, object]:
    """Counts that have no target."""
    held = [line.held_ms for line in _lines(runs, Expect.GO_ON) if line.held_ms]
    turns = [line for line in _lines(runs, Expect.ANSWER) if line.pauses]
    told = [after for run in runs for after in run.told_after_ms]
    yielded = _lines(runs, Expect.YIELD)
    recorded = asking()
    answered = [
        (line.v2v_ms, recorded[line.what]) for line in _lines(runs, Expect.ANSWER) if line.v2v_ms and line.what in recorded
    ]
    asked, stated = ([v2v for v2v, asks in answered if asks == kind] for kind in (True, False))
    told_real = [line.v2v_ms for line in _lines(runs, Expect.ANSWER) if line.recorded and line.what not in recorded]
    made = [line.v2v_ms for line in _lines(runs, Expect.ANSWER) if line.spoken and not line.recorded and line.v2v_ms]
    return {
        "end of speech to first sound, recorded questions and requests, p50 ms": _median(asked),
        "... p95 ms": f"{np.percentile(asked, 95):.0f}" if asked else "-",
        "... recorded statements, p50 ms": _median(stated),
        "... made voices, p50 ms": _median(made),
        "... a real story, p50 ms": _median(told_real),
        "questions without an answer": sum(line.answered is False for line in _lines(runs, Expect.ANSWER)),
        "whole turns answered before their end": sum(
            bool(line.early) and not line.pauses for line in _lines(runs, Expect.ANSWER)
        ),
        "began to speak in a pause: until it gave way to the words that went on, p50 ms": _median(
            [ms for line in turns for ms in line.gave_way_ms]
        ),
        "voice held and resumed, times": len(held),
        "... for, p50 ms": _median(held),
        "resumed at another sample": sum(len(run.jumps) for run in runs),
        "clicks": sum(len(run.clicks) for run in runs),
        "interruption to ducked, p50 ms": _median([line.duck_ms for line in yielded]),
        "interruption to the last sound, p50 ms": _median([line.stop_ms for line in yielded]),
        "from a pause to a nod or a backchannel, p50 ms": _median(told),
        "nods while a story is told": sum(run.nods for run in runs),
        "backchannels spoken across or after the end of a turn": sum(run.murmurs_across for run in runs),
        "answered, though the client said it was for somebody else": sum(
            line.answered is True for line in _lines([run for run in runs if run.told], Expect.QUIET)
        ),
        "lines that could not be said": sum(len(run.unsaid) for run in runs),
    }


def _median(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.median(known):.0f} ({len(known)})" if known else "-"


def _faults(run: RunResult) -> list[str]:
    at = f"{run.name}.wav"
    found = [f"{at} {line.at_s:6.1f} s  {line.what}: {line.fault}" for line in run.lines if line.fault]
    found += [f"{at}  {each}" for each in (*run.jumps, *run.clicks)]
    found += [f"{at}  history is {off} words off" for off in run.history_off if off > 1]
    found += [f"{at}  {run.stale} stale units"] if run.stale else []
    found += [f"{at}  notices: {', '.join(run.notices)}"] if run.notices else []
    found += [f"{at}  not said: {each}" for each in run.unsaid]
    return [*found, f"{at}  broke off: {run.broken}"] if run.broken else found

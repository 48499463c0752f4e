"""Policies of ending a turn, each with its knob turned from hasty to patient: what it cuts off against how long it waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bench.turn.baseline.rules import silence_needed_s
from bench.turn.material import FADE_S
from bench.turn.trace import WORDS_AFTER_S, Silence
from services.orchestrator.dialog.endpointing import silence_needed
from services.orchestrator.dialog.events import CLOCK_HZ
from services.orchestrator.dialog.state import Style

#: Waiting longer than that is no answer; every policy ends the turn here.
LONGEST_S: Final = 2.5
#: Decides a silence: after how many seconds the turn is ended, if the silence lasts so long.
Policy = Callable[[Silence], float]


@dataclass(frozen=True)
class Point:
    """A policy on some silences."""

    name: str
    cut_pct: float
    """Pauses in which the turn was ended."""
    turns_cut_pct: float
    """Turns with a pause that was made in which it was ended too early."""
    mean_ms: float
    """From the end of the last word to the decision, at ends."""
    p50_ms: float
    p95_ms: float


def by_silence(seconds: float) -> Policy:
    """The same wait always."""
    return lambda _: seconds


def by_smart_turn(least: float, wait_s: float, timeout_s: float) -> Policy:
    """Smart Turn as it is used: asked once, after 0.2 s; a turn ends after `wait_s` if its answer is enough, or else later."""
    return lambda silence: wait_s if silence.plain >= least else timeout_s


def by_rules(rules: Sequence[tuple[float, float]]) -> Policy:
    """Each rule: after so much silence a probability of at least so much is enough. The first that holds decides."""

    def decide(silence: Silence) -> float:
        reached = [silence.reached(least, wait_s) for wait_s, least in rules]
        return min([LONGEST_S, *(each for each in reached if each is not None)])

    return decide


def by_style(style: Style) -> Policy:
    """As the dialog manager does it."""

    def decide(silence: Silence) -> float:
        for each in silence.said:
            # Before its words are there nothing is concluded from a silence.
            known = WORDS_AFTER_S <= each.at_s < silence.noticed_s
            if known and each.at_s * CLOCK_HZ >= silence_needed(each.waiting_cost_s, each.reading, style):
                return each.at_s
        return style.longest_pause / CLOCK_HZ

    return decide


def by_tables() -> Policy:
    """As the baseline does it."""

    def decide(silence: Silence) -> float:
        if not silence.before:
            return LONGEST_S
        ends = [each.at_s for each in silence.before[1:]] + [silence.noticed_s]
        for each, end in zip(silence.before, ends, strict=True):
            decided_s = max(each.at_s, silence_needed_s(each.reading, each.probability))
            if decided_s < end:
                return decided_s
        return LONGEST_S

    return decide


def point(name: str, policy: Policy, silences: Sequence[Silence]) -> Point:
    """Measures one policy."""
    pauses = [silence for silence in silences if silence.kind == "pause"]
    cut = [silence for silence in pauses if policy(silence) < silence.noticed_s]
    turns = {silence.recording.name for silence in silences if silence.recording.pauses}
    waits = [1000 * _wait(silence, policy(silence)) for silence in silences if silence.kind == "end"]
    return Point(
        name,
        100 * len(cut) / max(1, len(pauses)),
        100 * len({silence.recording.name for silence in cut} & turns) / max(1, len(turns)),
        float(np.mean(waits)) if waits else float("nan"),
        float(np.median(waits)) if waits else float("nan"),
        float(np.percentile(waits, 95)) if waits else float("nan"),
    )


def silence_curve(silences: Sequence[Silence]) -> list[Point]:
    return [point(f"{wait:.2f} s", by_silence(wait), silences) for wait in np.arange(0.2, 2.5, 0.05)]


def smart_turn_curve(silences: Sequence[Silence]) -> list[Point]:
    """Its own policy: asked after 0.2 s, done if the answer is enough, else when the longest silence is over."""
    return [
        point(f"p >= {least:.2f}", by_smart_turn(least, 0.2, LONGEST_S), silences)
        for least in [*np.linspace(0.005, 0.95, 40), *np.linspace(0.955, 0.999, 12)]
    ]


def smart_turn_tuned(silences: Sequence[Silence]) -> list[Point]:
    """The best that could be made of it with other waits and timeouts, chosen on the very silences that are measured."""
    policies = itertools.product(
        [*np.linspace(0.02, 0.98, 25), 0.99], (0.2, 0.3, 0.4, 0.5, 0.7, 1.0), (0.7, 1.0, 1.5, 2.0, LONGEST_S)
    )
    return lowest(
        [
            point(f"p >= {least:.2f}: {wait} s, else {timeout} s", by_smart_turn(least, wait, timeout), silences)
            for least, wait, timeout in policies
            if wait < timeout
        ]
    )


def fusion_curve(silences: Sequence[Silence]) -> list[Point]:
    """One threshold, from 0.4 s on, when the words are there."""
    return [point(f"p >= {least:.2f}", by_rules([(0.4, least)]), silences) for least in np.arange(0.3, 0.99, 0.01)]


def fusion_tuned(silences: Sequence[Silence]) -> list[Point]:
    """The same for the engine's probabilities as `smart_turn_tuned` for Smart Turn's."""
    policies = itertools.product(np.arange(0.3, 0.98, 0.02), (0.2, 0.3, 0.4, 0.5), (1.0, 1.5, 2.0, LONGEST_S))
    return lowest(
        [
            point(f"p >= {least:.2f} after {wait} s, else {timeout} s", by_rules([(wait, least), (timeout, 0.0)]), silences)
            for least, wait, timeout in policies
        ]
    )


def style_curve(style: Style, silences: Sequence[Silence]) -> list[Point]:
    """The rule in use, from little patience to much."""
    costs = np.geomspace(0.2, 60, 50)
    return [point(f"{cost:.1f} s", by_style(replace(style, breaking_in_cost_s=float(cost))), silences) for cost in costs]


def lowest(points: Sequence[Point]) -> list[Point]:
    """Those that no quicker one beats."""
    best: list[Point] = []
    for each in sorted(points, key=lambda p: (p.mean_ms, p.cut_pct)):
        if not best or each.cut_pct < best[-1].cut_pct:
            best.append(each)
    return best


def at_delay(points: Sequence[Point], mean_ms: float) -> Point | None:
    """What cuts off least of those that wait no longer; None: all wait longer."""
    quick = [each for each in points if each.mean_ms <= mean_ms]
    return min(quick, key=lambda p: p.cut_pct) if quick else None


def _wait(silence: Silence, decided_s: float) -> float:
    """Seconds from where the speech really ended, which the detector may have missed a little; breath does not count."""
    end_s = silence.recording.end_s
    missed_s = silence.last_s - end_s if end_s is not None else 0.0
    return decided_s + (missed_s if abs(missed_s) < FADE_S else 0.0)

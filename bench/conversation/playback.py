"""What reached the listener of each reply: in order and whole, and nothing after its end. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

import vivant
from bench.conversation.questions import UNIT_S
from bench.conversation.take import Heard, Take

#: A step between two samples of so much, and of three times what is usual around it, is a click.
CLICK: Final = 1000
_CLICK_RATIO: Final = 3.0
_AROUND_S: Final = 0.01


def history_off(take: Take) -> list[int]:
    """Of each spoken reply: the words that are remembered against those whose sound was played to its end."""
    found = []
    for turn_id, (over, turn) in take.ends().items():
        words = [word for caption in take.of(vivant.Caption) if caption.turn_id == turn_id for word in caption.words]
        played = over - take.buffer_s if turn.interrupted else np.inf
        delivered = max((unit.turn_end_sample for unit in take.of_turn(turn_id) if unit.at <= played), default=0)
        if words and delivered:
            expected = _plain(" ".join(word.text for word in words if word.end_sample <= delivered))
            found.append(_apart(expected, _plain(turn.heard_text)))
    return found


def _apart(first: list[str], second: list[str]) -> int:
    same = next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))
    return max(len(first), len(second)) - same


def _plain(text: str) -> list[str]:
    return "".join(char for char in text.lower() if char.isalnum() or char.isspace()).split()


def stale_units(take: Take) -> int:
    """Units in which a reply is heard after it was said to be interrupted."""
    ends = {turn_id: at for turn_id, (at, turn) in take.ends().items() if turn.interrupted}
    return sum(unit.first is not None and unit.at > ends.get(unit.turn_id, np.inf) for unit in take.units)


def late_units(take: Take) -> int:
    """Units more than 40 ms behind the beat; a beat that was missed begins anew."""
    late, due = 0, -np.inf
    for unit in take.units:
        due = min(due + UNIT_S, unit.at) if due > -np.inf else unit.at
        if unit.at > due + UNIT_S:
            late, due = late + 1, unit.at
    return late


def lost_units(take: Take) -> int:
    """Units that are missing between the first and the last."""
    return take.units[-1].index - take.units[0].index + 1 - len(take.units) if take.units else 0


def jumps(take: Take) -> list[str]:
    """Where a reply did not go on at the sample at which it had stopped. Units that were lost on the way do not count."""
    found = []
    for turn_id in {unit.turn_id for unit in take.units if unit.turn_id}:
        units = take.of_turn(turn_id)
        for before, after in pairwise(units):
            missing = after.turn_sample - before.turn_end_sample
            if missing and not _lost_between(take, before, after):
                found.append(f"turn {turn_id} goes on {missing:+d} samples off at unit {after.index}")
    return found


def clicks(take: Take) -> list[str]:
    """Where the voice jumps from one unit to the next."""
    around = round(_AROUND_S * take.rate_hz)
    found = []
    for before, after in pairwise(take.units):
        if after.index != before.index + 1:
            continue
        sound = np.concatenate([before.pcm[-around:], after.pcm[:around]]).astype(np.int32)
        steps = np.abs(np.diff(sound))
        middle = min(around, len(before.pcm)) - 1
        usual = int(np.delete(steps, middle).max(initial=0))
        if steps[middle] > max(CLICK, _CLICK_RATIO * usual):
            found.append(f"a step of {steps[middle]} between units {before.index} and {after.index}")
    return found


def _lost_between(take: Take, before: Heard, after: Heard) -> bool:
    between = [unit for unit in take.units if before.index < unit.index < after.index]
    return len(between) < after.index - before.index - 1

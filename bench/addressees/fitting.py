"""The weights of `services/orchestrator/dialog/clues.json`: logistic regression with a ridge on the lines that nobody is
called in.

A row for each, as it looks when all before it was understood; and the same again without evidence, for when the llm service
is lost or slow. The score is from conversations left out of the fit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.addressees.material import FITTED, Talk
from bench.addressees.playing import Judged
from bench.logistic import auc, calibration_error, logistic
from services.orchestrator.dialog.clues import EVIDENCE, NAMES, WEIGHTS, Logistic, of_evidence

#: Strong, since the lines are few.
_RIDGE: Final = 3.0
#: Made conversations are short, and come back to the persona sooner than people do who have something to say to each other.
_DOUBTED: Final = ("going_on",)
_DOUBT: Final = 5.0
#: Hardly a line has these, so that a ridge against their spread holds nothing. It draws to what the rules that were in use
#: before had found; and people who sit together have greeted each other.
_BEFORE: Final = {"plans": -2.0, "reports": -2.0, "greets": 2.0}
_RARE: Final = 30.0
#: A row without evidence counts so much: the llm is seldom lost.
_WITHOUT: Final = 0.3

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """The lines of one conversation that nobody is called in."""

    numbers: Numbers
    """[lines, NAMES]"""
    meant: Numbers
    """[lines]: 1 where it is for the persona, else 0."""


def rows_of(judged: Sequence[Judged]) -> Rows:
    """From a conversation that was played from the truth."""
    guessed = [(each, each.verdict.clues) for each in judged if each.verdict.clues is not None]
    numbers = [[*clues, *of_evidence(each.evidence)] for each, clues in guessed]
    return Rows(
        np.array(numbers, np.float64).reshape(-1, len(NAMES)), np.array([not each.line.to for each, _ in guessed], np.float64)
    )


def fitted(rows: Sequence[Rows]) -> tuple[float, dict[str, float]]:
    """Bias and weights."""
    numbers = np.concatenate([each.numbers for each in rows])
    meant = np.concatenate([each.meant for each in rows])
    without = numbers.copy()
    without[:, [NAMES.index(name) for name in EVIDENCE]] = 0
    counts = np.repeat([1.0, _WITHOUT], len(meant))
    ridge = dict.fromkeys(NAMES, _RIDGE) | dict.fromkeys(_DOUBTED, _RIDGE * _DOUBT) | dict.fromkeys(_BEFORE, _RIDGE * _RARE)
    bias, weights = logistic(
        np.concatenate([numbers, without]), np.tile(meant, 2), counts, names=NAMES, ridge=ridge, positive=(), before=_BEFORE
    )
    return bias, {name: float(weight) for name, weight in zip(NAMES, weights, strict=True)}


def left_out(rows: Sequence[Rows]) -> list[Logistic]:
    """For each conversation, the model that is fitted on all others."""
    return [Logistic(*fitted([*rows[:each], *rows[each + 1 :]])) for each in range(len(rows))]


def write(rows: Sequence[Rows], talks: Sequence[Talk], likely: Numbers, meant: NDArray[np.bool_]) -> None:
    """The weights, with what they were fitted on and their score: `likely` from models that have not seen the line."""
    bias, weights = fitted(rows)
    parts = ", ".join(f'"{part}"' for part in FITTED)
    result = {
        "made": datetime.now(UTC).date().isoformat(),
        "material": (
            f"parts {parts} of bench/data/addressees.toml, {len(talks)} made conversations: {int(meant.sum())} lines to the "
            f"persona and {int((~meant).sum())} to others in which nobody is called"
        ),
        "score": score(likely, meant),
        "bias": round(bias, 4),
        "weights": {name: round(weight, 4) for name, weight in weights.items()},
    }
    WEIGHTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def score(likely: Numbers, meant: NDArray[np.bool_]) -> dict[str, float]:
    """How well probabilities tell the lines to the persona from the others, and how well they are calibrated."""
    kept = np.clip(likely, 1e-3, 1 - 1e-3)
    return {
        "auc": round(auc(likely, meant), 3),
        "calibration_error": round(calibration_error(likely, meant), 3),
        "log_loss": round(float(-np.log(np.where(meant, kept, 1 - kept)).mean()), 3),
    }

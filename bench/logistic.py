"""Logistic regression with a ridge and with signs that weights must have, and how good probabilities are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
#: Of the solver.
_STEPS: Final = 4_000


def logistic(
    numbers: Numbers,
    true: Numbers,
    counts: Numbers,
    *,
    names: Sequence[str],
    ridge: Mapping[str, float],
    positive: Sequence[str],
    negative: Sequence[str] = (),
    before: Mapping[str, float] = MappingProxyType({}),
) -> tuple[float, Numbers]:
    """Bias and weights by `names` [n], for rows `numbers` [rows, n] that are `true` (1) or not (0) and count so much each.

    By projected gradient steps with momentum (Beck & Teboulle 2009). The ridge holds against numbers scaled to a spread of
    1, and draws to the weights `before`, else to 0. No weight of `positive` is below 0, none of `negative` above.
    """
    middle, spread = numbers.mean(axis=0), numbers.std(axis=0) + 1e-6
    scaled = np.column_stack([(numbers - middle) / spread, np.ones(len(numbers))])
    least, most = np.full(scaled.shape[1], -np.inf), np.full(scaled.shape[1], np.inf)
    least[[names.index(name) for name in positive]] = 0
    most[[names.index(name) for name in negative]] = 0
    drawn_to = np.zeros(scaled.shape[1])
    for name, weight in before.items():
        drawn_to[names.index(name)] = weight * spread[names.index(name)]
    strength = np.array([*(ridge[name] for name in names), 0.0])
    step = 1 / (0.25 * np.linalg.eigvalsh(scaled.T @ (scaled * counts[:, None]))[-1] + strength.max())
    weights = look = np.zeros(scaled.shape[1])
    momentum = 1.0
    for _ in range(_STEPS):
        slope = scaled.T @ (counts * (1 / (1 + np.exp(-(scaled @ look))) - true)) + strength * (look - drawn_to)
        following = np.clip(look - step * slope, least, most)
        later = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        look = following + (momentum - 1) / later * (following - weights)
        weights, momentum = following, later
    natural = weights[:-1] / spread
    return float(weights[-1] - natural @ middle), natural


def calibration_error(likely: Numbers, true: NDArray[np.bool_]) -> float:
    """How far what is said to be so likely is from how often it is so, in tenths, on average."""
    edges = np.linspace(0, 1, 11)
    bins = np.clip(np.digitize(likely, edges) - 1, 0, 9)
    inside = [bins == each for each in range(10) if (bins == each).any()]
    return float(sum(abs(likely[some].mean() - true[some].mean()) * some.mean() for some in inside))


def auc(values: Numbers, true: NDArray[np.bool_]) -> float:
    """The chance that a true one has a higher value than another."""
    ones, others = values[true][:, None], values[~true][None]
    return float(((ones > others) + 0.5 * (ones == others)).mean()) if len(ones) and others.size else float("nan")

"""What the candidate would say of a silence, from what the engine in use heard in it and the words that were recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.turn.candidate.hazard import model, of_words
from bench.turn.candidate.reader import Reading, TurnReader, reader
from bench.turn.candidate.rule import Prices

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """One moment of a silence."""

    at_s: float
    """After so much of it."""
    probability: float
    """0..1 that the turn is over."""
    waiting_cost_s: float
    """Seconds of needless waiting for each time that waiting on keeps the persona from breaking in; see `hazard`."""
    reading: Reading | None
    """None while the words are not known."""


def judged(heard: Numbers, text: str, moments_s: Sequence[float], longest_s: float = Prices.longest_pause_s) -> list[Judged]:
    """Each moment of a silence after the words `text`; `heard` [8] in the order of `hazard.HEARD`."""
    read = TurnReader(reader()).read(text)
    evidence = model().evidence(np.concatenate([heard, of_words(text, read)]))
    reading = read.reading if read is not None else None
    return [
        Judged(at_s, model().probability(evidence, at_s), model().waiting_cost_s(evidence, at_s, longest_s), reading)
        for at_s in moments_s
        if at_s < longest_s
    ]

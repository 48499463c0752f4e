"""The made conversations of several people, and the fit of the weights that tell whom they mean."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from bench.addressees.fitting import Rows, fitted, left_out, score
from bench.addressees.material import FITTED, HELD_OUT, Talk, talks
from services.orchestrator.dialog.clues import NAMES, clues_of
from services.orchestrator.dialog.events import Contribution, Evidence


@pytest.mark.parametrize("talk", talks(*FITTED, *HELD_OUT), ids=lambda talk: f"{talk.part}: {talk.lines[0].text}")
def test_every_line_is_to_the_persona_or_to_somebody_else_who_is_there(talk: Talk) -> None:
    speakers = {line.speaker for line in talk.lines}
    assert all(line.to in speakers | {""} - {line.speaker} for line in talk.lines)
    assert talk.persona.lower() not in {speaker.lower() for speaker in speakers}


def test_no_line_is_in_two_parts() -> None:
    texts = [line.text for talk in talks(*FITTED, *HELD_OUT) for line in talk.lines if len(line.text.split()) > 4]
    assert not [one for one, next_one in pairwise(sorted(texts)) if one == next_one]


def rows(chance: np.random.Generator) -> Rows:
    """What asks is for the persona nine times of ten, and what does not one time of ten."""
    numbers = np.zeros((40, len(NAMES)))
    numbers[:, NAMES.index("told")] = 1
    numbers[:20, NAMES.index("asks")] = 1
    return Rows(numbers, (chance.random(40) < np.repeat([0.9, 0.1], 20)).astype(float))


def test_the_fit_finds_what_tells_and_leaves_the_rest_at_what_it_is_drawn_to() -> None:
    chance = np.random.default_rng(1)
    conversations = [rows(chance) for _ in range(5)]
    _, weights = fitted(conversations)
    assert weights["asks"] > 3
    assert weights["greets"] == pytest.approx(2.0) and weights["plans"] == pytest.approx(-2.0)
    assert weights["answers"] == pytest.approx(0.0)
    models = left_out(conversations)
    asks, tells = (clues_of(Contribution("Ann", text), None) for text in ("Where is it?", "It is there."))
    for model in models:
        assert model.probability(asks, Evidence(0.0)) > 0.8
        assert model.probability(tells, Evidence(0.0)) < 0.6


def test_a_score_tells_good_probabilities_from_bad_ones() -> None:
    meant = np.array([True, True, False, False])
    good, bad = score(np.array([0.9, 0.8, 0.1, 0.2]), meant), score(np.array([0.2, 0.6, 0.9, 0.4]), meant)
    assert good["auc"] == 1.0 > bad["auc"] and good["log_loss"] < bad["log_loss"]
    assert good["calibration_error"] < bad["calibration_error"]

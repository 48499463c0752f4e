"""What the answers of voice activity projection weigh: fitted on rows of which it is known, and heard in the true order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.turn.material import Audio, Recording
from bench.turn.training.beside import Answering, answering, answers, weigh
from services.turn.engines.evidence import NAMES, fitted
from services.turn.engines.vap.network import LEAD, RATE_HZ, Answer

FRAME = 1_600


def rows(now: float, future: float) -> dict[str, NDArray[Any]]:
    """Ends and pauses as they come when the answers weigh so much beside the evidence; the silence says nothing."""
    rng = np.random.default_rng(6)
    count = 6_000
    every = rng.standard_normal((count, len(NAMES["after"]))) * 2
    said = rng.standard_normal((count, 2)) * 2
    weights = fitted()["before"]
    evidence = np.array([weights.evidence(each[: len(NAMES["before"])]) for each in every])
    end = rng.random(count) < 1 / (1 + np.exp(-(evidence + said @ [now, future])))
    return {"all": every, "answers": said, "silence_s": rng.uniform(0.2, 2.0, count), "end": end}


@pytest.mark.parametrize(("now", "future"), [(0.5, 0.2), (0.3, 0.0)])
def test_what_answers_weigh_is_found(now: float, future: float) -> None:
    found, loss = weigh(rows(now, future), "before", np.arange(6_000) % 6)
    assert found["p_now"] == pytest.approx(now, abs=0.05)
    assert found["p_future"] == pytest.approx(future, abs=0.05)
    assert loss["with"] < loss["without"]


def test_answers_that_know_nothing_weigh_next_to_nothing_and_never_less() -> None:
    found, loss = weigh(rows(0.0, 0.0), "before", np.arange(6_000) % 6)
    assert 0 <= found["p_now"] < 0.03
    assert 0 <= found["p_future"] < 0.03
    assert loss["with"] == pytest.approx(loss["without"], abs=0.002)


class Listening:
    """A network that answers with how loud it heard both sides."""

    frame = FRAME

    def step(self, user: Audio, persona: Audio, state: None) -> tuple[Answer, None]:
        return Answer(*(float(np.abs(side[LEAD:]).max()) for side in (user, persona))), None


def test_each_turn_answers_the_one_before_on_the_other_side() -> None:
    turns = [Recording(str(each), np.full(RATE_HZ, 0.1 * each, np.float32), end_s=1.0) for each in (1, 2, 3)]
    first, *_ = made = answering(turns)
    assert [turn.name for turn in made] == ["1", "2", "3"]
    assert isinstance(first, Answering)
    said = list(answers(first, Listening()))
    before = [each for each in said if each.end <= 0]
    during = [each for each in said if each.end > 0]
    assert {round(each.answer.now, 3) for each in before} == {0.0}
    assert [round(each.answer.future, 3) for each in before] == [0.3] * 10 + [0.0] * 2
    assert [each.end for each in during] == [FRAME * each for each in range(1, len(during) + 1)]
    assert {(round(each.answer.now, 3), each.answer.future) for each in during} == {(0.1, 0.0)}
    assert said[-1].heard == len(said) * FRAME

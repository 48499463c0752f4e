"""What `bench.speakers` counts, with labellers that are known to be right or wrong; and the fit of the space of voices."""

from __future__ import annotations

import numpy as np
import pytest

from bench.speakers import training
from bench.speakers.scoring import TURNS, Score, Turns, alone, converse
from services.asr.voices.voice_space import VoiceSpace
from services.asr.voices.voiceprint import Array


def person(number: int) -> Turns:
    return [(np.full(256, number, np.float32), 2.0)] * TURNS


PAIR = [person(0), person(1)]


class Knowing:
    """Sees who speaks, and calls each by the name in this list."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.given_up: dict[str, str] = {}
        self.heard: list[int] = []

    def who(self, voiceprint: Array, seconds: float) -> str:
        self.heard.append(int(voiceprint[0]))
        return self.label()

    def label(self) -> str:
        return self._names[self.heard[-1]]


class Ordering(Knowing):
    """Gives labels in the order of first turns."""

    def label(self) -> str:
        return f"voice{list(dict.fromkeys(self.heard)).index(self.heard[-1]) + 1}"


class Forgetting(Ordering):
    """Takes two people for one after ten turns."""

    def label(self) -> str:
        if len(self.heard) > 10:
            self.given_up = {"voice2": "voice1"}
        return "voice1" if self.given_up else super().label()


def scored(labels: Knowing) -> Score:
    score = Score()
    converse(PAIR, labels, score, np.random.default_rng(3))
    return score


def test_right_labels_are_right() -> None:
    score = scored(Ordering())
    assert (score.right, score.parted, score.two_as_one) == (TURNS, TURNS, 0)


def test_what_labels_are_called_does_not_matter() -> None:
    for names in (("one", "two"), ("two", "one")):
        score = scored(Knowing(*names))
        assert (score.right, score.parted) == (TURNS, TURNS)


def test_a_label_too_many_puts_all_that_follow_in_the_wrong_place() -> None:
    class Restarting(Ordering):
        """The first speaker gets another label with the second turn, and keeps it."""

        def label(self) -> str:
            who = self.heard[-1]
            return "late" if who == self.heard[0] and self.heard.count(who) > 1 else super().label()

    labels = Restarting()
    score = scored(labels)
    first = labels.heard[0]
    assert score.right < TURNS - labels.heard.count(first) + 2
    assert score.parted == TURNS - 1, "parted they are all the same, but for that one turn"


def test_one_label_for_all_is_right_for_one_of_them_only() -> None:
    labels = Knowing("one", "one")
    score = scored(labels)
    assert score.right == labels.heard.count(labels.heard[0])
    assert score.parted == max(labels.heard.count(0), labels.heard.count(1))


def test_two_people_taken_for_one_are_counted_once() -> None:
    score = scored(Forgetting())
    assert score.two_as_one == 1
    assert score.right < TURNS


def test_a_second_label_for_who_is_alone_is_a_split_and_may_be_over_at_the_end() -> None:
    class Changing(Knowing):
        def label(self) -> str:
            return "other" if len(self.heard) == 5 else "one"

    class Staying(Knowing):
        def label(self) -> str:
            return "other" if len(self.heard) >= 5 else "one"

    score = Score()
    alone(person(0), Changing("one"), score)
    alone(person(0), Staying("one"), score)
    alone(person(0), Knowing("one"), score)
    assert (score.alone, score.split, score.split_at_end) == (3, 2, 1)


def test_the_fitted_space_parts_new_voices_by_what_differs_between_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Voices differ in ten of 40 numbers, and each of them varies as much in ten others."""
    monkeypatch.setattr(training, "_AXES", 20)
    chance = np.random.default_rng(5)

    def turns(place: Array, count: int = 30) -> Array:
        made = np.tile(place, (count, 1)) + 0.02 * chance.standard_normal((count, 40))
        made[:, 10:20] += chance.standard_normal((count, 10))
        return made.astype(np.float32)

    def voice() -> Array:
        return np.concatenate((chance.standard_normal(10), np.zeros(30))).astype(np.float32)

    seconds = np.full(30, 3.0, np.float32)
    made = training.fit([(turns(voice()), seconds) for _ in range(60)])
    space = VoiceSpace(made["mean"], np.asarray(made["axes"], np.float32), made["spread"], tuple(made["scatter"]))
    one, other = turns(voice()), turns(voice())
    same = [space.odds(space.heard(a, 3.0), space.heard(b, 3.0)) for a, b in zip(one[::2], one[1::2], strict=True)]
    different = [space.odds(space.heard(a, 3.0), space.heard(b, 3.0)) for a, b in zip(one, other, strict=True)]
    assert min(same) > 0 > max(different)

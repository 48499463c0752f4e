"""The candidate for ending turns: the network that reads the words, the hazard, the rule. Real weights, virtual time."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from bench.turn import curves
from bench.turn.candidate.hazard import HEARD, NAMES, SILENCE, TIME, WORDS, Hazard, model, of_words
from bench.turn.candidate.hazard import WEIGHTS as HAZARD
from bench.turn.candidate.judging import Judged, judged
from bench.turn.candidate.reader import WEIGHTS as READER
from bench.turn.candidate.reader import Read, Reader, Reading, TurnReader, reader, spoken_words
from bench.turn.candidate.rule import Prices, over, waiting_cost
from bench.turn.material import Recording
from bench.turn.picture import svg
from bench.turn.trace import Silence, turn_texts


def read(text: str, before: str = "") -> Read:
    turn = TurnReader(reader())
    turn.begin(before)
    found = turn.read(text)
    assert found is not None
    return found


def reading(text: str, before: str = "") -> Reading:
    return read(text, before).reading


def test_words_are_read_without_marks_and_numbers_are_all_alike() -> None:
    assert spoken_words("Well... I’m 72, you know? Mm-hm.") == ["well", "i'm", "<n>", "you", "know", "mm-hm"]
    assert read("Where are you from?") == read("where are you from")


def test_reading_on_gives_what_reading_anew_gives() -> None:
    turn = TurnReader(reader())
    for text in ("so", "so i went", "so i went to the lake", "so i went to the market", "so", "no"):
        found, fresh = turn.read(text), read(text)
        assert found is not None
        assert found.over == pytest.approx(fresh.over, abs=1e-4)
    assert turn.read("") is None


@pytest.mark.parametrize(
    ("open_end", "whole"),
    [
        ("i went to the", "i went to the lake"),
        ("so what do you", "so what do you think"),
        ("that was my", "that was my sister"),
        ("it was um", "it was cold"),
        ("tell me about your", "tell me about your grandmother"),
        ("the red wooden canoe on the", "the red wooden canoe on the lake is mine"),
    ],
)
def test_what_is_whole_is_likelier_over_than_what_is_not(open_end: str, whole: str) -> None:
    assert read(whole).over > read(open_end).over + 1
    assert reading(open_end).looks_for_words > 0.3 > reading(whole).looks_for_words


@pytest.mark.parametrize(
    "text", ["where did you grow up", "how many keys are there", "what is it like up there", "do you like it"]
)
def test_a_question_is_known_by_its_words(text: str) -> None:
    assert reading(text).asks > 0.5


@pytest.mark.parametrize("text", ["i really like animals", "we went to the lake last summer", "i know what you mean"])
def test_a_statement_tells(text: str) -> None:
    assert reading(text).tells > 0.5 > reading(text).asks


def test_a_little_word_acknowledges_until_more_is_said() -> None:
    assert reading("yeah").acknowledges > 0.3
    assert reading("yeah i think so too").acknowledges < 0.05
    assert reading("mm-hmm").acknowledges > 0.5


def test_yes_is_a_whole_answer_to_a_question_only() -> None:
    assert read("yeah", "do you live up there?").over > read("yeah", "i live up there.").over + 1


def test_a_long_turn_is_a_story() -> None:
    long = "so we drove up to the lake and it was snowing and the road was closed and then my brother said we should walk " * 2
    assert reading(long).tells_a_story > 0.5 > reading("i really like animals").tells_a_story


@pytest.mark.parametrize(
    "text",
    ["So let me tell you what happened last winter.", "Guess what happened to me.", "I have to tell you about the lake."],
)
def test_who_announces_a_story_asks_for_nothing(text: str) -> None:
    assert (reading(text).asks, reading(text).tells_a_story) == (0, 1)
    assert reading(f"{text} Do you have a minute?").asks > 0.35


def test_shares_are_probabilities() -> None:
    for text in ("yeah", "where are you", "and um", "i like it here", "zyzzyva quokka"):
        found = reading(text)
        assert found.asks + found.tells + found.looks_for_words == pytest.approx(1)
        assert all(0 <= share <= 1 for share in (found.asks, found.tells, found.looks_for_words))
        assert 0 <= found.acknowledges <= 1
        assert 0 <= found.tells_a_story <= 1


def test_a_word_that_is_not_known_is_read_by_its_ending() -> None:
    known = reader()
    assert known.place("zumbling") == known.place("grumbling".replace("gr", "fr"))
    assert known.place("zumbling") != known.place("zumbled")


def test_the_networks_answers_are_averaged() -> None:
    one = small(seed=1)
    assert Reader(twice(one)).answer(np.zeros((2, 4), np.float32)) == Reader(one).answer(np.zeros((1, 4), np.float32))


def small(seed: int) -> dict[str, np.ndarray]:
    """Weights of one network of four units."""
    rng = np.random.default_rng(seed)
    shapes = {"from_input": (12, 6), "input_bias": (12,), "from_hidden": (12, 4), "hidden_bias": (12,), "to_output": (11, 4)}
    weights = {name: rng.standard_normal((1, *shape)) for name, shape in shapes.items()}
    words = {
        "embedding": np.ones((1, 210, 4), np.int8),
        "scale": np.ones((1, 210), np.float16),
        "vocabulary": np.array("a b c d"),
    }
    return {**weights, **words, "output_bias": rng.standard_normal((1, 11))}


def twice(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value if name == "vocabulary" else np.concatenate([value, value]) for name, value in weights.items()}


def test_a_new_word_is_cheap() -> None:
    """Usual is 0.1 ms; the bound is far above it."""
    turn = TurnReader(reader())
    words = ("so i went to the market and then i met my old friend from school " * 10).split()
    began = time.process_time()
    for count in range(1, len(words) + 1):
        turn.read(" ".join(words[:count]))
    assert (time.process_time() - began) / len(words) < 0.002


@pytest.mark.parametrize("weights", [READER, HAZARD])
def test_the_weights_say_what_they_were_made_of(weights: Path) -> None:
    made = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    assert {"made", "material", "score"} <= set(made)
    assert "MIT" in made["material"]


def words_of(text: str) -> dict[str, float]:
    return dict(zip(WORDS, of_words(text, TurnReader(reader()).read(text)), strict=True))


def test_words_are_numbers() -> None:
    asked, said, left_open = (words_of(f"What's the weather like{mark}") for mark in ("?", ".", "..."))
    assert asked["known"] == said["known"] == left_open["known"] == 1
    assert [asked["question_mark"], said["question_mark"], left_open["question_mark"]] == [1, 0, 0]
    assert [asked["full_stop"], said["full_stop"], left_open["full_stop"]] == [0, 1, 0]
    assert [asked["open_mark"], said["open_mark"], left_open["open_mark"]] == [0, 0, 1]
    assert asked["over"] == said["over"] == left_open["over"], "the words are read without marks"
    lengths = [words_of(text)["length"] * 8 for text in ("Yes.", "I do. We went home.", "So I went to the market. Um")]
    assert lengths == [1, 3, 1]
    assert not of_words("...", None).any()


def weight(name: str) -> float:
    """What one more of a number adds to the evidence."""
    nothing = np.zeros(len(NAMES))
    something = nothing.copy()
    something[NAMES.index(name)] = 1
    return model().evidence(something) - model().evidence(nothing)


MOMENTS = np.arange(0.2, 2.6, 0.05)


def test_time_never_makes_an_end_less_likely() -> None:
    for evidence in np.linspace(-8, 8, 33):
        rising = list(model().logits(float(evidence), MOMENTS))
        assert rising == sorted(rising)
        assert rising[-1] > rising[0]


def test_what_sounds_whole_is_likelier_over_the_more_so_the_longer_the_silence() -> None:
    for silence_s in (0.2, 0.35, 0.7, 1.5):
        probabilities = [model().probability(float(evidence), silence_s) for evidence in np.linspace(-8, 8, 33)]
        assert probabilities == sorted(probabilities)

    def told(silence_s: float) -> float:
        return float(np.diff([model().logits(evidence, np.array([silence_s]))[0] for evidence in (0.0, 2.0)])[0])

    assert told(0.3) < told(0.5) < told(0.7) == pytest.approx(told(1.5))


def test_what_sounds_finished_is_likelier_finished() -> None:
    assert weight("sound") > 0
    assert weight("over") > 0 > weight("looks_for_words")
    assert weight("question_mark") > 0 > weight("open_mark")


def judge(**time: float) -> Hazard:
    return Hazard(0.0, dict.fromkeys(NAMES, 0.0), 0.0, dict.fromkeys(TIME, 0.0) | time)


def test_waiting_costs_the_seconds_of_those_who_had_finished_for_each_who_goes_on() -> None:
    """Half have finished. Of the others the same share goes on in each moment: e^-2 are still silent a second later."""
    steady = judge(**dict.fromkeys(SILENCE, 2.0))
    # Any wait is paid for alike: the shorter the better, 50 ms here.
    assert steady.waiting_cost_s(0.0, 0.2, 2.5) == pytest.approx(0.05 / (1 - np.exp(-0.1)), rel=1e-6)
    # Later more have finished among those who are still silent, by just these odds.
    assert steady.waiting_cost_s(0.0, 0.7, 2.5) == pytest.approx(np.exp(1) * 0.05 / (1 - np.exp(-0.1)), rel=1e-6)


def test_it_looks_ahead_to_when_most_of_those_go_on_who_will() -> None:
    soon = judge(silence_to_700_ms=10.0)
    # In the next tenth of a second nobody goes on, and in the tenth after it most of those who will.
    assert soon.waiting_cost_s(0.0, 0.3, 2.5) == pytest.approx(0.2 / (1 - np.exp(-1)), rel=0.01)
    assert soon.waiting_cost_s(0.0, 0.75, 2.5) == np.inf, "nobody goes on any more"


def test_nothing_is_waited_for_beyond_the_longest_pause() -> None:
    late = judge(silence_later=3.0)
    assert late.waiting_cost_s(0.0, 1.0, 1.2) == np.inf
    assert late.waiting_cost_s(0.0, 1.0, 2.5) < 2


PRICES = Prices(breaking_in_cost_s=4.0, awaited_costs=10.0, awaited_from=0.4, story_costs=0.2, story_from=0.9)


def read_as(asks: float = 0.0, story: float = 0.0) -> Reading:
    return Reading(asks=asks, tells=1 - asks, looks_for_words=0.0, acknowledges=0.0, tells_a_story=story)


@pytest.mark.parametrize(
    ("cost_s", "silence_s", "ended"),
    [(0.0, 0.4, False), (3.9, 0.4, False), (4.0, 0.4, True), (math.inf, 0.0, True), (0.0, 2.49, False), (0.0, 2.5, True)],
)
def test_a_turn_is_over_when_waiting_costs_more_than_breaking_in(cost_s: float, silence_s: float, ended: bool) -> None:
    assert over(cost_s, silence_s, PRICES) is ended


def test_a_second_costs_more_where_an_answer_is_awaited_and_less_in_a_story() -> None:
    assert waiting_cost(0.5, None, PRICES) == 0.5
    assert [waiting_cost(0.5, read_as(asks), PRICES) for asks in (0.0, 0.3, 0.4, 0.9)] == [0.5, 0.5, 5.0, 5.0]
    assert waiting_cost(10.0, read_as(story=0.9), PRICES) == pytest.approx(2.0)
    assert waiting_cost(10.0, read_as(story=0.8), PRICES) == 10.0
    assert waiting_cost(0.5, read_as(asks=0.9, story=0.9), PRICES) == 5.0, "a question at the end of it is a question"


HEARD_NOTHING = np.zeros(len(HEARD))
TURN = Recording("turn", np.zeros(0, np.float32), end_s=5.0)
#: A silence as the turn service hears it: each 32 ms once the words are there.
HEARD_AT = [0.35, *np.arange(0.384, 2.6, 0.032)]


def silence(text: str, noticed_s: float = 10.0) -> Silence:
    found = Silence(TURN, 5.1, 5.1 + noticed_s, noticed_s, text=text)
    found.judged = judged(HEARD_NOTHING, text, HEARD_AT)
    return found


def decided_s(text: str, prices: Prices = PRICES, noticed_s: float = 10.0) -> float:
    return curves.by_prices(prices)(silence(text, noticed_s))


def test_in_one_silence_the_probability_rises_and_the_reading_stays() -> None:
    told = judged(HEARD_NOTHING, "I went to the lake.", HEARD_AT)
    assert [each.at_s for each in told] == [at for at in HEARD_AT if at < 2.5]
    assert [each.probability for each in told] == sorted(each.probability for each in told)
    assert {each.reading for each in told} == {reading("I went to the lake.")}
    assert {each.reading for each in judged(HEARD_NOTHING, "", HEARD_AT)} == {None}


def test_a_question_is_answered_sooner_than_a_statement_and_that_sooner_than_half_a_sentence() -> None:
    prices = Prices()
    question, statement, half = (
        decided_s(text, prices) for text in ("Where are you from?", "I like it here.", "I went to the")
    )
    assert 0.35 <= question < statement < half <= 2.5


def test_who_is_patient_takes_breaking_in_to_cost_more() -> None:
    waits = [decided_s("I like it here.", Prices(breaking_in_cost_s=price_s)) for price_s in (0.5, 2.0, 8.0, 1e9)]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1] == 2.5


def test_who_speaks_again_first_is_not_interrupted() -> None:
    assert decided_s("Where are you from?", noticed_s=0.3) == 2.5
    patient = Judged(0.5, 0.9, 3.9, None)
    again = Silence(TURN, 2.0, 2.6, 0.6, judged=[patient, Judged(0.7, 0.95, 9.0, None)])
    assert curves.by_prices(PRICES)(again) == 2.5
    again.noticed_s = 0.8
    assert curves.by_prices(PRICES)(again) == 0.7


def test_the_curve_goes_from_hasty_to_patient() -> None:
    points = curves.candidate_curve([silence("I went to the lake."), silence("Where is it?")])
    assert [each.mean_ms for each in points] == sorted(each.mean_ms for each in points)
    assert points[0].mean_ms < points[-1].mean_ms


def test_both_rules_are_marked_in_the_picture() -> None:
    here = curves.point("candidate", curves.by_prices(PRICES), [silence("Where is it?")])
    picture = svg({"made": {"fusion": [here], "candidate": [here]}}, {"made": here}, {"made": here})
    assert "the rules in use" in picture
    assert "the candidate" in picture


def test_the_candidate_reads_the_whole_turn_once_its_last_words_are_known() -> None:
    said = [
        Silence(TURN, 2.0, 2.6, 0.6, text="I went", words_from_s=0.0),
        Silence(TURN, 4.0, 5.5, 1.6, text="I went to the lake", words_from_s=0.0),
        Silence(TURN, 6.0, 6.2, 0.3),
        Silence(TURN, 7.0, 10.0, 3.1, text="and it was cold", words_from_s=5.0),
        Silence(TURN, 11.0, text="Where are you?", words_from_s=9.5),
    ]
    whole = "I went to the lake and it was cold"
    assert turn_texts(said) == ["I went", "I went to the lake", "", whole, "Where are you?"]

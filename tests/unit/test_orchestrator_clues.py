"""What speaks for the persona being meant, in numbers, and how they are weighed."""

from __future__ import annotations

import json

import pytest

from services.orchestrator.dialog.addressee import judged, ruled
from services.orchestrator.dialog.clues import EVIDENCE, NAMES, WEIGHTS, Clues, Logistic, clues_of, model, of_evidence
from services.orchestrator.dialog.events import Contribution, Evidence, ms
from services.orchestrator.dialog.participants import Exchange
from tests.harness.addressees import PERSONA, named_people

TO_BOB = Exchange("Ann", "Bob", 0, asked=True, among_people=1, since_name=0)


def found(clues: Clues) -> dict[str, float]:
    """Those that are not zero, but for the number of words."""
    return {name: number for name, number in zip(NAMES, clues, strict=False) if number and name != "length"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Where did you grow up?", {"asks"}),
        ("tell us about your brother", {"asks"}),
        ("You had one of those.", {"tells_you"}),
        ("Good morning everybody.", {"greets"}),
        ("We should leave soon.", {"plans"}),
        ("He said that before.", {"reports"}),
        ("My mother grows roses.", set()),
        ("", set()),
    ],
)
def test_words_after_those_of_the_persona(text: str, names: set[str]) -> None:
    assert found(clues_of(Contribution("Ann", text), None)).keys() == names


def test_words_after_those_of_somebody_else() -> None:
    among = {"among_people": 1.0, "called": 1.0}
    assert found(clues_of(Contribution("Bob", "You had one."), TO_BOB)) == among | {"answers": 1.0}
    assert found(clues_of(Contribution("Ann", "You had one."), TO_BOB)) == among, "nobody answers themselves"
    asks = {"asks": 1.0, "asks_among_people": 1.0}
    assert found(clues_of(Contribution("Ann", "Where were you?"), TO_BOB)) == among | asks


def test_the_longer_people_talk_the_less_a_name_that_was_called_counts() -> None:
    participants, clues = named_people("Ann", "Bob"), list[dict[str, float]]()
    participants, _ = judged(participants, Contribution("Ann", "Is it cold up there?"), PERSONA)
    for at, text in enumerate(("Ann, look at this.", "Hm.", "Hm.", "Hm.", "Hm.", "Hm.")):
        said = Contribution(("Bob", "Ann")[at % 2], text, ended_at=ms(3000 * at))
        _, ruling = ruled(participants, said, PERSONA)
        clues += [found(ruling.guess.clues)] if ruling.guess else []
        participants, _ = judged(participants, said, PERSONA)
    assert [each.get("going_on", 0) for each in clues[:3]] == [0, 1, 2]
    assert [bool(each.get("called")) for each in clues[:5]] == [True, True, True, True, False]


def test_evidence_counts_when_it_is_there() -> None:
    weighed = Logistic(0.0, dict.fromkeys(NAMES, 0.0) | {"told": -1.0, "nearest": 4.0, "likeness": -4.0})
    clues = clues_of(Contribution("Ann", "Hm."), None)
    assert weighed.probability(clues, None) == 0.5
    assert weighed.probability(clues, Evidence(0.25)) == 0.5
    assert weighed.probability(clues, Evidence(0.9)) > 0.9
    assert weighed.probability(clues, Evidence(0.25, 0.9)) < 0.1
    assert weighed.probability(clues, Evidence(0.9, model=0.2)) == 0.2, "who has read it all is believed"


def test_the_fitted_weights_say_where_they_are_from() -> None:
    fitted = json.loads(WEIGHTS.read_text("utf-8"))
    assert tuple(fitted["weights"]) == NAMES and len(of_evidence(None)) == len(EVIDENCE)
    assert {"made", "material", "score"} <= fitted.keys() and fitted["score"]["auc"] > 0.85
    clues = clues_of(Contribution("Ann", "Hm."), None)
    assert model().probability(clues, Evidence(0.8)) > model().probability(clues, Evidence(0.2))

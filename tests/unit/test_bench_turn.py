"""The yardstick of the end of a turn: which silences are pauses, when a policy decides, how the turns are made."""

from __future__ import annotations

import numpy as np
import pytest

from bench.turn import curves
from bench.turn.material import Recording
from bench.turn.picture import svg
from bench.turn.trace import Said, Silence
from bench.turn.training.texts import hesitating
from services.common.reading.reading import Reading
from services.orchestrator.dialog.state import Style

NOTHING = np.zeros(0, np.float32)


def said(probabilities: tuple[tuple[float, float], ...]) -> list[Said]:
    """Each after so much silence; waiting costs ten times as many seconds."""
    return [Said(at_s, probability, 10 * probability) for at_s, probability in probabilities]


TURN = Recording("turn", NOTHING, end_s=5.0)
PAUSE = Silence(TURN, 2.0, 2.8, 0.9, said(((0.21, 0.2), (0.35, 0.6), (0.6, 0.3), (0.8, 0.7))), plain=0.3)
END = Silence(TURN, 5.1, said=said(((0.21, 0.2), (0.35, 0.6), (2.4, 1.0))), plain=0.8)


def test_a_silence_is_an_end_where_the_turn_is_known_to_end() -> None:
    assert PAUSE.kind == "pause"
    assert END.kind == "end"
    assert Silence(TURN, 4.0).kind == "end", "nothing was heard after it"


def test_in_a_meeting_the_labels_tell() -> None:
    meeting = Recording("meeting", NOTHING, speakers=((0.0, 4.0, "A"), (4.5, 6.0, "A"), (6.4, 8.0, "B"), (20.0, 21.0, "A")))
    assert meeting.kind(4.0, 4.5) == "pause"
    assert meeting.kind(6.0, 6.4) == "end"
    assert meeting.kind(8.0, 20.0) == "end"
    assert meeting.kind(12.0, 20.0) is None
    assert meeting.kind(21.0, None) is None


def test_what_is_said_about_a_silence_holds_until_something_else_is_said() -> None:
    assert PAUSE.reached(0.1) == 0.21
    assert PAUSE.reached(0.5) == 0.35
    assert PAUSE.reached(0.5, earliest_s=0.5) == 0.5
    assert PAUSE.reached(0.5, earliest_s=0.7) == 0.8
    assert PAUSE.reached(0.5, earliest_s=0.95) is None
    assert PAUSE.reached(0.9) is None


def test_policies_cut_pauses_and_make_people_wait() -> None:
    quick = curves.point("quick", curves.by_silence(0.5), [PAUSE, END])
    assert (quick.cut_pct, quick.turns_cut_pct) == (100, 100)
    assert quick.mean_ms == pytest.approx(600)
    patient = curves.point("patient", curves.by_silence(1.0), [PAUSE, END])
    assert patient.cut_pct == 0
    rules = curves.point("rules", curves.by_rules(((0.3, 0.95), (1.0, 0.5))), [PAUSE, END])
    assert rules.cut_pct == 0
    assert rules.mean_ms == pytest.approx(1100)
    style = curves.point("style", curves.by_style(Style(breaking_in_cost_s=6.5)), [PAUSE, END])
    assert (style.cut_pct, style.mean_ms) == (100, pytest.approx(2500)), "2.4 s after speech that ended 0.1 s late"
    PAUSE.before = [Said(0.35, 0.8, reading=Reading(asks=1.0))]
    END.before = [Said(0.35, 0.6), Said(0.8, 0.9)]
    tables = curves.point("tables", curves.by_tables(), [PAUSE, END])
    assert (tables.cut_pct, tables.mean_ms) == (100, pytest.approx(900))
    smart = curves.point("smart", curves.by_smart_turn(0.5, 0.2, 2.0), [PAUSE, END])
    assert (smart.cut_pct, smart.mean_ms) == (0, pytest.approx(300))


def test_only_policies_that_no_quicker_one_beats_are_kept() -> None:
    points = [
        curves.Point(name, cut, 0, mean, mean, mean) for name, cut, mean in (("a", 50, 300), ("b", 60, 400), ("c", 20, 500))
    ]
    assert [each.name for each in curves.lowest(points)] == ["a", "c"]
    found = curves.at_delay(points, 450)
    assert found is not None
    assert found.name == "a"
    assert curves.at_delay(points, 100) is None
    picture = svg({"made": {"fusion": points}}, {"made": points[0]})
    assert "<polyline" in picture
    assert "in use" in picture


def test_a_hesitating_speaker_says_all_words_and_pauses_within_bounds() -> None:
    text = "I went to the market, and then I met my old friend from school. We talked for an hour because it rained."
    pauses = []
    for seed in range(200):
        pieces = hesitating(text, np.random.default_rng(seed))
        said = " ".join(piece.text for piece in pieces).lower().replace("…", "").replace("—", "").replace(",", "").split()
        rest = iter(said)
        assert all(any(word == other for other in rest) for word in text.lower().replace(",", "").split())
        assert pieces[-1].pause_s == 0
        pauses += [piece.pause_s for piece in pieces[:-1]]
    assert 0.3 <= min(pauses) < 0.4
    assert 2.0 < max(pauses) <= 2.5
    assert 0.5 < float(np.median(pauses)) < 0.85

"""The traps of voicebench are guarded: answers before the end fail, thresholds fit each file, short pauses end nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from voicebench.metrics import SessionMetrics, TurnResult
from voicebench.vad import Segment

from bench.conversation.sounds import Sound, recordings
from bench.voicebench_adapter import latency_ms, report, scenario_of


@pytest.fixture(scope="module")
def known() -> dict[str, Sound]:
    return recordings()


def session(turn_start_s: float, *agent: tuple[float, float]) -> SessionMetrics:
    turn = TurnResult("turn-1", "respond", "anchor", turn_start_s, turn_start_s + 2)
    return SessionMetrics([turn], 10.0, 0.0, 0.0, 0.0, 0.0, [], [Segment(*each) for each in agent], False)


def test_a_scenario_hears_the_quietest_of_its_sounds(known: dict[str, Sound], tmp_path: Path) -> None:
    scenario = scenario_of("made", [(known["weather"], "respond"), (known["hm"], "ignore")], tmp_path)
    alone = scenario_of("alone", [(known["weather"], "respond")], tmp_path)
    assert scenario.user_vad.threshold_db <= alone.user_vad.threshold_db < -35
    assert scenario.agent_vad.min_silence_ms == 700
    first, second = scenario.turns
    assert (first.expect, second.expect) == ("respond", "ignore")
    assert (second.start.after, second.start.delay_ms) == ("agent_speech_start", 1500)
    assert len(first.audio.render(16_000)) / 16_000 == pytest.approx(known["weather"].spans[-1][1] + 0.2, abs=0.001)


def test_latency_counts_from_the_known_end_and_is_negative_before_it(known: dict[str, Sound]) -> None:
    weather = known["weather"]
    end = 0.5 + weather.spans[-1][1]
    late = session(0.5, (end + 0.6, end + 3))
    early = session(0.5, (end - 0.3, end + 3))
    assert latency_ms(late.turns[0], weather, late) == pytest.approx(600)
    assert latency_ms(early.turns[0], weather, early) == pytest.approx(-300)
    assert latency_ms(late.turns[0], weather, session(0.5)) is None


def test_an_answer_before_the_end_is_no_fast_answer() -> None:
    line = report([session(0.5)], [600.0, -300.0, None, 800.0], Console(quiet=True))
    assert (line["latency_p50_ms"], line["spoke_before_the_end"], line["missed_responses"]) == (700, 1, 1)


def test_an_acknowledgement_that_is_taken_for_a_turn_is_told() -> None:
    answered = session(0.5)
    answered.turns.append(TurnResult("turn-2", "ignore", "anchor", 5.0, 7.0, spurious_response=True))
    line = report([session(0.5), answered], [600.0, 600.0], Console(quiet=True))
    assert (line["voicebench_noise_turns"], line["voicebench_spurious_responses"]) == (1, 1)

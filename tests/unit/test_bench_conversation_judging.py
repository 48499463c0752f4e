"""What the conversation benchmark concludes from what was heard: made takes with known faults."""

from __future__ import annotations

import numpy as np
import pytest

import vivant
from bench.conversation.judging import LineResult, RunResult, judge
from bench.conversation.recording import begin_of, rows, tracks
from bench.conversation.report import summary
from bench.conversation.scenarios import Cue, Expect, Line, Scenario
from bench.conversation.take import Heard, Said, Take
from vivant.events import StateChanged

RATE = 24_000
UNIT = 960
#: Two words of 0.4 s with 0.1 s between them, and so on.
WORD, STEP = 9600, 12_000
#: A tone that is zero where units meet.
TONE = 96


class Maker:
    """Makes a take unit by unit; time is the number of units so far."""

    def __init__(self) -> None:
        self.take = Take("made", 0, RATE, microphone=np.zeros(16_000, np.int16))
        self.position: dict[int, int] = {}

    @property
    def now(self) -> float:
        return len(self.take.units) * 0.04

    def units(
        self, count: int, turn_id: int = 0, *, level: int = 0, skip: int = 0, fade: bool = False, ducked: bool = False
    ) -> Maker:
        for number in range(count):
            at = self.position.get(turn_id, 0) + (skip if number == 0 else 0)
            pcm = (level * np.sin(np.arange(at, at + UNIT) * 2 * np.pi / TONE)).astype(np.int16)
            if fade and number == 0:
                pcm[:120] = np.linspace(800, 0, 120)
            unit = vivant.Unit(len(self.take.units), len(self.take.units) * UNIT, pcm.tobytes(), None, turn_id, at, ducked)
            self.take.units.append(Heard.of(unit, self.now, RATE))
            self.position[turn_id] = at + UNIT
        return self

    def speak(self, seconds: float, turn_id: int = 1, *, skip: int = 0) -> Maker:
        return self.units(round(seconds * 25), turn_id, level=3000, skip=skip)

    def quiet(self, seconds: float) -> Maker:
        return self.units(round(seconds * 25))

    def over(self, turn_id: int = 1, *, interrupted: bool = False, heard: str = "") -> Maker:
        self.take.events.append((self.now, vivant.Turn(turn_id, heard, "", interrupted, ())))
        return self

    def caption(self, words: int, turn_id: int = 1) -> Maker:
        spoken = tuple(vivant.Word(f"w{n}", n * STEP, n * STEP + WORD) for n in range(words))
        self.take.events.append((self.now, vivant.Caption(turn_id, "", spoken)))
        return self

    def event(self, event: vivant.Event) -> Maker:
        self.take.events.append((self.now, event))
        return self

    def says(self, expect: Expect, *spans: tuple[float, float], speaker: str = "", floor: float = 0.0) -> Maker:
        """Spans are relative to now."""
        line = Line(Cue.QUIET, expect, text="words", speaker=speaker)
        moved = tuple((self.now + start, self.now + end) for start, end in spans)
        self.take.said.append(Said(line, self.now, moved, moved[0][0] + floor))
        return self


def judged(maker: Maker, *, one_microphone: bool = False) -> RunResult:
    lines = tuple(said.line for said in maker.take.said)
    return judge(maker.take, Scenario("made", "", lines, one_microphone=one_microphone), 0.0)


def only(maker: Maker) -> LineResult:
    (line,) = judged(maker).lines
    return line


def heard(count: int) -> str:
    return " ".join(f"w{n}" for n in range(count))


# --- answers --------------------------------------------------------------------------------------------------------


def test_an_answer_is_timed_from_the_end_of_the_speech() -> None:
    line = only(Maker().quiet(1).says(Expect.ANSWER, (0.0, 0.4), (1.2, 2.0)).quiet(2.6).speak(1))
    assert line.v2v_ms == pytest.approx(600, abs=2)
    assert (line.early, line.answered, line.pauses, line.fault) == (False, True, 1, "")


def test_an_answer_in_a_pause_is_early_and_has_no_time() -> None:
    line = only(Maker().quiet(1).says(Expect.ANSWER, (0.0, 0.4), (2.4, 3.0)).quiet(1).speak(1).quiet(2))
    assert (line.early, line.v2v_ms) == (True, None)


def test_each_pause_in_which_it_speaks_is_counted() -> None:
    maker = Maker().says(Expect.ANSWER, (0.0, 1.0), (2.0, 3.0), (3.4, 4.0), (5.0, 6.0)).quiet(1.5).speak(0.6).over()
    result = judged(maker.quiet(2.4).speak(0.8, 2).over(2).quiet(1))
    (line,) = result.lines
    assert (line.pauses, line.pauses_taken) == (3, 2)
    assert line.gave_way_ms == pytest.approx([120, 320], abs=2)
    table = summary([result])[0]
    assert (table["cutoff_pct"], table["cutoff_turns_pct"]) == (66.7, 100)


def test_a_word_beside_the_replies_is_no_answer() -> None:
    maker = Maker().quiet(1).says(Expect.ANSWER, (0.0, 12.0)).quiet(3).units(10, level=2000).quiet(9.2).speak(1)
    result = judged(maker.event(vivant.Backchannel("Mm-hm.", nod=True)))
    assert (result.murmurs, result.murmurs_across, result.story_s) == (1, 0, 12)
    assert result.lines[0].early is False
    line, _, _ = summary([result])
    assert line["bc_per_min"] == pytest.approx(5)


def test_a_word_that_goes_on_after_the_story_is_counted() -> None:
    maker = Maker().says(Expect.ANSWER, (0.0, 12.0)).quiet(11.8).units(10, level=2000).quiet(1).speak(1)
    assert (judged(maker).murmurs, judged(maker).murmurs_across) == (1, 1)


def test_nothing_within_the_patience_is_no_answer() -> None:
    assert only(Maker().says(Expect.ANSWER, (0.0, 1.0)).quiet(15).speak(1)).answered is False


def test_what_was_said_to_somebody_else_must_not_be_answered() -> None:
    assert only(Maker().says(Expect.QUIET, (0.0, 1.0)).quiet(2).speak(1)).answered is True
    assert only(Maker().says(Expect.QUIET, (0.0, 1.0)).quiet(8)).answered is False


# --- speech over the persona ----------------------------------------------------------------------------------------


def test_a_reply_that_pauses_and_goes_on_was_kept() -> None:
    maker = Maker().caption(20).speak(2).says(Expect.GO_ON, (0.0, 0.3)).speak(0.2).units(1, fade=True).quiet(0.6).speak(3)
    result = judged(maker.over(heard=heard(10)))
    assert (result.lines[0].kept, result.jumps, result.clicks) == (True, [], [])
    assert result.lines[0].held_ms == pytest.approx(640)


def test_a_reply_that_stops_for_an_acknowledgement_was_not_kept() -> None:
    maker = Maker().caption(20).speak(2).says(Expect.GO_ON, (0.0, 0.3)).speak(0.2).quiet(0.5)
    assert only(maker.over(interrupted=True).quiet(2)).kept is False


def test_an_acknowledgement_just_before_the_end_shows_nothing() -> None:
    maker = Maker().caption(5).speak(2).says(Expect.GO_ON, (0.0, 0.3)).quiet(1).over(interrupted=True)
    assert only(maker).kept is None


def test_a_reply_that_goes_on_at_another_sample_jumps() -> None:
    maker = Maker().speak(1).quiet(0.4).speak(1, skip=120).over()
    assert len(judged(maker).jumps) == 1


def test_a_voice_that_is_cut_off_clicks() -> None:
    maker = Maker().speak(1)
    cut = maker.take.units[-1]
    loud = np.full(UNIT, 6000, np.int16)
    maker.take.units[-1] = Heard(cut.index, 1, cut.turn_sample, cut.at, loud, cut.first, cut.last)
    assert len(judged(maker.quiet(1)).clicks) == 2  # into the loud unit, and out of it


def test_an_interruption_is_timed_from_the_words_that_make_it() -> None:
    maker = Maker().caption(30).speak(2).says(Expect.YIELD, (0.0, 1.0), floor=0.2).speak(0.4).units(1, fade=True)
    line = only(maker.quiet(0.4).over(interrupted=True).quiet(2))
    assert line.yielded is True
    assert line.duck_ms == pytest.approx(200)
    assert line.stop_ms == pytest.approx(205, abs=3)


def test_a_softer_voice_is_ducked_once_the_server_says_that_it_holds_it() -> None:
    maker = Maker().caption(30).speak(2).says(Expect.YIELD, (0.0, 1.0)).speak(0.2)
    maker.event(StateChanged(vivant.State.PAUSED, 1, 0, 0)).units(5, 1, level=600).over(interrupted=True).quiet(2)
    assert only(maker).duck_ms == pytest.approx(200)


@pytest.mark.parametrize(("level", "duck_ms"), [(600, 80), (2900, 200)])
def test_a_voice_is_ducked_when_it_is_softer_and_not_when_the_server_only_says_so(level: int, duck_ms: float) -> None:
    maker = Maker().caption(30).speak(2).says(Expect.YIELD, (0.0, 1.0)).speak(0.08).units(3, 1, level=level, ducked=True)
    assert only(maker.quiet(0.4).over(interrupted=True).quiet(2)).duck_ms == pytest.approx(duck_ms)


def test_a_loud_syllable_is_ducked_when_it_is_softer_than_just_before() -> None:
    maker = Maker().caption(30).speak(1.6).units(10, 1, level=9000).says(Expect.YIELD, (0.0, 1.0)).units(2, 1, level=9000)
    maker.units(3, 1, level=2300, ducked=True)
    assert only(maker.quiet(0.4).over(interrupted=True).quiet(2)).duck_ms == pytest.approx(80)


def test_a_persona_that_goes_on_has_not_yielded() -> None:
    maker = Maker().caption(30).speak(2).says(Expect.YIELD, (0.0, 1.0)).speak(4).over(heard=heard(12))
    assert (only(maker).yielded, only(maker).stop_ms) == (False, None)


def test_stale_voice_is_counted() -> None:
    maker = Maker().speak(1).over(interrupted=True).quiet(0.04).speak(0.08).quiet(1)
    assert judged(maker).stale == 2


# --- what is remembered ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("remembered", "off"), [(2, 0), (3, 1), (0, 2)])
def test_what_is_remembered_is_compared_with_what_was_delivered(remembered: int, off: int) -> None:
    maker = Maker().caption(6).speak(1.2).quiet(1).over(interrupted=True, heard=heard(remembered))
    assert judged(maker).history_off == [off]


def test_what_a_late_player_has_not_played_yet_was_not_heard() -> None:
    maker = Maker().caption(6).speak(1.2).over(interrupted=True, heard=heard(1))
    maker.take.buffer_s = 0.4
    assert judged(maker).history_off == [0]


# --- several people -------------------------------------------------------------------------------------------------


def two_voices(labels: tuple[str, str, str]) -> RunResult:
    maker = Maker()
    for number, label in enumerate(labels):
        maker.says(Expect.ANSWER, (0.0, 1.0), speaker="Ann" if number != 1 else "Bob")
        start = round(maker.now * 16_000)
        told = vivant.Transcript(True, "words", "words", label, (), (), start, start + 16_000, False, f"u{number}", None)
        maker.quiet(1.5).event(told).speak(1, number + 1).over(number + 1).quiet(0.5)
    return judged(maker, one_microphone=True)


def test_labels_may_have_any_names_but_must_tell_people_apart() -> None:
    assert summary([two_voices(("a", "b", "a"))])[0]["speaker_pct"] == 100
    assert summary([two_voices(("a", "b", "b"))])[0]["speaker_pct"] == pytest.approx(66.7)


def test_one_label_for_everybody_is_a_missing_ability() -> None:
    line, _, _ = summary([two_voices(("a", "a", "a"))])
    assert line["speaker_pct"] is None


# --- the report -----------------------------------------------------------------------------------------------------


def test_what_was_not_measured_is_null_and_faults_name_their_recording() -> None:
    maker = Maker().quiet(1).says(Expect.ANSWER, (0.0, 0.4), (2.4, 3.0)).quiet(1).speak(1).quiet(2)
    line, _, faults = summary([judged(maker)])
    assert line["cutoff_pct"] == 100
    assert (line["v2v_p50_ms"], line["bc_per_min"], line["spec_used_pct"]) == (None, None, None)
    assert faults == ["made-1.wav    1.0 s  words: was answered before its end"]


def test_only_the_recorded_questions_are_timed_as_questions() -> None:
    asked, told = (
        LineResult(what, "answer", "", spoken=True, recorded=True, seconds=2, pauses=0, at_s=0, v2v_ms=v2v)
        for what, v2v in (("weather", 500.0), ("story_of_work", 2400.0))
    )
    line, _, _ = summary([RunResult("made", 0, one_microphone=False, speakers=1, lines=[asked, told])])
    assert (line["v2v_p50_ms"], line["v2v_p95_ms"]) == (500, 500)


def test_speculation_is_read_from_the_stages() -> None:
    stages = (vivant.Stage("speculated", 120.0), vivant.Stage("end_of_turn", 400.0))
    maker = Maker().event(vivant.Metrics(1, stages)).event(vivant.Metrics(2, stages[1:]))
    line, _, _ = summary([judged(maker)])
    assert (line["spec_used_pct"], line["spec_saved_ms"]) == (50, 280)


def test_a_recording_has_both_sides_in_time() -> None:
    maker = Maker().quiet(1).speak(1).quiet(1)
    maker.take.microphone = np.full(16_000 * 3, 500, np.int16)
    sound = tracks(maker.take)
    assert sound.shape == (72_000, 2)
    assert abs(int(sound[36_000, 0]) - 500) < 5
    assert not sound[:24_000, 1].any()
    assert np.abs(sound[24_000:48_000, 1]).max() > 2900
    assert begin_of(maker.take) == 0
    assert (1.0, "voice", "turn 1 from sample 0") in list(rows(maker.take))

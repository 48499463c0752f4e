"""The voice on its way out, in samples: what leaves when, and what is reported about it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.common.playout.emission import Emission, Playback, State
from services.common.playout.playout import DUCK_UNITS, HOLD_S, LOWERED, Playout
from vivant.errors import Full, InvalidRequest

RATE = 24_000
UNIT = 960
FADE = 120
#: A tone, so that a step between two samples is seen: no two that follow each other are further apart than STEP.
LEVEL = 0.25
STEP = 2 * np.pi * LEVEL / 100


def voice(samples: int, value: float = 0.5) -> NDArray[np.float32]:
    return np.full(samples, value, np.float32)


def say(playout: Playout, turn_id: int, samples: int, value: float = 0.5) -> None:
    """Pushes a whole reply in messages of 100 ms."""
    for start in range(0, samples, 2400):
        playout.push(turn_id, voice(min(2400, samples - start), value), start)
    playout.end(turn_id)


def sing(playout: Playout, turn_id: int, units: int, start: int = 0) -> None:
    """Pushes a reply of whole units, a tone that begins at its loudest so that a cut anywhere is heard."""
    for sample in range(start, start + units * UNIT, UNIT):
        tone = LEVEL * np.cos(2 * np.pi * np.arange(sample, sample + UNIT) / 100)
        playout.push(turn_id, tone.astype(np.float32), sample)
    playout.end(turn_id)


def heard(*units: Emission) -> NDArray[np.float32]:
    return np.concatenate([unit.pcm for unit in units])


def assert_smooth(*units: Emission, step: float = 1.2 * STEP) -> None:
    """No click: the voice is nowhere further from one sample to the next than a tone, and a ramp of 5 ms over it, goes."""
    assert np.abs(np.diff(heard(*units))).max() <= step + LEVEL / FADE


def loudness(unit: Emission) -> float:
    return round(float(np.abs(unit.pcm[FADE:]).max()) / LEVEL, 2)


def states(events: object) -> list[tuple[State, int, int]]:
    assert isinstance(events, list | tuple)
    return [(event.state, event.position, event.unit_index) for event in events]


def test_silence_is_made_without_speech() -> None:
    playout = Playout(RATE)
    emission = playout.emit()
    assert (emission.index, emission.turn_id, len(emission.pcm)) == (0, 0, UNIT)
    assert not emission.pcm.any()
    assert playout.emit().index == 1


def test_speech_starts_with_the_very_next_unit_and_keeps_its_samples() -> None:
    playout = Playout(RATE)
    playout.emit()
    ramp = np.arange(2400, dtype=np.float32) / 2400
    playout.push(7, ramp, 0)
    playout.end(7)
    units = [playout.emit() for _ in range(4)]
    assert [unit.turn_id for unit in units] == [7, 7, 7, 0]
    assert [unit.turn_sample for unit in units] == [0, 960, 1920, 0]
    said = np.concatenate([unit.pcm for unit in units])[:2400]
    np.testing.assert_array_equal(said, ramp)
    assert states(units[0].before) == [(State.STARTED, 0, 0)]
    assert states(units[2].after) == [(State.FINISHED, 2400, 3)]


def test_a_reply_begins_only_with_a_full_unit_or_its_end() -> None:
    playout = Playout(RATE)
    playout.push(1, voice(500), 0)
    assert playout.emit().turn_id == 0
    playout.end(1)
    assert playout.emit().turn_id == 1


def test_pause_and_resume_go_on_at_the_same_sample() -> None:
    playout = Playout(RATE)
    say(playout, 3, 4 * UNIT)
    playout.emit()
    assert states(playout.pause()) == [(State.PAUSED, UNIT, 0)]
    assert playout.pause() == []
    silent = playout.emit()
    assert silent.turn_id == 0
    assert playout.paused
    assert states(playout.resume()) == [(State.RESUMED, UNIT, 1)]
    assert playout.resume() == []
    assert playout.emit().turn_sample == UNIT


def test_the_voice_is_cut_without_a_click() -> None:
    playout = Playout(RATE)
    sing(playout, 3, 4)
    before = playout.emit()
    playout.pause()
    cut = [playout.emit(), playout.emit()]
    assert cut[0].pcm[: FADE // 2].any()
    assert not heard(*cut)[FADE:].any(), "silent after 5 ms, and only once"
    playout.resume()
    assert_smooth(before, *cut, playout.emit())


def test_a_cleared_voice_fades_out_once() -> None:
    playout = Playout(RATE)
    sing(playout, 3, 9)
    before = [playout.emit(), playout.emit()]
    playout.clear(4)
    after = [playout.emit(), playout.emit()]
    assert [unit.turn_id for unit in after] == [0, 0]
    assert after[0].fading == 3
    assert after[0].pcm[: FADE // 2].any()
    assert not heard(*after)[FADE:].any()
    assert_smooth(*before, *after)


def test_each_unit_of_a_reply_brings_its_ending() -> None:
    """With it, silence can be played instead of what follows; it is what the playout plays itself when the voice is cut."""
    playout = Playout(RATE)
    sing(playout, 3, 9)
    before = playout.emit()
    playout.duck()
    ducked = playout.emit()
    for unit in (before, ducked):
        silence = np.zeros(UNIT, np.float32)
        silence[:FADE] = unit.ending
        assert_smooth(unit, Emission(index=0, voice=silence))
    playout.pause()
    cut = playout.emit()
    np.testing.assert_array_equal(cut.pcm[:FADE], ducked.ending)
    assert not len(cut.ending)


def test_a_voice_fades_out_under_the_reply_that_replaces_it() -> None:
    playout = Playout(RATE)
    sing(playout, 3, 9)
    before = playout.emit()
    playout.push(4, np.zeros(2 * UNIT, np.float32), 0)
    after = playout.emit()
    assert (after.turn_id, after.fading) == (4, 3)
    assert_smooth(before, after)
    assert not after.pcm[FADE:].any()


def test_what_was_taken_back_on_the_way_out_has_faded_there() -> None:
    playout = Playout(RATE)
    sing(playout, 3, 9)
    sent, waits = playout.emit(), [playout.emit(), playout.emit()]
    waits = [unit.taken_back(fade=unit is waits[0]) for unit in waits]
    assert playout.clear(4, unheard=2 * UNIT)[0].position == UNIT
    after = playout.emit()
    assert [(unit.turn_id, unit.turn_sample) for unit in waits] == [(0, 0), (0, 0)]
    assert not after.pcm.any(), "it does not fade a second time"
    assert not heard(*waits)[FADE:].any()
    assert_smooth(sent, *waits, after)


def test_a_lowered_voice_rises_by_itself_and_never_clicks() -> None:
    playout = Playout(RATE)
    sing(playout, 3, 20)
    units = [playout.emit()]
    playout.duck()
    units += [playout.emit() for _ in range(1, 12)]
    assert [unit.ducked for unit in units] == [False, *[True] * DUCK_UNITS, False, False, False]
    assert [loudness(unit) for unit in units] == [1.0, *[LOWERED] * DUCK_UNITS, 1.0, 1.0, 1.0]
    assert DUCK_UNITS * 40 == 320
    assert_smooth(*units)


def test_resume_raises_a_lowered_voice_at_once() -> None:
    playout = Playout(RATE)
    sing(playout, 3, 20)
    playout.duck()
    units = [playout.emit()]
    assert playout.resume() == [], "it was not held"
    units.append(playout.emit())
    assert [(unit.ducked, loudness(unit)) for unit in units] == [(True, LOWERED), (False, 1.0)]
    assert_smooth(*units)


def test_a_voice_that_is_held_while_lowered_fades_from_there_and_comes_back_as_loud_as_before() -> None:
    playout = Playout(RATE)
    sing(playout, 3, 20)
    units = [playout.emit()]
    playout.duck()
    units.append(playout.emit())
    playout.pause()
    units += [playout.emit(), playout.emit()]
    assert np.abs(units[2].pcm).max() <= LOWERED * LEVEL
    assert [unit.ducked for unit in units] == [False, True, False, False]
    playout.resume()
    units.append(playout.emit())
    assert (loudness(units[-1]), units[-1].ducked) == (1.0, False)
    assert_smooth(*units)


def test_neither_silence_nor_a_newer_reply_nor_a_little_word_is_lowered() -> None:
    playout = Playout(RATE)
    playout.duck()
    assert not playout.emit().ducked
    playout.aside(voice(UNIT, 0.5))
    assert playout.emit().pcm.max() == pytest.approx(0.5)
    sing(playout, 3, 2)
    playout.duck()
    sing(playout, 4, 2)
    unit = playout.emit()
    assert (unit.turn_id, unit.ducked, loudness(unit)) == (4, False, 1.0)


def test_a_reply_is_taken_over_in_its_middle() -> None:
    """It is not said to begin, and follows on what was heard of it, as loud as that."""
    playout = Playout(RATE)
    playout.take_over(3, 5 * UNIT)
    sing(playout, 3, 2, start=5 * UNIT)
    units = [playout.emit() for _ in range(3)]
    assert [(unit.turn_id, unit.turn_sample) for unit in units] == [(3, 5 * UNIT), (3, 6 * UNIT), (0, 0)]
    assert [event.state for unit in units for event in (*unit.before, *unit.after)] == [State.FINISHED]
    assert loudness(units[0]) == 1
    assert units[0].pcm[0] == pytest.approx(LEVEL)
    assert_smooth(*units)


def test_clear_silences_the_very_next_unit_and_reports_what_was_said() -> None:
    playout = Playout(RATE)
    say(playout, 7, 10 * UNIT)
    playout.emit()
    playout.emit()
    assert states(playout.clear(8)) == [(State.CLEARED, 2 * UNIT, 1)]
    silent = playout.emit()
    assert silent.turn_id == 0
    assert not silent.pcm[RATE * 10 // 1000 :].any()
    assert playout.clear(8) == []
    assert playout.emit().turn_id == 0


def test_samples_taken_back_on_the_way_out_are_not_reported() -> None:
    playout = Playout(RATE)
    say(playout, 7, 10 * UNIT)
    playout.emit()
    playout.emit()
    assert playout.clear(8, unheard=UNIT)[0].position == UNIT


def test_stale_speech_is_dropped() -> None:
    playout = Playout(RATE)
    playout.clear(8)
    assert playout.push(7, voice(UNIT), 0) is None
    assert playout.end(7) is None
    assert playout.emit().turn_id == 0
    assert playout.push(8, voice(UNIT), 0) == []
    assert playout.emit().turn_id == 8


def test_a_newer_reply_replaces_an_older_one_and_lifts_its_pause() -> None:
    playout = Playout(RATE)
    say(playout, 1, 10 * UNIT, 0.5)
    playout.emit()
    playout.pause()
    events = playout.push(2, voice(UNIT, -0.5), 0)
    assert events is not None
    assert states(events) == [(State.CLEARED, UNIT, 0)]
    unit = playout.emit()
    assert unit.turn_id == 2
    assert unit.pcm[500] == pytest.approx(-0.5)


def test_running_dry_is_reported_once_and_so_is_going_on() -> None:
    playout = Playout(RATE)
    playout.push(1, voice(UNIT + 100), 0)
    playout.emit()
    dry = playout.emit()
    assert states(dry.before) == [(State.STARVED, UNIT, 0)]
    assert playout.emit().before == []
    playout.push(1, voice(2000), UNIT + 100)
    on = playout.emit()
    assert states(on.before) == [(State.RESUMED, UNIT, 2)]
    assert on.turn_sample == UNIT


def test_a_reply_whose_end_comes_late_finishes_then() -> None:
    playout = Playout(RATE)
    playout.push(1, voice(UNIT), 0)
    playout.emit()
    events = playout.end(1)
    assert events is not None
    assert states(events) == [(State.FINISHED, UNIT, 0)]


def test_a_reply_without_sound_is_finished_at_once() -> None:
    events = Playout(RATE).end(4)
    assert events is not None
    assert states(events) == [(State.FINISHED, 0, 0)]


def test_an_hour_of_speech_is_refused_at_sixty_seconds() -> None:
    playout = Playout(RATE)
    for start in range(0, HOLD_S * RATE, 2400):
        playout.push(1, voice(2400), start)
    with pytest.raises(Full) as caught:
        playout.push(1, voice(1), HOLD_S * RATE)
    assert caught.value.reason == "speech_overrun"
    playout.emit()
    assert playout.push(1, voice(UNIT), HOLD_S * RATE) == []


@pytest.mark.parametrize("start", [0, 99, 101])
def test_speech_must_go_on_where_it_ended(start: int) -> None:
    playout = Playout(RATE)
    playout.push(1, voice(100), 0)
    with pytest.raises(InvalidRequest) as caught:
        playout.push(1, voice(100), start)
    assert caught.value.reason == "speech_out_of_order"


def test_nothing_may_follow_the_end() -> None:
    playout = Playout(RATE)
    playout.push(1, voice(UNIT), 0)
    playout.end(1)
    for call in (lambda: playout.push(1, voice(1), UNIT), lambda: playout.end(1)):
        with pytest.raises(InvalidRequest) as caught:
            call()
        assert caught.value.reason == "speech_after_end"
    playout.emit()
    with pytest.raises(InvalidRequest):
        playout.push(1, voice(1), UNIT)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 4), st.integers(1, 2400)),
        st.tuples(st.sampled_from(["step", "pause", "resume", "duck"]), st.just(0), st.just(0)),
        st.tuples(st.sampled_from(["end", "clear"]), st.integers(1, 4), st.just(0)),
    ),
    max_size=60,
)


def begun(samples: int, position: int) -> NDArray[np.float32]:
    """A voice that rises from silence at its beginning and then stays loud."""
    return 0.5 * np.minimum(1, np.arange(position, position + samples, dtype=np.float32) / FADE)


@given(ACTIONS)
def test_positions_add_up_whatever_happens(actions: list[tuple[str, int, int]]) -> None:
    """No unit of an old turn after a newer one is known, units of a reply follow each other, the voice never jumps."""
    playout = Playout(RATE)
    pushed: dict[int, int] = {}
    ended: set[int] = set()
    position: dict[int, int] = {}
    newest = 0
    log: list[Playback] = []
    last = np.float32(0)
    for action, turn, size in actions:
        match action:
            case "push" if turn not in ended:
                playout.push(turn, begun(size, pushed.get(turn, 0)), pushed.get(turn, 0))
                if turn >= newest:
                    pushed[turn] = pushed.get(turn, 0) + size
            case "end" if turn not in ended:
                playout.end(turn)
                ended.add(turn)
            case "clear":
                playout.clear(turn)
            case "pause" | "resume" | "duck":
                getattr(playout, action)()
            case "step":
                unit = playout.emit()
                log += [*unit.before, *unit.after]
                assert len(unit.pcm) == UNIT
                jumps = np.abs(np.diff(unit.pcm, prepend=last))
                for event in unit.after:
                    # This voice has no end of its own, as a real one has.
                    jumps[event.position - unit.turn_sample :][:1] = 0
                assert jumps.max() < 2.5 * 0.5 / FADE, "no click"
                last = unit.pcm[-1]
                if unit.turn_id:
                    assert unit.turn_id >= newest
                    assert unit.turn_sample == position.get(unit.turn_id, 0)
                    position[unit.turn_id] = min(unit.turn_sample + UNIT, pushed[unit.turn_id])
        if action in ("push", "end", "clear"):
            newest = max(newest, turn)
        assert playout.newest_turn_id == newest
    for event in log:
        assert 0 <= event.position <= pushed.get(event.turn_id, 0)


def test_a_little_word_is_said_at_once_and_belongs_to_no_reply() -> None:
    playout = Playout(RATE)
    playout.emit()
    assert playout.aside(voice(1000))
    assert not playout.aside(voice(1000)), "one at a time"
    units = [playout.emit() for _ in range(3)]
    assert [unit.turn_id for unit in units] == [0, 0, 0]
    assert [len(np.flatnonzero(unit.pcm)) for unit in units] == [UNIT, 1000 - UNIT, 0]
    assert not any(unit.before or unit.after for unit in units)
    assert playout.aside(voice(1000)), "and then another"


def test_a_little_word_is_mixed_into_a_reply_that_begins_and_outlives_a_clear() -> None:
    playout = Playout(RATE)
    playout.aside(voice(3 * UNIT, 0.25))
    say(playout, 7, UNIT)
    unit = playout.emit()
    assert (unit.turn_id, unit.turn_sample) == (7, 0)
    assert unit.pcm.max() == pytest.approx(0.75)
    playout.clear(8)
    later = playout.emit()
    assert later.turn_id == 0
    assert later.pcm[-1] == pytest.approx(0.25)

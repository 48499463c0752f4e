"""The voice on its way out, in samples: what leaves when, and what is reported about it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.face.engine import Cue, Look, Phoneme
from services.face.playout import HOLD_S, Emission, Playback, Playout, State
from vivant.errors import Full, InvalidRequest

RATE = 24_000
UNIT = 960


def voice(samples: int, value: float = 0.5) -> NDArray[np.float32]:
    return np.full(samples, value, np.float32)


def say(playout: Playout, turn_id: int, samples: int, value: float = 0.5) -> None:
    """Pushes a whole reply in messages of 100 ms."""
    for start in range(0, samples, 2400):
        playout.push(turn_id, voice(min(2400, samples - start), value), start)
    playout.end(turn_id)


def step(playout: Playout) -> Emission:
    playout.plan()
    return playout.emit()


def states(events: object) -> list[tuple[State, int, int]]:
    assert isinstance(events, list | tuple)
    return [(event.state, event.position, event.unit_index) for event in events]


def test_silence_is_made_without_speech() -> None:
    playout = Playout(RATE)
    emission = step(playout)
    assert (emission.index, emission.turn_id, len(emission.pcm)) == (0, 0, UNIT)
    assert not emission.pcm.any()
    assert step(playout).index == 1


def test_speech_starts_with_the_very_next_unit_and_keeps_its_samples() -> None:
    playout = Playout(RATE)
    step(playout)
    ramp = np.arange(2400, dtype=np.float32) / 2400
    playout.push(7, ramp, 0)
    playout.end(7)
    units = [step(playout) for _ in range(4)]
    assert [unit.turn_id for unit in units] == [7, 7, 7, 0]
    assert [unit.turn_sample for unit in units] == [0, 960, 1920, 0]
    said = np.concatenate([unit.pcm for unit in units])[:2400]
    np.testing.assert_array_equal(said, ramp)
    assert states(units[0].before) == [(State.STARTED, 0, 0)]
    assert states(units[2].after) == [(State.FINISHED, 2400, 3)]


def test_a_reply_begins_only_with_a_full_unit_or_its_end() -> None:
    playout = Playout(RATE)
    playout.push(1, voice(500), 0)
    assert step(playout).turn_id == 0
    playout.end(1)
    assert step(playout).turn_id == 1


def test_speech_that_comes_after_the_plan_does_not_wait() -> None:
    playout = Playout(RATE)
    assert playout.plan().turn_id == 0
    playout.push(1, voice(2 * UNIT), 0)
    assert playout.emit().turn_id == 1
    assert playout.plan().turn_sample == UNIT


def test_pause_and_resume_go_on_at_the_same_sample() -> None:
    playout = Playout(RATE)
    say(playout, 3, 4 * UNIT)
    step(playout)
    playout.plan()
    # The unit was planned with voice; the pause takes it away at the last moment.
    assert states(playout.pause()) == [(State.PAUSED, UNIT, 0)]
    assert playout.pause() == []
    silent = playout.emit()
    assert silent.turn_id == 0
    assert playout.plan().paused
    assert states(playout.resume()) == [(State.RESUMED, UNIT, 1)]
    assert playout.resume() == []
    playout.plan()
    assert playout.emit().turn_sample == UNIT


def test_the_voice_is_cut_without_a_click() -> None:
    playout = Playout(RATE)
    say(playout, 3, 4 * UNIT)
    before = step(playout).pcm
    playout.pause()
    cut = step(playout).pcm
    assert not cut[RATE * 10 // 1000 :].any(), "silent after 10 ms at the latest"
    jumps = np.abs(np.diff(np.concatenate([before, cut])))
    assert jumps.max() < 0.02
    playout.resume()
    again = step(playout).pcm
    assert np.abs(np.diff(np.concatenate([cut, again]))).max() < 0.02


def test_clear_silences_the_very_next_unit_and_reports_what_was_said() -> None:
    playout = Playout(RATE)
    say(playout, 7, 10 * UNIT)
    step(playout)
    step(playout)
    playout.plan()
    assert states(playout.clear(8)) == [(State.CLEARED, 2 * UNIT, 1)]
    silent = playout.emit()
    assert silent.turn_id == 0
    assert not silent.pcm[RATE * 10 // 1000 :].any()
    assert playout.clear(8) == []
    assert step(playout).turn_id == 0


def test_samples_taken_back_on_the_way_out_are_not_reported() -> None:
    playout = Playout(RATE)
    say(playout, 7, 10 * UNIT)
    step(playout)
    step(playout)
    assert playout.clear(8, unheard=UNIT)[0].position == UNIT


def test_stale_speech_is_dropped() -> None:
    playout = Playout(RATE)
    playout.clear(8)
    assert playout.push(7, voice(UNIT), 0) is None
    assert playout.end(7) is None
    assert step(playout).turn_id == 0
    assert playout.push(8, voice(UNIT), 0) == []
    assert step(playout).turn_id == 8


def test_a_newer_reply_replaces_an_older_one_and_lifts_its_pause() -> None:
    playout = Playout(RATE)
    say(playout, 1, 10 * UNIT, 0.5)
    step(playout)
    playout.pause()
    events = playout.push(2, voice(UNIT, -0.5), 0)
    assert events is not None
    assert states(events) == [(State.CLEARED, UNIT, 0)]
    unit = step(playout)
    assert unit.turn_id == 2
    assert unit.pcm[500] == pytest.approx(-0.5)


def test_running_dry_is_reported_once_and_so_is_going_on() -> None:
    playout = Playout(RATE)
    playout.push(1, voice(UNIT + 100), 0)
    step(playout)
    dry = step(playout)
    assert states(dry.before) == [(State.STARVED, UNIT, 0)]
    assert step(playout).before == []
    playout.push(1, voice(2000), UNIT + 100)
    on = step(playout)
    assert states(on.before) == [(State.RESUMED, UNIT, 2)]
    assert on.turn_sample == UNIT


def test_a_reply_whose_end_comes_late_finishes_then() -> None:
    playout = Playout(RATE)
    playout.push(1, voice(UNIT), 0)
    step(playout)
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
    step(playout)
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
    step(playout)
    with pytest.raises(InvalidRequest):
        playout.push(1, voice(1), UNIT)


def test_the_slot_shows_the_phonemes_around_it() -> None:
    playout = Playout(RATE)
    sounds = [Phoneme(chr(97 + number), number * 4800, (number + 1) * 4800, 0) for number in range(8)]
    for start in range(0, 38_400, 2400):
        playout.push(1, voice(2400), start, [item for item in reversed(sounds) if start <= item.start_sample < start + 2400])
    assert "".join(item.symbol for item in playout.plan().phonemes) == "ab"
    for _ in range(20):
        step(playout)
    slot = playout.plan()
    assert slot.turn_sample == 19_200
    assert "".join(item.symbol for item in slot.phonemes) == "cdef"


def test_an_expression_begins_with_its_message_and_ends_with_the_reply() -> None:
    playout = Playout(RATE)
    smile = Cue("warm_smile", 1.0)
    playout.push(1, voice(UNIT), 0)
    playout.push(1, voice(UNIT), UNIT, cue=smile)
    playout.end(1)
    cues = []
    for _ in range(3):
        cues.append(playout.plan().cue)
        playout.emit()
    assert cues == [None, smile, None]


def test_an_expression_outside_a_reply_lasts_a_few_seconds() -> None:
    playout = Playout(RATE)
    playout.look = Look.LISTENING
    playout.express(Cue("nod", 0.5))
    assert playout.plan().look is Look.LISTENING
    shown = 0
    while playout.plan().cue and shown < 1000:
        playout.emit()
        shown += 1
    assert shown == 100
    playout.express(Cue("nod", 0.5))
    playout.express(Cue("neutral", 1.0))
    assert playout.plan().cue is None


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 4), st.integers(1, 2400)),
        st.tuples(st.sampled_from(["step", "pause", "resume"]), st.just(0), st.just(0)),
        st.tuples(st.sampled_from(["end", "clear"]), st.integers(1, 4), st.just(0)),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_positions_add_up_whatever_happens(actions: list[tuple[str, int, int]]) -> None:
    """No unit of an old turn after a newer one is known, units of a reply follow each other, the voice never jumps."""
    playout = Playout(RATE)
    pushed: dict[int, int] = {}
    ended: set[int] = set()
    position: dict[int, int] = {}
    newest = 0
    log: list[Playback] = []
    for action, turn, size in actions:
        match action:
            case "push" if turn not in ended:
                playout.push(turn, voice(size), pushed.get(turn, 0))
                if turn >= newest:
                    pushed[turn] = pushed.get(turn, 0) + size
            case "end" if turn not in ended:
                playout.end(turn)
                ended.add(turn)
            case "clear":
                playout.clear(turn)
            case "pause" | "resume":
                getattr(playout, action)()
            case "step":
                unit = step(playout)
                log += [*unit.before, *unit.after]
                assert len(unit.pcm) == UNIT
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
    step(playout)
    assert playout.aside(voice(1000), [Phoneme("m", 0, 900, 0)])
    assert not playout.aside(voice(1000)), "one at a time"
    slot = playout.plan()
    assert slot.turn_id < 0, "the mouth moves"
    assert [phoneme.symbol for phoneme in slot.phonemes] == ["m"]
    units = [step(playout) for _ in range(3)]
    assert [unit.turn_id for unit in units] == [0, 0, 0]
    assert [len(np.flatnonzero(unit.pcm)) for unit in units] == [UNIT, 1000 - UNIT, 0]
    assert not any(unit.before or unit.after for unit in units)
    assert playout.aside(voice(1000)), "and then another"


def test_a_little_word_is_mixed_into_a_reply_that_begins_and_outlives_a_clear() -> None:
    playout = Playout(RATE)
    playout.aside(voice(3 * UNIT, 0.25))
    say(playout, 7, UNIT)
    unit = step(playout)
    assert (unit.turn_id, unit.turn_sample) == (7, 0)
    assert unit.pcm.max() == pytest.approx(0.75)
    playout.clear(8)
    later = step(playout)
    assert later.turn_id == 0
    assert later.pcm[-1] == pytest.approx(0.25)

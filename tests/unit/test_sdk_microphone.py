"""Where sound belongs on the microphone clock."""

from __future__ import annotations

from vivant._microphone import MicrophoneClock


def test_sound_of_one_participant_goes_on_where_it_ended() -> None:
    clock = MicrophoneClock(16_000)
    assert [clock.place("ann", 320) for _ in range(3)] == [0, 320, 640]
    assert clock.position == 960


def test_labels_change_on_one_microphone() -> None:
    clock = MicrophoneClock(16_000)
    assert clock.place("ann", 16_000) == 0
    assert clock.place("ben", 16_000) == 16_000
    assert clock.place("ann", 320) == 32_000


def test_two_microphones_side_by_side_stay_in_step() -> None:
    clock = MicrophoneClock(16_000)
    clock.place("ann", 320)
    starts = [(clock.place("ben", 320), clock.place("ann", 320)) for _ in range(100)]
    assert starts[-1] == (320 * 100, 320 * 100)


def test_a_gap_on_purpose() -> None:
    clock = MicrophoneClock(16_000)
    clock.place("ann", 320)
    assert clock.place("ann", 320, at_sample=8000) == 8000
    assert clock.place("ann", 320) == 8320
    assert clock.end_of("ann") == 8640
    assert clock.end_of("ben") == 0

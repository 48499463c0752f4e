"""Parts of the gateway without a network."""

import pytest

from services.gateway.media import OpusVoice, Timeline
from services.gateway.messages import CLOCK_S, Clock, parse
from services.gateway.meter import Meter
from services.gateway.tracks import PictureTrack, VoiceTrack
from vivant import Frame, Unit
from vivant.errors import VivantError


def test_units_have_their_place_though_some_were_dropped() -> None:
    timeline = Timeline()
    assert timeline.unit_index(0) is None
    assert [timeline.place(index) for index in (70, 71, 74)] == [0, 1, 4]
    assert (timeline.unit_index(4), timeline.unit_index(-1)) == (74, None)


def test_a_unit_is_two_packets_of_opus() -> None:
    opus = OpusVoice(24_000)
    assert [len(list(opus.encode(bytes(1920)))) for _ in range(5)] == [2] * 5


def test_a_client_may_send_a_burst_and_not_a_flood() -> None:
    now = [0.0]
    meter = Meter(20, 60, lambda: now[0])
    assert all(meter.take() for _ in range(60))
    assert not meter.take()
    now[0] += 2 / 20
    assert meter.take()
    assert not meter.take()


def test_a_page_is_told_the_time_when_a_reply_begins_is_held_up_and_goes_on_and_now_and_then() -> None:
    clock, told = Clock(24_000), []
    turns = [(0, 0)] * 2 + [(1, position) for position in range(3)] + [(0, 0)] * 2 + [(1, 3), (1, 4), (1, 9)]
    for index, (turn_id, position) in enumerate(turns):
        unit = Unit(index, index * 960, b"", None, turn_id, position * 960)
        if clock.is_due(unit, 5.0):
            told.append(clock.of(unit, 5.0, ms=index * 40))
    assert [(each["ms"] // 40, each["turn_id"], each["turn_ms"] // 40) for each in told] == [
        (0, 0, 0),
        (2, 1, 0),
        (5, 0, 0),
        (7, 1, 3),
        (9, 1, 9),
    ]
    assert clock.is_due(Unit(10, 9600, b"", None, 1, 9600), 5.0 + CLOCK_S)


@pytest.mark.parametrize(
    "data", ["", "[]", "null", '{"type": "text"}', '{"type": "text", "text": ""}', '{"type": "ping", "t": "x"}', "\x00"]
)
def test_what_cannot_be_understood_is_refused_with_a_reason(data: str) -> None:
    with pytest.raises(VivantError) as error:
        parse(data)
    assert error.value.reason == "bad_message"


def frame(*, keyframe: bool) -> Frame:
    return Frame(b"x", keyframe=keyframe, repeated=False)


async def test_pictures_begin_with_one_that_stands_alone_and_again_so_after_a_loss() -> None:
    track = PictureTrack()
    assert [track.put(0, frame(keyframe=False)), track.put(1, frame(keyframe=True))] == [False, True]
    assert [track.put(number, frame(keyframe=False)) for number in range(2, 9)] == [True] * 5 + [False] * 2
    assert track.put(9, frame(keyframe=True))
    assert ((await track.recv()).pts, track.broken) == (9 * 3600, False)


async def test_a_slow_network_loses_the_oldest_sound() -> None:
    track = VoiceTrack(24_000)
    assert [track.put(number, bytes(1920)) for number in range(8)] == [True] * 6 + [False] * 2
    assert [(await track.recv()).pts for _ in range(4)] == [3840, 4800, 5760, 6720]

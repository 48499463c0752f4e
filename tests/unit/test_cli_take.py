"""What goes into the recording of an answer."""

from __future__ import annotations

import resource
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import av

from tests.harness.media import RATE_HZ, units
from vivant.cli.take import Take
from vivant.errors import Unusable
from vivant.events import Participant, PersonaCard, Ready, Unit
from vivant.formats import Video

CARD = PersonaCard("june", "June", "", "")
READY = Ready("s", "c", CARD, RATE_HZ, Video("h264", 64), datetime.now(UTC), (), Participant("p1"))


def not_lost(error: Unusable) -> None:
    raise error


def spoken(items: list[Unit], start: int) -> list[Unit]:
    return [replace(item, turn_id=1 if item.index >= start else 0) for item in items]


def pictures_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return len(list(container.decode(video=0)))


def test_it_begins_with_a_keyframe_up_to_two_seconds_before_the_reply(tmp_path: Path) -> None:
    take = Take(tmp_path / "a.mp4", READY, whole=False, on_lost=not_lost)
    asked = [take.add(item) for item in spoken(units(100, keyframe_every=20), start=75)]
    take.close()
    assert not any(asked)
    assert take.seconds == (100 - 40) / 25
    assert pictures_in(tmp_path / "a.mp4") == 60


def test_the_whole_conversation(tmp_path: Path) -> None:
    take = Take(tmp_path / "a.mp4", READY, whole=True, on_lost=not_lost)
    for item in spoken(units(60), start=50):
        take.add(item)
    take.close()
    assert take.seconds == 60 / 25


def test_while_the_reply_is_awaited_a_keyframe_comes_every_second(tmp_path: Path) -> None:
    take = Take(tmp_path / "a.mp4", READY, whole=False, on_lost=not_lost)
    asked = [item.index for item in units(100) if take.add(item)]
    take.close()
    assert asked == [25, 50, 75]


def test_without_a_recent_keyframe_it_begins_with_the_reply(tmp_path: Path) -> None:
    take = Take(tmp_path / "a.mp4", READY, whole=False, on_lost=not_lost)
    items = spoken(units(200, keyframe_every=150), start=120)
    asked = [item.index for item in items if take.add(item)]
    take.close()
    assert asked == [25, 50, 75, 100, 125]
    assert take.seconds == 80 / 25
    assert pictures_in(tmp_path / "a.mp4") == 50


def test_lost_units_ask_for_a_keyframe_until_it_comes(tmp_path: Path) -> None:
    take = Take(tmp_path / "a.mp4", READY, whole=True, on_lost=not_lost)
    items = [item for item in units(120, keyframe_every=90) if item.index not in (41, 42)]
    asked = [item.index for item in items if take.add(item)]
    take.close()
    assert asked == [43, 68]


def test_sound_alone_is_recorded_from_two_seconds_before(tmp_path: Path) -> None:
    take = Take(tmp_path / "a.wav", replace(READY, video=None), whole=False, on_lost=not_lost)
    asked = [take.add(item) for item in spoken(units(100, None), start=80)]
    take.close()
    assert not any(asked)
    assert take.seconds == (100 - 31) / 25


def test_a_conversation_without_a_reply_leaves_no_file(tmp_path: Path) -> None:
    take = Take(tmp_path / "a.mp4", READY, whole=False, on_lost=not_lost)
    for item in units(30):
        take.add(item)
    take.close()
    assert take.seconds == 0
    assert not (tmp_path / "a.mp4").exists()


def test_a_recording_that_fails_is_told_once_and_the_rest_is_not_recorded(tmp_path: Path) -> None:
    lost: list[Unusable] = []
    take = Take(tmp_path / "a.wav", replace(READY, video=None), whole=True, on_lost=lost.append)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        asked = [take.add(item) for item in units(100, None)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    take.close()
    assert take.lost and [error.reason for error in lost] == ["cannot_write"]
    assert not any(asked)
    assert not list(tmp_path.iterdir())


def test_what_was_there_before_is_kept_when_there_is_no_reply(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"an older recording")
    Take(tmp_path / "a.mp4", READY, whole=False, on_lost=not_lost).close()
    assert (tmp_path / "a.mp4").read_bytes() == b"an older recording"

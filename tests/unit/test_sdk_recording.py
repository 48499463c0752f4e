"""Files that the recorder writes are decoded again: picture and sound must meet at the same moment."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media import RATE_HZ, UNIT_SAMPLES, units
from vivant.errors import InvalidRequest, Unusable
from vivant.events import Unit
from vivant.formats import Video
from vivant.recording import Recorder, best_codec, check_path

FLASHES = (20, 60)


def record(path: Path, items: list[Unit], codec: str | None) -> None:
    video = Video(codec, 64) if codec else None  # type: ignore[arg-type]
    with Recorder(path, voice_rate_hz=RATE_HZ, video=video) as recorder:
        for item in items:
            recorder.write(item)


def flashes(path: Path) -> list[float]:
    """Times at which the decoded picture turns white."""
    with av.open(str(path)) as container:
        bright = [(frame.time, frame.to_ndarray(format="gray").mean() > 140) for frame in container.decode(video=0)]
    return [time for (_, before), (time, now) in zip([(0.0, False), *bright], bright, strict=False) if now and not before]


def clicks(path: Path) -> list[float]:
    """Times at which the decoded sound sets in."""
    times, levels = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            sound = np.atleast_2d(frame.to_ndarray()).mean(axis=0).astype(float)
            times.append(frame.time + np.arange(sound.size) / frame.sample_rate)
            levels.append(np.abs(sound))
    time, level = np.concatenate(times), np.concatenate(levels)
    loud = time[level > level.max() * 0.4]
    return [float(t) for i, t in enumerate(loud) if i == 0 or t - loud[i - 1] > 0.1]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("copied.mp4", "h264"),
        ("copied.webm", "vp8"),
        ("encoded.mp4", "vp8"),
        ("encoded.mp4", "jpeg"),
        ("encoded.mp4", "rgb24"),
        ("encoded.webm", "h264"),
        ("encoded.webm", "jpeg"),
    ],
)
def test_picture_and_sound_meet(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    record(path, units(80, codec, events_at=FLASHES), codec)
    assert flashes(path) == pytest.approx([0.8, 2.4], abs=0.002)
    assert clicks(path) == pytest.approx([0.8, 2.4], abs=0.005)


def test_a_frame_that_fits_is_not_encoded_again(tmp_path: Path) -> None:
    items = units(10, "vp8")
    record(tmp_path / "a.webm", items, "vp8")
    with av.open(str(tmp_path / "a.webm")) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert stored == [item.frame.data for item in items if item.frame]


def test_the_first_unit_is_time_zero(tmp_path: Path) -> None:
    items = units(80, "h264", events_at=FLASHES, keyframe_every=10)
    record(tmp_path / "a.mp4", items[10:], "h264")
    assert flashes(tmp_path / "a.mp4") == pytest.approx([0.4, 2.0], abs=0.002)
    assert clicks(tmp_path / "a.mp4") == pytest.approx([0.4, 2.0], abs=0.005)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "vp8")])
def test_lost_units_become_silence_and_a_held_picture(tmp_path: Path, name: str, codec: str) -> None:
    items = units(80, codec, events_at=FLASHES, keyframe_every=10)
    kept = items[:32] + items[45:]
    with Recorder(tmp_path / name, voice_rate_hz=RATE_HZ, video=Video(codec, 64)) as recorder:  # type: ignore[arg-type]
        waiting = []
        for item in kept:
            recorder.write(item)
            waiting.append(recorder.needs_keyframe)
        assert recorder.units == 80
    # After the gap the picture waits for the keyframe at 50.
    assert [item.index for item, wait in zip(kept, waiting, strict=True) if wait] == [45, 46, 47, 48, 49]
    assert flashes(tmp_path / name) == pytest.approx([0.8, 2.4], abs=0.002)
    assert clicks(tmp_path / name) == pytest.approx([0.8, 2.4], abs=0.005)
    with av.open(str(tmp_path / name)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert not [time for time in times if 31.5 / 25 < time < 49.5 / 25]


def test_a_picture_that_fails_midway_leaves_the_sound_whole(tmp_path: Path) -> None:
    items = units(80, "h264", events_at=(20,))
    blind = [Unit(u.index, u.start_sample, u.pcm, None if u.index >= 40 else u.frame, 0, 0) for u in items]
    record(tmp_path / "a.mp4", blind, "h264")
    assert clicks(tmp_path / "a.mp4") == pytest.approx([0.8], abs=0.005)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(3.2, abs=0.05)


def test_sound_before_the_first_keyframe_is_kept(tmp_path: Path) -> None:
    items = units(80, "h264", events_at=(5, 60), keyframe_every=10)
    record(tmp_path / "a.mp4", items[3:], "h264")
    assert clicks(tmp_path / "a.mp4") == pytest.approx([0.08, 2.28], abs=0.005)
    assert flashes(tmp_path / "a.mp4") == pytest.approx([2.28], abs=0.002)


def test_a_damaged_frame_holds_the_picture(tmp_path: Path) -> None:
    items = units(40, "jpeg")
    broken = items[10]
    assert broken.frame
    items[10] = Unit(10, broken.start_sample, broken.pcm, type(broken.frame)(b"not a jpeg", True, False), 0, 0)
    record(tmp_path / "a.mp4", items, "jpeg")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 39


def test_units_that_come_twice_or_late_are_left_out(tmp_path: Path) -> None:
    items = units(10, None)
    record(tmp_path / "a.wav", [*items[:5], items[3], items[4], *items[5:]], None)
    with wave.open(str(tmp_path / "a.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (RATE_HZ, 1, 10 * UNIT_SAMPLES)


def test_without_video_a_video_file_holds_sound(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", units(40, None, events_at=(20,)), None)
    assert clicks(tmp_path / "a.mp4") == pytest.approx([0.8], abs=0.005)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.video


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.wav"])
def test_nothing_written_is_still_a_file(tmp_path: Path, name: str) -> None:
    record(tmp_path / name, [], None)
    assert (tmp_path / name).exists()


def test_a_gap_of_hours_is_refused(tmp_path: Path) -> None:
    items = units(2, None)
    with Recorder(tmp_path / "a.wav", voice_rate_hz=RATE_HZ) as recorder:
        recorder.write(items[0])
        with pytest.raises(InvalidRequest, match="99999 units are missing") as caught:
            recorder.write(Unit(100_000, 0, items[1].pcm, None, 0, 0))
    assert caught.value.reason == "unit_gap"


@pytest.mark.parametrize(
    ("name", "video", "reason"),
    [
        ("a.avi", True, "unknown_format"),
        ("a", True, "unknown_format"),
        ("a.wav", True, "unknown_format"),
        ("no/such/folder/a.mp4", True, "no_such_folder"),
    ],
)
def test_paths_that_cannot_be_recorded_to(tmp_path: Path, name: str, video: bool, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_path(tmp_path / name, video=video)
    assert caught.value.reason == reason


def test_a_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(Unusable, match=r"a\.mp4 cannot be written"):
        Recorder(tmp_path / "a.mp4", voice_rate_hz=RATE_HZ)


def test_the_codec_that_needs_no_second_encoding() -> None:
    assert [best_codec(name) for name in ("a.mp4", "b.WEBM", "c.wav")] == ["h264", "vp8", None]

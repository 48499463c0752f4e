"""Files that the recorder writes are decoded again: picture and sound must meet at the same moment."""

from __future__ import annotations

import resource
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from tests.harness.media import RATE_HZ, UNIT_SAMPLES, units
from vivant.errors import InvalidRequest, Unusable
from vivant.events import Unit
from vivant.formats import Video
from vivant.recording import Recorder, best_codec, check_path, require_writable

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


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """As on a disk that is nearly full: the kernel refuses what makes a file longer than `size`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 30, 2_000, 6_000])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mp4", "vp8"), ("a.webm", "vp8"), ("a.wav", None)])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, name: str, codec: str | None, size: int) -> None:
    """Whether it shows while it is written or in the end, when buffers and the index are."""
    (tmp_path / name).write_bytes(b"an older recording")
    with room_for(size), pytest.raises(Unusable, match=f"{name} cannot be written: File too large") as caught:
        record(tmp_path / name, units(200, codec), codec)
    assert caught.value.reason == "cannot_write"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"an older recording")]


def test_a_recording_that_is_lost_stays_lost(tmp_path: Path) -> None:
    items = units(50, None)
    recorder = Recorder(tmp_path / "a.wav", voice_rate_hz=RATE_HZ)
    with room_for(10_000), pytest.raises(Unusable):
        for item in items:
            recorder.write(item)
    with pytest.raises(Unusable, match="cannot be written"):
        recorder.write(items[-1])
    recorder.close()
    recorder.discard()
    assert not list(tmp_path.iterdir())


def test_a_recording_has_its_name_when_it_is_complete(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.mp4", voice_rate_hz=RATE_HZ) as recorder:
        for item in units(10, None):
            recorder.write(item)
        assert not (tmp_path / "a.mp4").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    recorder.close()


def test_a_recording_that_was_given_up_leaves_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", voice_rate_hz=RATE_HZ)
    recorder.discard()
    recorder.close()
    assert not list(tmp_path.iterdir())


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.wav").symlink_to(tmp_path / "there" / "b.wav")
    record(tmp_path / "a.wav", units(10, None), None)
    assert (tmp_path / "a.wav").is_symlink()
    with wave.open(str(tmp_path / "there" / "b.wav")) as sound:
        assert sound.getnframes() == 10 * UNIT_SAMPLES


@pytest.mark.parametrize("stem", ["answer-10:15", "pipe:1", "50%d %s", "-y", "two\nlines", "\udcff"])
@pytest.mark.parametrize("ending", [".mp4", ".webm", ".WAV"])
def test_any_file_name(tmp_path: Path, stem: str, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record(Path(stem + ending), units(10, None), None)
    assert [path.name for path in tmp_path.iterdir()] == [stem + ending]
    with av.open(f"file:{stem}{ending}") as container:
        assert container.duration / 1e6 == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to("/dev/null"), "a device or a pipe"),
    ],
)
def test_where_nothing_can_be_written_is_known_before(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    require_writable(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())
    make(tmp_path / "a.mp4")
    with pytest.raises(Unusable, match=says):
        require_writable(tmp_path / "a.mp4")
    with pytest.raises(Unusable, match="File name too long"):
        require_writable(tmp_path / ("x" * 300 + ".mp4"))


def test_the_codec_that_needs_no_second_encoding() -> None:
    assert [best_codec(name) for name in ("a.mp4", "b.WEBM", "c.wav")] == ["h264", "vp8", None]

"""Recordings of every kind as PCM, and the pace of a microphone."""

from __future__ import annotations

import math
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.media import encode, pictures
from vivant import audio
from vivant.errors import InvalidRequest, NotFound


def tone(rate_hz: int, seconds: float, channels: int = 1) -> NDArray[np.int16]:
    """440 Hz at half level, shape [samples, channels]."""
    wave_form = 16_000 * np.sin(np.arange(round(rate_hz * seconds)) * 2 * np.pi * 440 / rate_hz)
    return np.repeat(wave_form.astype(np.int16)[:, None], channels, axis=1)


def write(path: Path, codec: str, rate_hz: int, seconds: float = 1.0, channels: int = 1) -> Path:
    """A recording in the format of its ending."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout = "stereo" if channels == 2 else "mono"
        samples = tone(rate_hz, seconds, channels)
        if seconds:
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=stream.layout.name)
            frame.sample_rate = rate_hz
            frame.pts = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "channels"),
    [
        ("a.wav", "pcm_s16le", 44_100, 2),
        ("a.wav", "pcm_s16le", 8000, 1),
        ("a.flac", "flac", 48_000, 2),
        ("a.mp3", "libmp3lame", 44_100, 2),
        ("a.ogg", "libopus", 48_000, 1),
        ("a.m4a", "aac", 24_000, 1),
    ],
)
def test_any_format_becomes_mono_at_the_asked_rate(tmp_path: Path, name: str, codec: str, rate_hz: int, channels: int) -> None:
    sound = audio.read(write(tmp_path / name, codec, rate_hz, 1.0, channels), 16_000)
    assert sound.dtype == np.int16 and sound.ndim == 1
    assert len(sound) == pytest.approx(16_000, abs=1200)
    middle = sound[4000:12_000].astype(float)
    assert np.abs(np.fft.rfft(middle)).argmax() * 16_000 / 8000 == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(16_000, rel=0.1)


def no_such(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def not_sound(path: Path) -> None:
    path.write_text("This is a letter, not a recording. " * 100)


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(5000))


def half_a_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def no_samples(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))


def a_silent_film(path: Path) -> None:
    frames = encode("h264", pictures(5))
    path.write_bytes(b"".join(frame.data for frame in frames))


@pytest.mark.parametrize(
    ("spoil", "reason", "says"),
    [
        (no_such, "no_such_file", "does not exist"),
        (a_folder, "no_such_file", "is a folder"),
        (lambda path: path.write_bytes(b""), "empty_audio", "is empty"),
        (not_sound, "not_audio", "not a recording that can be read"),
        (noise, "not_audio", "not a recording that can be read"),
        (half_a_header, "not_audio", "not a recording that can be read"),
        (no_samples, "empty_audio", "holds no sound"),
        (a_silent_film, "not_audio", "holds no sound"),
    ],
)
def test_what_is_no_recording_is_refused_without_noise(
    tmp_path: Path, spoil: Callable[[Path], object], reason: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "question.wav", "pcm_s16le", 16_000)
    spoil(path)
    with pytest.raises((NotFound, InvalidRequest), match=says) as caught:
        audio.read(path, 16_000)
    assert caught.value.reason == reason
    assert isinstance(caught.value, NotFound) == (reason == "no_such_file")
    assert "question.wav" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_recording_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"longer than 0\.5 s"):
        audio.read(write(tmp_path / "a.wav", "pcm_s16le", 16_000, 1.0), 16_000, max_s=0.5)


def test_floats_and_integers_are_the_same_sound() -> None:
    samples = np.array([0, 16_384, -32_767, 32_767], np.int16)
    assert audio.to_bytes(samples) == samples.tobytes()
    assert audio.to_bytes(samples / 32767.0) == samples.tobytes()
    assert audio.to_bytes(np.array([2.0, -2.0, np.nan])) == np.array([32_767, -32_767, 0], np.int16).tobytes()


def test_chunks_lose_nothing() -> None:
    data = bytes(range(250)) * 20
    pieces = list(audio.chunks(data, 16_000))
    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces[:-1]} == {3200}


class Clock:
    """Virtual time: sleeping moves it on, and so does being slow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        # Only for the module that is tested: what other tests have left running keeps its own time.
        loop = SimpleNamespace(time=lambda: self.now)
        monkeypatch.setattr(audio, "asyncio", SimpleNamespace(sleep=self.sleep, get_running_loop=lambda: loop))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_a_recording_comes_at_its_own_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    sound = np.arange(1000, dtype=np.int16)
    chunks, times = [], []
    async for chunk in audio.paced(sound, 16_000):
        chunks.append(chunk)
        times.append(round(clock.now - 100, 6))
    assert b"".join(chunks) == sound.tobytes()
    assert times == [0.02, 0.04, 0.06, 0.0625]


async def test_delays_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    times = []
    async for _ in audio.paced(np.zeros(1600, np.int16), 16_000):
        times.append(round(clock.now - 100, 6))
        if len(times) == 1:
            clock.now += 0.05
    assert times == [0.02, 0.07, 0.07, 0.08, 0.1]


async def test_silence_follows_for_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    sound = np.full(500, 7, np.int16)
    chunks = [chunk async for chunk in audio.paced(sound, 16_000, silence_after_s=0.1)]
    assert {len(chunk) for chunk in chunks} == {640}
    heard = np.frombuffer(b"".join(chunks), np.int16)
    assert (heard[:500] == 7).all() and not heard[500:].any()
    assert len(heard) == pytest.approx(500 + 1600, abs=320)


async def test_a_live_microphone_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    async for chunk in audio.paced(b"", 16_000, silence_after_s=math.inf):
        assert chunk == bytes(640)
        if clock.now > 3700:
            return
    pytest.fail("it ended")

"""Recordings of every kind as PCM, and the pace of a microphone."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.harness.media import RATE_HZ, encode, pictures, units
from vivant import audio
from vivant.errors import InvalidRequest, NotFound
from vivant.formats import Video
from vivant.recording import Recorder


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


def a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


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
        (a_device, "no_such_file", "is a device or a pipe"),
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


# --- damaged, and broken off --------------------------------------------------------------------------------------------


def with_hole(path: Path, share: float) -> Path:
    """The same file, with so much of its middle lost."""
    data = bytearray(path.read_bytes())
    first, size = len(data) // 3, round(len(data) * share)
    data[first : first + size] = bytes(size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.mp3", "libmp3lame", 44_100),
        ("a.flac", "flac", 44_100),
        ("a.ogg", "libopus", 48_000),
        ("a.m4a", "aac", 24_000),
        ("a.aac", "aac", 24_000),
    ],
)
def test_a_hole_costs_what_was_in_it(tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    path = with_hole(write(tmp_path / name, codec, rate_hz, 6.0), 0.04)
    recording = audio.decode(path, 16_000)
    # Ogg loses pages of a second, AAC in ADTS the packet that the hole seems to belong to.
    assert 0.02 < recording.lost_s < 2.5
    # How long sound in ADTS is can only be guessed.
    assert recording.total_s == pytest.approx(6.0, abs=0.5 if name == "a.aac" else 0.1)
    assert len(recording.samples) / 16_000 == pytest.approx(recording.total_s - recording.lost_s, abs=0.1)


def test_what_is_lost_by_more_than_half_is_refused(tmp_path: Path) -> None:
    path = with_hole(write(tmp_path / "a.m4a", "aac", 24_000, 6.0), 0.6)
    with pytest.raises(InvalidRequest, match=r"a\.m4a is damaged: only \d\.\d\d s of 6\.0\d s can be read") as caught:
        audio.read(path, 16_000)
    assert caught.value.reason == "not_audio"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.ogg", "libopus"), ("a.opus", "libopus"), ("a.mp3", "libmp3lame"),
     ("a.aac", "aac"), ("a.webm", "libopus"), ("a.aiff", "pcm_s16be")],
)  # fmt: skip
def test_of_a_file_that_breaks_off_there_is_what_came_before(tmp_path: Path, name: str, codec: str) -> None:
    path = write(tmp_path / name, codec, 48_000, 6.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 5])
    # Ogg has a second in a page; the others lose one packet.
    assert len(audio.read(path, 16_000)) / 16_000 == pytest.approx(2.4, abs=0.8)


def test_a_file_without_its_index_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.m4a", "aac", 24_000, 6.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    with pytest.raises(InvalidRequest, match="breaks off before its index"):
        audio.read(path, 16_000)


@pytest.mark.parametrize("length", [0, 100, 0xFFFFFFFF, 10**6])
def test_a_wav_whose_header_has_a_wrong_length(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "a.wav", "pcm_s16le", 16_000, 2.0)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = length.to_bytes(4, "little")
    path.write_bytes(data)
    assert len(audio.read(path, 16_000)) == 32_000


def test_what_follows_the_sound_of_a_wav_is_not_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", "pcm_s16le", 16_000, 2.0)
    path.write_bytes(path.read_bytes() + b"LIST" + (1000).to_bytes(4, "little") + bytes(1000))
    assert len(audio.read(path, 16_000)) == 32_000


@pytest.mark.parametrize("channels", [1, 2])
def test_floats_that_are_no_numbers_do_not_spread(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.wav"
    samples = tone(44_100, 2.0, channels).astype(np.float32) / 32_768
    whole = samples.copy()
    samples[::997] = np.nan
    samples[500] = np.inf
    header = wave_header(path, 44_100, channels, samples.nbytes)
    path.write_bytes(header + samples.tobytes())
    recording = audio.decode(path, 44_100)
    assert recording.lost_s == pytest.approx(90 * channels / channels / 44_100, abs=90 * channels / 44_100)
    heard = recording.samples.astype(float) / 32_768
    assert np.abs(heard - whole[:, 0]).max() < 0.05


def test_nothing_but_no_numbers_is_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = np.full(16_000, np.nan, np.float32)
    path.write_bytes(wave_header(path, 16_000, 1, samples.nbytes) + samples.tobytes())
    with pytest.raises(InvalidRequest, match=r"only 0\.00 s of 1\.00 s can be read"):
        audio.read(path, 16_000)


def wave_header(path: Path, rate_hz: int, channels: int, size: int) -> bytes:
    """Of 32-bit floats."""
    form = (36 + size, b"WAVE", b"fmt ", 16, 3, channels, rate_hz, rate_hz * channels * 4, channels * 4, 32, b"data", size)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", *form)


@pytest.mark.parametrize("codec", ["libmp3lame", "libopus"])
def test_a_recording_that_changes_its_rate_is_one_recording(tmp_path: Path, codec: str) -> None:
    """Two that were put one after the other, the second at half the rate."""
    name = "mp3" if codec == "libmp3lame" else "ogg"
    parts = [write(tmp_path / f"{rate}.{name}", codec, rate, 2.0, 1).read_bytes() for rate in (48_000, 24_000)]
    both = tmp_path / f"both.{name}"
    both.write_bytes(b"".join(parts))
    sound = audio.read(both, 16_000)
    assert len(sound) / 16_000 == pytest.approx(4.0, abs=0.2)
    assert np.abs(np.fft.rfft(sound[40_000:56_000].astype(float))).argmax() == pytest.approx(440, abs=2)


def test_the_sound_of_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with Recorder(path, voice_rate_hz=RATE_HZ, video=Video("h264", 64)) as recorder:
        for unit in units(50):
            recorder.write(unit)
    recording = audio.decode(path, 16_000)
    assert (len(recording.samples) / 16_000, recording.lost_s) == (pytest.approx(2.0, abs=0.1), 0.0)


def test_of_a_film_that_breaks_off_it_is_told_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        picture, sound = container.add_stream("mjpeg", rate=25), container.add_stream("flac", rate=24_000)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuvj420p"
        sound.layout = "mono"
        for index, image in enumerate(pictures(100)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
            frame.pts = index
            piece = av.AudioFrame.from_ndarray(tone(24_000, 0.04).T, format="s16", layout="mono")
            piece.sample_rate, piece.pts = 24_000, index * 960
            container.mux([*picture.encode(frame), *sound.encode(piece)])
        container.mux([*picture.encode(None), *sound.encode(None)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    recording = audio.decode(path, 16_000)
    assert recording.lost_s == pytest.approx(2.0, abs=0.5)
    assert recording.total_s == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize(
    "name", ["memo-10:15.wav", "pipe:0.wav", "http:.wav", "50%d 100%.wav", "-i.wav", "a\nb.wav", "\udcff.wav"]
)
def test_any_file_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.wav", "pcm_s16le", 16_000).rename(name)
    assert len(audio.read(name, 16_000)) == 16_000


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "a.wav/b.wav", "nul\0.wav"])
def test_a_name_that_can_be_no_file(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.wav", "pcm_s16le", 16_000)
    with pytest.raises(NotFound, match="cannot be read"):
        audio.read(tmp_path / name, 16_000)


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

"""Recordings of a voice: every kind of WAV file is read alike, and what is none is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from services.tts.recordings import read, recorded
from vivant.errors import Unusable

CONSENT = '[[consent]]\nwhat = "voice"\nby = "a computer"\n'
#: 7 s at 16 kHz.
SOUND = 0.5 * np.sin(2 * np.pi * 220 * np.arange(7 * 16_000) / 16_000)


@pytest.fixture
def persona(tmp_path: Path) -> Path:
    folder = tmp_path / "ada"
    (folder / "voice").mkdir(parents=True)
    (folder / "consent.toml").write_text(CONSENT)
    return folder


@pytest.mark.parametrize(
    ("samples", "near"),
    [
        (np.round(SOUND * 127 + 128).astype(np.uint8), 1e-2),
        (np.round(SOUND * 32_767).astype(np.int16), 1e-4),
        (np.round(SOUND * 2_147_483_000).astype(np.int32), 1e-6),
        (SOUND.astype(np.float32), 1e-6),
        (np.stack([SOUND * 1.5, SOUND * 0.5], 1).astype(np.float32), 1e-6),
    ],
)
def test_samples_of_every_kind_are_read_as_one_channel(persona: Path, samples: Any, near: float) -> None:
    wavfile.write(persona / "voice" / "one.wav", 16_000, samples)
    [recording] = read(persona, 30).files
    assert recording.rate_hz == 16_000
    assert recording.samples.dtype == np.float32
    assert np.abs(recording.samples - SOUND).max() < near


def test_the_beginning_of_each_file_is_taken_in_the_order_of_their_names(persona: Path) -> None:
    for name, rate_hz in (("b.wav", 16_000), ("a.WAV", 8_000)):
        wavfile.write(persona / "voice" / name, rate_hz, SOUND.astype(np.float32))
    (persona / "voice" / "notes.txt").write_text("where it was recorded")
    assert [(each.rate_hz, len(each.samples)) for each in read(persona, 4).files] == [(8_000, 32_000), (16_000, 64_000)]


def test_the_hash_is_that_of_the_content(persona: Path) -> None:
    wavfile.write(persona / "voice" / "one.wav", 16_000, SOUND.astype(np.float32))
    before = read(persona, 30).sha256
    (persona / "voice" / "one.wav").rename(persona / "voice" / "other.wav")
    assert read(persona, 30).sha256 == before
    wavfile.write(persona / "voice" / "other.wav", 16_000, (SOUND * 0.9).astype(np.float32))
    assert read(persona, 30).sha256 != before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a WAV file"),
        (b"RIFF", "not a WAV file"),
        (b"ID3\x03" + bytes(400), "not a WAV file"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", "not a WAV file"),
    ],
)
def test_what_is_no_recording_is_refused(persona: Path, data: bytes, words: str) -> None:
    (persona / "voice" / "one.wav").write_bytes(data)
    with pytest.raises(Unusable, match=rf"one\.wav is {words}") as caught:
        read(persona, 30)
    assert caught.value.reason == "voice_unusable"


@pytest.mark.parametrize("value", [0.0, 0.001, np.nan])
def test_a_silent_one_is_refused(persona: Path, value: float) -> None:
    wavfile.write(persona / "voice" / "one.wav", 16_000, np.full(7 * 16_000, value, np.float32))
    with pytest.raises(Unusable, match=r"one\.wav is silent"):
        read(persona, 30)


def test_one_that_is_far_too_large_is_refused_unread(persona: Path) -> None:
    with (persona / "voice" / "one.wav").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(Unusable, match="larger than 64 MiB"):
        read(persona, 30)


def test_personas_with_recordings_are_found(persona: Path) -> None:
    (persona.parent / "bo").mkdir()
    (persona.parent / "cy").mkdir()
    (persona.parent / "cy" / "voice").write_text("a file")
    assert recorded(persona.parent) == ["ada"]
    assert recorded(persona.parent / "nowhere") == []

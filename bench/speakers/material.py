"""Conversations put together from recordings, for `bench.speakers`: turns of one voice as they sound at a microphone."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from services.asr.voices.voiceprint import SAMPLE_RATE_HZ, Array
from services.common.resample import Resampler

SHORTEST_S: Final = 0.7
LONGEST_S: Final = 6.0
#: Somebody is heard in a meeting for at least so long by themselves.
_LEAST_S: Final = 4.0
#: Signal to noise in dB: near the microphone, and across a room.
_NEAR_DB: Final = (12.0, 35.0)
_FAR_DB: Final = (8.0, 22.0)


def readers(folder: Path) -> dict[str, list[Array]]:
    """The recordings `<reader>-*.flac` of a folder, by reader."""
    found: dict[str, list[Array]] = {}
    for path in sorted(folder.glob("*.flac")):
        found.setdefault(path.name.partition("-")[0], []).append(_read(path))
    return found


def meeting(folder: Path, name: str) -> dict[str, list[Array]]:
    """What each speaker of a meeting says while nobody else does."""
    audio = _read(folder / f"{name}.opus")
    with (folder / f"{name}.rttm").open(encoding="utf-8") as file:
        rows = [(row[7], float(row[3]), float(row[3]) + float(row[4])) for row in csv.reader(file, delimiter=" ") if row]
    found: dict[str, list[Array]] = {}
    for speaker, start, end in rows:
        spans = [(start, end)]
        for other, first, last in rows:
            if other != speaker:
                spans = [part for a, b in spans for part in ((a, min(b, first)), (max(a, last), b)) if part[1] - part[0] > 0]
        cuts = [audio[int(a * SAMPLE_RATE_HZ) : int(b * SAMPLE_RATE_HZ)] for a, b in spans if b - a >= SHORTEST_S]
        found.setdefault(speaker, []).extend(cuts)
    return {who: cuts for who, cuts in found.items() if sum(map(len, cuts)) >= _LEAST_S * SAMPLE_RATE_HZ}


def turn(recordings: Sequence[Array], chance: np.random.Generator) -> Array:
    """Some 0.7 to 6 s of these, as likely short as long."""
    whole = recordings[int(chance.integers(len(recordings)))]
    seconds = float(np.exp(chance.uniform(np.log(SHORTEST_S), np.log(LONGEST_S))))
    size = min(len(whole), int(seconds * SAMPLE_RATE_HZ))
    start = int(chance.integers(len(whole) - size + 1))
    return whole[start : start + size]


def room(chance: np.random.Generator) -> Array:
    """The echo of a room for a talker at some place in it: 0.3 to 0.7 s long, 1 to 4 m from the microphone."""
    length_s, distance_m = chance.uniform(0.3, 0.7), chance.uniform(1.0, 4.0)
    times = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    echo = chance.standard_normal(len(times)) * np.exp(-6.9 * times / length_s)
    # Echoes are single ones at first and run together later.
    echo *= (chance.random(len(times)) < np.minimum(1, 0.02 + 12 * times)) & (times > 0.002)
    echo = np.convolve(echo, [0.6, 0.3, 0.1], "same")
    # Direct sound and echo are as strong as each other at 2 m.
    echo *= distance_m / 2 / np.sqrt(np.sum(echo**2))
    echo[0] = 1.0
    return echo.astype(np.float32)


def near(sound: Array, chance: np.random.Generator) -> Array:
    """As another moment at the same microphone would sound: further away, turned aside, in some noise."""
    return _heard(sound, _NEAR_DB, chance)


def far(sound: Array, echo: Array, chance: np.random.Generator) -> Array:
    """As it would sound from that place in the room, at half the level and in more noise."""
    size = len(sound) + len(echo)
    there = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(echo, size), size)[: len(sound)]
    there *= 0.5 * np.sqrt(np.mean(sound**2) / max(float(np.mean(there**2)), 1e-12))
    return _heard(there.astype(np.float32), _FAR_DB, chance)


def _heard(sound: Array, over_noise_db: tuple[float, float], chance: np.random.Generator) -> Array:
    colour = chance.uniform(-0.4, 0.4)
    turned = np.copy(sound)
    turned[1:] += np.float32(colour) * sound[:-1]
    level = 10 ** (chance.uniform(-14, 6) / 20) / (1 + abs(colour))
    noise = np.convolve(chance.standard_normal(len(sound)), np.ones(8) / 8, "same")
    power = float(np.mean(turned**2)) / 10 ** (chance.uniform(*over_noise_db) / 10)
    noise *= np.sqrt(power / max(float(np.mean(noise**2)), 1e-12))
    return np.clip(level * (turned + noise), -1, 1).astype(np.float32)


def _read(path: Path) -> Array:
    samples, rate = soundfile.read(path, dtype="float32")
    return Resampler(rate, SAMPLE_RATE_HZ).push(np.asarray(samples, np.float32))

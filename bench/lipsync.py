"""The sync meter: how lips and voice fit together in a finished video file, seen from outside.

The file is decoded again; the lips are found in its pictures by MediaPipe FaceMesh (in the enrolment environment), the voice is
the energy of its sound between 300 and 2500 Hz, where open vowels are loud. How far one must be moved for the best correlation
is the offset. Where the sounds are known, it is also checked that the mouth is shut in each p, b and m, and in silence.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from services.face.engine import Phoneme

Curve = NDArray[np.float64]

SCRIPT: Final = Path(__file__).with_name("lip_points.py")
#: Both curves are compared at this rate.
RATE_HZ: Final = 100
BAND_HZ: Final = (300, 2500)
#: Features shorter and slower changes longer than these are taken out before comparing.
FINE_S: Final = 0.04
COARSE_S: Final = 0.6
SEARCH_S: Final = 0.4
#: A mouth counts as shut below this share of its 90th percentile in speech.
SHUT: Final = 0.25
#: A sound may be seen this much before or after it is heard: one and a half frames.
REACH_S: Final = 0.06
#: The mouth has this long to settle before and after speech.
SETTLE_S: Final = 0.3


@dataclass(frozen=True)
class Film:
    """A decoded file."""

    times: Curve
    """Presentation time of each picture, in seconds."""
    pictures: list[NDArray[np.uint8]]
    """RGB [H, W, 3]."""
    voice: Curve
    """-1..1."""
    voice_rate_hz: int
    voice_start: float
    """Time of the first sample, in seconds."""


@dataclass(frozen=True)
class Sync:
    """What the meter reads."""

    offset_ms: float
    """Positive: the lips come after the voice."""
    correlation: float
    closed: int
    """Lip closures seen, of `closures` spoken."""
    closures: int
    silent_shut: float
    """Share of pictures in silence with the mouth shut."""
    lost: int
    """Pictures in which no face was found."""


def read(path: Path) -> Film:
    """Decodes all of a file."""
    with av.open(f"file:{path}") as container:
        pictures = [
            (float(frame.time or 0.0), np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            for frame in container.decode(video=0)
        ]
    with av.open(f"file:{path}") as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        start: float | None = None
        parts = []
        for frame in container.decode(audio=0):
            start = float(frame.time or 0.0) if start is None else start
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    voice = np.concatenate(parts).astype(np.float64)
    return Film(np.array([time for time, _ in pictures]), [image for _, image in pictures], voice, rate, start or 0.0)


def lips(film: Film, python: Path) -> Curve:
    """How far the lips are open in each picture, in eye distances; NaN where no face was found."""
    height, width = film.pictures[0].shape[:2]
    frames = b"".join(picture.tobytes() for picture in film.pictures)
    done = subprocess.run([python, SCRIPT, str(width), str(height)], input=frames, capture_output=True, check=True)
    return np.array(json.loads(done.stdout), np.float64)


def measure(film: Film, opening: Curve, phonemes: Sequence[Phoneme], speech_start: float, rate_hz: int) -> Sync:
    """Reads the meter. `phonemes` have times in samples at `rate_hz` from `speech_start` seconds of the film."""
    known = ~np.isnan(opening)
    opening = np.interp(film.times, film.times[known], opening[known])
    spans = [
        (item.symbol, speech_start + item.start_sample / rate_hz, speech_start + item.end_sample / rate_hz) for item in phonemes
    ]
    offset, correlation = lag(film, opening)
    spoken = (film.times >= spans[0][1]) & (film.times <= spans[-1][2])
    shut = SHUT * float(np.percentile(opening[spoken], 90))
    lowest = [
        opening[(film.times >= start - REACH_S) & (film.times <= end + REACH_S)].min()
        for symbol, start, end in spans
        if symbol in ("p", "b", "m")
    ]
    quiet = (film.times < spans[0][1] - SETTLE_S) | (film.times > spans[-1][2] + SETTLE_S)
    return Sync(
        offset_ms=1000 * offset,
        correlation=correlation,
        closed=int(np.sum(np.array(lowest) < shut)),
        closures=len(lowest),
        silent_shut=float(np.mean(opening[quiet] < shut)),
        lost=int(np.sum(~known)),
    )


def lag(film: Film, opening: Curve) -> tuple[float, float]:
    """By how many seconds the lips come after the voice, and the correlation there."""
    times, voice = loudness(film)
    seen = _prepared(np.interp(times, film.times, opening))
    heard = _prepared(voice)
    reach = round(SEARCH_S * RATE_HZ)
    scores = [_correlation(heard, seen, shift) for shift in range(-reach, reach + 1)]
    best = int(np.argmax(scores))
    fraction = 0.0
    if 0 < best < 2 * reach:
        # The top of the parabola through the best and its neighbours.
        before, at, after = scores[best - 1 : best + 2]
        fraction = (before - after) / (2 * (before - 2 * at + after))
    return (best - reach + fraction) / RATE_HZ, scores[best]


def loudness(film: Film) -> tuple[Curve, Curve]:
    """Times, and the logarithmic energy of the voice band around them."""
    band = butter(4, BAND_HZ, "bandpass", fs=film.voice_rate_hz, output="sos")
    voice = sosfiltfilt(band, film.voice)
    step = film.voice_rate_hz / RATE_HZ
    edges = np.arange(0, len(voice), step).astype(int)
    energy = np.sqrt(np.add.reduceat(voice**2, edges) / np.maximum(1, np.diff(np.append(edges, len(voice)))))
    times = film.voice_start + (np.arange(len(edges)) + 0.5) / RATE_HZ
    return times, np.log1p(40 * energy / energy.max())


def _prepared(curve: Curve) -> Curve:
    fine, coarse = (gaussian_filter1d(curve, seconds * RATE_HZ) for seconds in (FINE_S, COARSE_S))
    return np.asarray(fine - coarse, np.float64)


def _correlation(heard: Curve, seen: Curve, shift: int) -> float:
    """Of the voice with lips that are `shift` steps later."""
    length = min(len(heard), len(seen)) - abs(shift)
    a = heard[max(0, -shift) :][:length]
    b = seen[max(0, shift) :][:length]
    return float(np.corrcoef(a, b)[0, 1])

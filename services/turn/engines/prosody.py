"""How the last words sounded: pitch, loudness and drawn-out sounds at the end of what was said, against the seconds before.

People fall in pitch and in loudness where they have finished, and hold the last sound, level, where they search for a word.
Pitch is the first high peak of the autocorrelation of 40 ms (Boersma 1993: divided by that of the window). About 2 ms a call.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
#: In this order in what `prosody` returns.
NAMES: Final = ("pitch_end", "pitch_slope", "voiced_end", "energy_end", "energy_slope", "held", "change")

_HEARD_S: Final = 3.0
#: Where speech ends is known to some 10 ms only, and one stray frame there changes some of the numbers altogether. So they are
#: the mean of what is found when the last so many frames are left out.
_ENDS: Final = np.array([0, 1, 2, 3])
_FRAME: Final = 640
_HOP: Final = 160
#: Enough for the lags that are looked at: _FRAME + _LONGEST_LAG.
_FFT: Final = 1_024
_SHORTEST_LAG: Final = RATE_HZ // 400
_LONGEST_LAG: Final = RATE_HZ // 70
#: Autocorrelation from which a frame is voiced, and the share of the highest peak at which a shorter lag is preferred to it.
_VOICED: Final = 0.5
_FIRST_PEAK: Final = 0.9
#: A frame this much weaker than the loud ones is not speech.
_WEAK_DB: Final = 35.0
_BANDS: Final = 20
_BAND_BINS: Final = np.unique(np.geomspace(6, 250, _BANDS + 1).astype(int))

Audio = NDArray[np.float32]
Numbers = NDArray[np.float64]

_WINDOW: Final = np.hanning(_FRAME)


def prosody(audio: Audio) -> Numbers:
    """`audio` [n] float32 at 16 kHz ends with the last speech. Float64 [7], see NAMES, each about -3 to 3; zeros if too short.

    pitch_end: the last 50 ms of voice against the median, in 4 semitones; pitch_slope: over the last 0.5 s, in 20 semitones/s;
    voiced_end: share of voice in the last 0.3 s; energy_end: the last 0.2 s against the loud parts, in 10 dB; energy_slope:
    over the last 0.3 s, in 100 dB/s; held: length of the last unbroken voice, in 0.3 s; change: of its spectrum in 30 ms, in
    3 dB.
    """
    recent = audio[-round(_HEARD_S * RATE_HZ) :]
    if len(recent) < _FRAME + _HOP * (_ENDS[-1] + 1):
        return np.zeros(len(NAMES))
    # Frames are counted from the end, so that the last one ends with the speech.
    frames = np.lib.stride_tricks.sliding_window_view(recent, _FRAME)[::-1][::_HOP][::-1] * _WINDOW
    power = np.abs(np.fft.rfft(frames, _FFT, axis=1)) ** 2
    levels = 10 * np.log10(power.sum(axis=1) + 1e-9)
    loud = float(np.percentile(levels, 90))
    semitones, voiced = _pitch(power, levels > loud - _WEAK_DB)
    ends = len(levels) - _ENDS
    mean: Numbers = np.mean([_seen(power[:end], levels[:end], semitones[:end], voiced[:end], loud) for end in ends], axis=0)
    return mean


def _seen(power: Numbers, levels: Numbers, semitones: Numbers, voiced: NDArray[np.bool_], loud: float) -> Numbers:
    """The numbers, if the speech ends with the last of these frames."""
    run = _last_run(voiced)
    return np.array(
        [
            _clip(_mean(semitones[-50:][voiced[-50:]][-5:]) / 4),
            _clip(_slope(semitones[-50:], voiced[-50:]) / 20),
            float(voiced[-30:].mean()),
            _clip((float(levels[-20:].mean()) - loud) / 10),
            _clip(_slope(levels[-30:], np.ones(len(levels[-30:]), bool)) / 100),
            _clip(len(run) / 30),
            _clip(_change(power[run]) / 3),
        ]
    )


def _pitch(power: Numbers, loud: NDArray[np.bool_]) -> tuple[Numbers, NDArray[np.bool_]]:
    """Semitones against the median of the voiced frames [n], and which frames are voiced [n]."""
    correlation = np.fft.irfft(power, axis=1)[:, : _LONGEST_LAG + 1] / _WINDOW_CORRELATION
    correlation /= np.maximum(correlation[:, :1], 1e-12)
    searched = correlation[:, _SHORTEST_LAG:]
    highest = searched.max(axis=1)
    first = np.argmax(searched >= _FIRST_PEAK * highest[:, None], axis=1)
    # From the first point that is high enough on to the top of its peak.
    reach = np.clip(first[:, None] + np.arange(8), 0, searched.shape[1] - 1)
    peak = first + np.argmax(np.take_along_axis(searched, reach, axis=1), axis=1)
    voiced = (highest > _VOICED) & loud
    semitones = 12 * np.log2(RATE_HZ / (peak + _SHORTEST_LAG))
    if voiced.any():
        semitones = np.clip(semitones - np.median(semitones[voiced]), -12, 12)
    return semitones, voiced


def _last_run(voiced: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the last unbroken run of voiced frames."""
    where = np.flatnonzero(voiced)
    if not len(where):
        return where
    breaks = np.flatnonzero(np.diff(where) > 1)
    return where[breaks[-1] + 1 :] if len(breaks) else where


def _change(power: Numbers) -> float:
    """Mean change of the band levels within 30 ms over the last 0.25 s, dB."""
    bands = np.add.reduceat(power[-25:], _BAND_BINS[:-1], axis=1)
    if not len(bands):
        return 0.0
    # 40 dB below the loudest band it is the room that changes.
    bands = 10 * np.log10(np.maximum(bands, bands.max() * 1e-4) + 1e-12)
    return _mean(np.abs(bands[3:] - bands[:-3]))


def _slope(values: Numbers, used: NDArray[np.bool_]) -> float:
    """Of the least-squares line through the used values, per second."""
    at = np.flatnonzero(used) * (_HOP / RATE_HZ)
    if len(at) < 5:
        return 0.0
    centred = at - at.mean()
    return float(centred @ values[used] / (centred @ centred))


def _mean(values: Numbers) -> float:
    return float(values.mean()) if values.size else 0.0


def _clip(value: float) -> float:
    return max(-3.0, min(3.0, value))


def _window_correlation() -> Numbers:
    raw = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, _FFT)) ** 2)[: _LONGEST_LAG + 1]
    return np.asarray(raw / raw[0], np.float64)


_WINDOW_CORRELATION: Final = _window_correlation()

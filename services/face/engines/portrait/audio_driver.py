"""The mouth from sound alone, for voices that come without phonemes: a small network on the spectrum around each moment.

    log-mel spectra of 21 windows, 10 ms apart, from 160 ms before to 40 ms after the moment
    -> two hidden layers -> the articulators as `speech.shape_at` would have them

It learned from synthetic voices, whose phonemes are known (`bench/driver`), and hears levels relative to the loudest of late,
so that a soft voice moves the lips as much as a loud one. Weights: `assets/audio_driver.npz`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.log_mel import mel_filters
from services.face.engines.portrait.visemes import ARTICULATED, SHAPE

WINDOW_S: Final = 0.025
HOP_S: Final = 0.010
#: Windows before and after the one in the middle of which the moment lies.
BEFORE: Final = 16
AFTER: Final = 4
#: Sound that is looked at before and after the moment.
REACH_BEFORE_S: Final = BEFORE * HOP_S + WINDOW_S / 2
REACH_AFTER_S: Final = AFTER * HOP_S + WINDOW_S / 2
BANDS: Final = 32
#: The output that is a probability.
SHUT: Final = list(ARTICULATED).index("seal")
INPUTS: Final = (BEFORE + 1 + AFTER) * BANDS
#: Of a window of 25 ms the frequencies are 40 Hz apart at any rate; as many as the filters know, up to 8 kHz.
_FILTERS: Final = mel_filters(BANDS)
#: The loudest window is forgotten at this rate: a factor of e in 4 s of level, which is 2 s of power.
_FORGETS_PER_S: Final = 0.5
#: Power of a window that counts as loud before anything was: a voice at -24 dB of full scale.
_USUAL_POWER: Final = 0.06**2
#: Nothing is heard so far below the mean square of the loudest window; a band of a vowel has 20 to 50 dB less than that.
_LEAST: Final = 1e-9

Audio = NDArray[np.float32]
Numbers = NDArray[np.float32]


def spectra(audio: Audio, rate_hz: int) -> tuple[Numbers, Numbers]:
    """Of sound float32 [n] the mel powers of each whole window, float32 [windows, BANDS], and their mean square, [windows]."""
    window, hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    if len(audio) < window:
        return np.empty((0, BANDS), np.float32), np.empty(0, np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(audio, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=1)[:, : _FILTERS.shape[1]]) ** 2
    mel = np.zeros((len(frames), BANDS), np.float32)
    # In units of the mean square, so that neither the rate nor the length of the window matters.
    mel[:] = power @ _FILTERS[:, : power.shape[1]].T * (40.0 / (window * window))
    return mel, np.mean(np.square(frames), axis=1, dtype=np.float32)


def loudest(powers: Numbers, before: float = _USUAL_POWER) -> Numbers:
    """Of the powers of windows [n] the loudest so far at each, float32 [n]; older ones are forgotten bit by bit."""
    forgotten = np.arange(1, len(powers) + 1) * (HOP_S * _FORGETS_PER_S)
    logs = np.log(np.maximum(powers, 1e-12)) + forgotten
    return np.asarray(np.exp(np.maximum(np.maximum.accumulate(logs), np.log(before)) - forgotten), np.float32)


def levelled(mel: Numbers, peak: Numbers | float) -> Numbers:
    """Mel powers [..., BANDS] against the loudest, as the network wants them: 0 at the loudest, -1 at 90 dB below and less."""
    relative = mel / np.maximum(np.asarray(peak, np.float32)[..., None], 1e-9)
    return np.asarray(np.log10(np.maximum(relative, _LEAST)) / -np.log10(_LEAST), np.float32)


class Network:
    """The weights of two hidden layers and an output layer, float32; the outputs are the columns ARTICULATED of a shape.

    That of the lips' closure is a probability, in logits: they meet or they do not.
    """

    def __init__(self, layers: list[tuple[Numbers, Numbers]]) -> None:
        self._layers = layers

    def __call__(self, inputs: Numbers) -> Numbers:
        """Inputs [..., INPUTS] to shapes of the articulators [..., len(ARTICULATED)], 0 and more."""
        *hidden, (weights, bias) = self._layers
        values = inputs
        for each, offset in hidden:
            values = np.maximum(values @ each + offset, 0)
        found = values @ weights + bias
        shut = found[..., SHUT]
        found = np.maximum(found, 0)
        found[..., SHUT] = 1 / (1 + np.exp(-shut))
        return np.asarray(found, np.float32)


@cache
def network() -> Network:
    """That of the assets."""
    with (files("services.face") / "assets" / "audio_driver.npz").open("rb") as file, np.load(file) as stored:
        count = len([name for name in stored.files if name.startswith("weights")])
        layers = [(stored[f"weights{n}"].astype(np.float32), stored[f"bias{n}"].astype(np.float32)) for n in range(count)]
    return Network(layers)


class AudioDriver:
    """One voice, moment by moment."""

    def __init__(self) -> None:
        self._network = network()
        self._loudest = _USUAL_POWER
        self.part()

    def part(self) -> None:
        """What comes next does not follow what was heard; how loud the voice is stays known."""
        self._past: Audio = np.zeros(0, np.float32)

    def shape(self, pcm: Audio, ahead: Audio, rate_hz: int, at_s: float) -> NDArray[np.float64]:
        """The mouth [SHAPE] `at_s` seconds after the start of `pcm`, the next stretch of the voice.

        `ahead` is what follows it as far as it is known, float32 [n]; missing sound counts as silence.
        """
        before, after = round(REACH_BEFORE_S * rate_hz), round(REACH_AFTER_S * rate_hz)
        begin = len(self._past) + round(at_s * rate_hz) - before
        sound = np.concatenate([self._past, pcm, ahead])
        missing = max(0, -begin), max(0, begin + before + after - len(sound))
        heard = np.pad(sound, missing)[max(0, begin) :][: before + after]
        self._past = np.concatenate([self._past, pcm])[-before:]
        mel, powers = spectra(heard, rate_hz)
        faded = self._loudest * np.exp(-len(pcm) / rate_hz * _FORGETS_PER_S)
        self._loudest = max(float(powers.max(initial=0.0)), float(faded))
        shape = np.zeros(SHAPE)
        found = self._network(levelled(mel, self._loudest).reshape(-1))
        for columns, value in zip(ARTICULATED.values(), found, strict=True):
            shape[list(columns)] = value
        return shape

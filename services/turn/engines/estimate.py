"""How likely it is that the user has finished: from the silence alone, or from all the evidence that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.turn.engines.evidence import WORDS, Logistic, logit, numbers, of_words
from services.turn.engines.prosody import NAMES as PROSODY
from services.turn.engines.prosody import RATE_HZ, prosody

Audio = NDArray[np.float32]
Numbers = NDArray[np.float64]


class Estimator(Protocol):
    """One silence at a time."""

    def begin(self) -> None:
        """A new silence begins."""

    def probability(self, silence_s: float, text: str) -> float:
        """0..1; `text` are the words before the silence, "" while they are not known."""


class BySilence:
    """Rises in proportion to the silence and reaches 1 at `turn_s`."""

    def __init__(self, turn_s: float) -> None:
        self._turn_s = turn_s

    def begin(self) -> None:
        """See Estimator."""

    def probability(self, silence_s: float, text: str) -> float:
        """See Estimator; the words do not matter."""
        return min(1.0, silence_s / self._turn_s)


class Evidence:
    """What one silence tells. `audio` gives the turn as heard so far, `listen` what the model makes of it.

    It listens once, as soon as the silence is noticed: asked again after 0.4 and 0.6 s, it costs 40 ms of a core each time and
    tells ends from pauses no better (`make bench-turn`).
    """

    def __init__(self, audio: Callable[[], Audio], listen: Callable[[Audio], float]) -> None:
        self._audio = audio
        self._listen = listen
        self.begin()

    def begin(self) -> None:
        """A new silence begins."""
        self._sound: float | None = None
        self._prosody: Numbers = np.zeros(len(PROSODY))
        self._text = ""
        self._words: Numbers = np.zeros(len(WORDS))

    def numbers(self, silence_s: float, text: str) -> Numbers:
        """For `Logistic`; the first time in a silence it listens."""
        if self._sound is None:
            audio = self._audio()
            self._prosody = prosody(audio[: max(0, len(audio) - round(silence_s * RATE_HZ))])
            self._sound = logit(self._listen(audio))
        if text != self._text:
            self._text, self._words = text, of_words(text)
        return numbers(self._sound, self._prosody, self._words, silence_s)


class ByFusion:
    """Silence, sound, melody and words; `longest_s` ends any turn."""

    def __init__(self, audio: Callable[[], Audio], listen: Callable[[Audio], float], model: Logistic, longest_s: float) -> None:
        self._evidence = Evidence(audio, listen)
        self._model = model
        self._longest_s = longest_s

    def begin(self) -> None:
        """See Estimator."""
        self._evidence.begin()

    def probability(self, silence_s: float, text: str) -> float:
        """See Estimator."""
        if silence_s >= self._longest_s:
            return 1.0
        return self._model.probability(self._evidence.numbers(silence_s, text))

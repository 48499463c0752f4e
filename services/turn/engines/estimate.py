"""How likely it is that the user has finished: from the silence alone, or from all the evidence that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from services.turn.engines.evidence import WORDS, Model, logit, numbers, of_words
from services.turn.engines.prosody import NAMES as PROSODY
from services.turn.engines.prosody import RATE_HZ, prosody

#: Silences at which the model of the sound listens (again); later ones tell nothing new, its training had none.
_LISTEN_AT_S: Final = (0.0, 0.4, 0.6)
#: Above this there is no need to ask again.
_SURE: Final = 0.9

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
    """What one silence tells. `audio` gives the turn as heard so far, `listen` what the model makes of it."""

    def __init__(self, audio: Callable[[], Audio], listen: Callable[[Audio], float]) -> None:
        self._audio = audio
        self._listen = listen
        self.begin()

    def begin(self) -> None:
        """A new silence begins."""
        self._answers: list[float] = []
        self._prosody: Numbers = np.zeros(len(PROSODY))
        self._text = ""
        self._words: Numbers = np.zeros(len(WORDS))

    def due(self, silence_s: float) -> bool:
        """It is time to listen (again)."""
        return len(self._answers) < len(_LISTEN_AT_S) and silence_s >= _LISTEN_AT_S[len(self._answers)]

    def hear(self, silence_s: float) -> None:
        """Listens, if it is time."""
        if not self.due(silence_s):
            return
        audio = self._audio()
        if not self._answers:
            self._prosody = prosody(audio[: max(0, len(audio) - round(silence_s * RATE_HZ))])
        self._answers.append(logit(self._listen(audio)))

    def numbers(self, silence_s: float, text: str) -> Numbers:
        """For `Model`. The answers to the same silence are noisy: their mean counts."""
        if text != self._text:
            self._text, self._words = text, of_words(text)
        return numbers(sum(self._answers) / len(self._answers), self._prosody, self._words, silence_s)


class ByFusion:
    """Silence, sound, melody and words; `longest_s` ends any turn."""

    def __init__(self, audio: Callable[[], Audio], listen: Callable[[Audio], float], model: Model, longest_s: float) -> None:
        self._evidence = Evidence(audio, listen)
        self._model = model
        self._longest_s = longest_s
        self._newest = 0.0

    def begin(self) -> None:
        """See Estimator."""
        self._evidence.begin()
        self._newest = 0.0

    def probability(self, silence_s: float, text: str) -> float:
        """See Estimator."""
        if silence_s >= self._longest_s:
            return 1.0
        if self._newest < _SURE:
            self._evidence.hear(silence_s)
        self._newest = self._model.probability(self._evidence.numbers(silence_s, text))
        return self._newest

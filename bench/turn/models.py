"""The models of the turn service in sessions of other kinds: plain Smart Turn, and one that notes what it judges by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.settings import SharedSettings
from services.common.silero import Silero
from services.turn.engine import StreamConfig
from services.turn.engines.estimate import Estimate, Estimator, Evidence, Words
from services.turn.engines.segments import RATE_HZ, Segmenter
from services.turn.engines.session import TurnSession
from services.turn.engines.smart_turn import SmartTurn
from services.turn.engines.voice_activity import VoiceActivity
from services.turn.settings import FusionOptions

_STOP_MS: Final = 200

Audio = NDArray[np.float32]
Numbers = NDArray[np.float64]


class Models:
    """Silero and Smart Turn, loaded once."""

    def __init__(self) -> None:
        folder = SharedSettings().models_dir
        self.silero = Silero(folder / "silero-vad" / "silero_vad.onnx")
        self.smart_turn = SmartTurn(folder / "smart-turn" / "smart-turn-v3.2-cpu.onnx")

    def session(self, estimator: Callable[[Callable[[], Audio]], Estimator]) -> TurnSession:
        """Segments as in the fusion engine, and this estimator."""
        segmenter = Segmenter(VoiceActivity(self.silero), _STOP_MS)
        return TurnSession(StreamConfig(RATE_HZ), segmenter, estimator)

    def plain(self) -> TurnSession:
        """Smart Turn's first answer is the probability."""
        return self.session(lambda audio: _FirstAnswer(lambda: self.smart_turn.probability(audio())))


class _FirstAnswer:
    """See Estimator."""

    def __init__(self, listen: Callable[[], float]) -> None:
        self._listen = listen
        self._answer: float | None = None

    def begin(self) -> None:
        self._answer = None

    def estimate(self, silence_s: float, words: Words) -> Estimate:
        if self._answer is None:
            # 1 would end the turn for the session.
            self._answer = min(0.999, self._listen())
        return Estimate(self._answer, 0.0)


class Recorder:
    """See Estimator: never sure of an end, and `silences` has for each what was heard at each of its windows."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self.silences: list[list[tuple[float, Numbers]]] = []
        """Seconds, and the numbers in the order of `evidence.HEARD`."""

    def session(self) -> TurnSession:
        """A session that is noted here."""
        return self._models.session(self._with)

    def _with(self, audio: Callable[[], Audio]) -> Estimator:
        self._evidence = Evidence(audio, self._models.smart_turn.probability)
        return self

    def begin(self) -> None:
        self._evidence.begin()
        self.silences.append([])

    def estimate(self, silence_s: float, words: Words) -> Estimate:
        self.silences[-1].append((silence_s, self._evidence.heard(silence_s)))
        # As in the engine, so that the turn is over here when it is there.
        return Estimate(float(silence_s >= FusionOptions().longest_pause_ms / 1000), 0.0)

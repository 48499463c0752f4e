"""Turn-taking without a model, for tests: what is loud is speech, and all the rest is the same as in the other engines."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.reading.readers import LANGUAGES
from services.common.settings import SharedSettings
from services.turn.engine import StreamConfig, TurnInfo
from services.turn.engines.estimate import BySilence
from services.turn.engines.segments import Segmenter
from services.turn.engines.session import TurnSession
from services.turn.settings import FakeOptions

_LOUD: Final = 0.01
_JUDGE_S: Final = 0.45


class Loudness:
    """A segments.Detector."""

    def probability(self, window: NDArray[np.float32]) -> float:
        """1 when the root mean square is above 0.01."""
        return float(np.sqrt(np.mean(window * window)) > _LOUD)

    def reset(self) -> None:
        """Nothing is remembered."""


class FakeEngine:
    """See services.turn.engine.TurnEngine."""

    def __init__(self, options: FakeOptions, shared: SharedSettings) -> None:
        self._options = options
        self.info = TurnInfo(
            name="fake",
            version="1",
            user_rates_hz=(16_000, 8_000, 24_000, 48_000),
            bot_rates_hz=(16_000, 24_000, 48_000),
            overlap=True,
            backchannel_opportunities=True,
            word_languages=LANGUAGES,
            bot_audio=True,
        )

    def load(self) -> None:
        """Nothing to load."""

    def open(self, config: StreamConfig) -> TurnSession:
        """See TurnEngine."""
        segmenter = Segmenter(Loudness(), self._options.stop_ms)
        return TurnSession(config, segmenter, lambda _: BySilence(self._options.turn_ms / 1000), judge_s=_JUDGE_S)

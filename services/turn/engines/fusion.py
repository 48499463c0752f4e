"""The default: Silero hears speech, Smart Turn hears whether it sounds finished, the words and the silence have their say.

The persona's own audio tells its echo from the user, and speech over it is judged: interruption, backchannel or neither.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.common import silero
from services.common.engine import Model
from services.common.reading.readers import LANGUAGES
from services.common.settings import SharedSettings
from services.turn.engine import StreamConfig, TurnInfo
from services.turn.engines.estimate import Audio, ByFusion, Further, nothing_further
from services.turn.engines.evidence import fitted
from services.turn.engines.segments import RATE_HZ, Segmenter
from services.turn.engines.session import TurnSession
from services.turn.engines.silence import RATES_HZ
from services.turn.engines.smart_turn import SmartTurn
from services.turn.engines.voice_activity import VoiceActivity
from services.turn.settings import FusionOptions


class FusionEngine:
    """See services.turn.engine.TurnEngine."""

    def __init__(self, options: FusionOptions, shared: SharedSettings) -> None:
        self._options = options
        self._silero_path = shared.models_dir / silero.FILE
        self._smart_turn_path = shared.models_dir / "smart-turn" / "smart-turn-v3.2-cpu.onnx"
        self._silero: silero.Silero | None = None
        self._smart_turn: SmartTurn | None = None
        self.info = TurnInfo(
            name="fusion",
            version="1",
            user_rates_hz=RATES_HZ,
            bot_rates_hz=RATES_HZ,
            overlap=True,
            backchannel_opportunities=True,
            word_languages=LANGUAGES,
            bot_audio=True,
            models=(silero.MODEL, Model("Smart Turn v3.2", "BSD-2-Clause")),
        )

    def load(self) -> None:
        """See TurnEngine."""
        self._silero = silero.Silero(self._silero_path)
        self._smart_turn = SmartTurn(self._smart_turn_path)
        self._smart_turn.probability(np.zeros(RATE_HZ, np.float32))
        fitted()

    def open(self, config: StreamConfig) -> TurnSession:
        """See TurnEngine."""
        return TurnSession(config, self.segmenter(), self.estimator(), self.judge_s)

    def segmenter(self) -> Segmenter:
        """Of a new stream."""
        assert self._silero is not None, "load comes first"
        return Segmenter(VoiceActivity(self._silero), self._options.stop_ms)

    def estimator(self, further: Further = nothing_further) -> Callable[[Callable[[], Audio]], ByFusion]:
        """Makes that of a new stream, given where its audio is; with more evidence, if there is any."""
        assert self._smart_turn is not None, "load comes first"
        smart_turn, longest_s = self._smart_turn, self._options.longest_pause_ms / 1000
        return lambda audio: ByFusion(audio, smart_turn.probability, fitted(), longest_s, further)

    @property
    def judge_s(self) -> float:
        """Of a new stream."""
        return self._options.judge_ms / 1000

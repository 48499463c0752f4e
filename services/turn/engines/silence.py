"""Turn by turn: Silero hears speech, and a fixed silence ends the turn."""

from __future__ import annotations

from typing import Final

from services.common import silero
from services.common.reading.readers import LANGUAGES
from services.common.settings import SharedSettings
from services.turn.engine import StreamConfig, TurnInfo
from services.turn.engines.estimate import BySilence
from services.turn.engines.segments import Segmenter
from services.turn.engines.session import TurnSession
from services.turn.engines.voice_activity import VoiceActivity
from services.turn.settings import SilenceOptions

RATES_HZ: Final = (16_000, 8_000, 24_000, 48_000)


class SilenceEngine:
    """See services.turn.engine.TurnEngine."""

    def __init__(self, options: SilenceOptions, shared: SharedSettings) -> None:
        self._options = options
        self._path = shared.models_dir / silero.FILE
        self._silero: silero.Silero | None = None
        self.info = TurnInfo(
            name="silence",
            version="1",
            user_rates_hz=RATES_HZ,
            bot_rates_hz=RATES_HZ,
            word_languages=LANGUAGES,
            models=(silero.MODEL,),
        )

    def load(self) -> None:
        """See TurnEngine."""
        self._silero = silero.Silero(self._path)

    def open(self, config: StreamConfig) -> TurnSession:
        """See TurnEngine."""
        assert self._silero is not None, "load comes first"
        segmenter = Segmenter(VoiceActivity(self._silero), self._options.stop_ms)
        return TurnSession(config, segmenter, lambda _: BySilence(self._options.turn_ms / 1000))

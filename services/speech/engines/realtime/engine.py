"""The engine `realtime`: the way to a server, and one session on it for each conversation."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.engine import Model
from services.common.settings import SharedSettings
from services.speech.engine import ConversationConfig, SpeechInfo
from services.speech.engines.realtime.messages import SPEECH_HZ
from services.speech.engines.realtime.session import RealtimeSession
from services.speech.engines.websocket import Server
from services.speech.settings import RealtimeOptions


class RealtimeEngine:
    """See services.speech.engine.SpeechEngine, and services.common.engine.Remote."""

    def __init__(self, options: RealtimeOptions, shared: SharedSettings) -> None:
        self._options = options
        self._server = Server(options)
        self.info = SpeechInfo(
            name="realtime",
            version="1",
            input_rates_hz=(16_000, 24_000, 8_000, 48_000),
            sample_rate_hz=SPEECH_HZ,
            voices=options.voices,
            models=(
                Model(
                    options.model or "the server's model",
                    options.licence,
                    f"What is said here is sent to the speech model's server at {self._server.name}.",
                ),
            ),
        )

    def load(self) -> None:
        """See SpeechEngine."""
        self._server.check()

    async def connect(self) -> None:
        """See Remote."""
        await self._server.wait(self._meet)

    async def disconnect(self) -> None:
        """See Remote."""
        await self._server.close()

    def problems(self) -> Sequence[str]:
        """See Remote."""
        return self._server.problems()

    async def open(self, config: ConversationConfig) -> RealtimeSession:
        """See SpeechEngine."""
        session = RealtimeSession(self._server, self._options, config)
        await session.start()
        return session

    async def _meet(self) -> None:
        session = await self.open(ConversationConfig("", self._options.input_rate_hz))
        await session.close()

"""The engine `moshi`: the way to a server, which has one model for one conversation at a time."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.engine import Model
from services.common.logs import get_logger
from services.common.settings import SharedSettings
from services.speech.engine import ConversationConfig, SpeechInfo
from services.speech.engines.moshi.session import MoshiSession
from services.speech.engines.moshi.wire import RATE_HZ
from services.speech.engines.websocket import Server
from services.speech.settings import MoshiOptions
from vivant.errors import Full, Unusable

_log = get_logger(__name__)


class MoshiEngine:
    """See services.speech.engine.SpeechEngine, and services.common.engine.Remote."""

    def __init__(self, options: MoshiOptions, shared: SharedSettings) -> None:
        self._options = options
        self._server = Server(options)
        notice = f"What is said here is sent to the Moshi server at {self._server.name}."
        self.info = SpeechInfo(
            name="moshi",
            version="1",
            input_rates_hz=(16_000, 24_000, 8_000, 48_000),
            sample_rate_hz=RATE_HZ,
            # Both models speak English alone.
            languages=("en",),
            voices=options.voices if options.prompts else (),
            models=(Model("PersonaPlex" if options.prompts else "Moshi", options.licence, notice),),
        )

    def load(self) -> None:
        """See SpeechEngine."""
        self._server.check()
        if self._options.prompts and not self._options.voices:
            raise Unusable(
                f"{self._options.variable('prompts')} is set, and such a server wants to be told a voice: "
                f"set {self._options.variable('voices')} to names of its voice prompts, such as NATF2.pt",
                reason="request_refused",
            )

    async def connect(self) -> None:
        """See Remote."""
        await self._server.wait(self._meet)

    async def disconnect(self) -> None:
        """See Remote."""
        await self._server.close()

    def problems(self) -> Sequence[str]:
        """See Remote."""
        return self._server.problems()

    async def open(self, config: ConversationConfig) -> MoshiSession:
        """See SpeechEngine."""
        session = MoshiSession(self._server, self._options, config)
        await session.start()
        return session

    async def _meet(self) -> None:
        try:
            session = await self.open(ConversationConfig("", RATE_HZ))
        except Full as exc:
            # It is there, and talks with somebody else.
            _log.warning("server_is_taken", detail=exc.message)
        else:
            await session.close()

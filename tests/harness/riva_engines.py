"""The riva engines, connected to the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.asr.engines.riva import RivaEngine as Recogniser
from services.asr.settings import RivaOptions as RecogniserOptions
from services.common.settings import SharedSettings
from services.tts.engines.riva import RivaEngine as Voice
from services.tts.settings import RivaOptions as VoiceOptions
from tests.harness.riva_server import FUNCTION, KEY, RivaServer

_SECRETS = {"api_key": KEY, "function_id": FUNCTION}


def recogniser(server: RivaServer, **options: Any) -> Recogniser:
    return Recogniser(
        RecogniserOptions(**{"address": server.address, "load_timeout_s": 0.1, **_SECRETS, **options}), SharedSettings()
    )


def voice(server: RivaServer, **options: Any) -> Voice:
    return Voice(VoiceOptions(**{"address": server.address, "load_timeout_s": 0.1, **_SECRETS, **options}), SharedSettings())


@asynccontextmanager
async def connected(engine: Any) -> AsyncIterator[Any]:
    """An engine that has met its server, for as long as the block runs."""
    engine.load()
    try:
        await engine.connect()
        yield engine
    finally:
        engine.close()
        await engine.disconnect()

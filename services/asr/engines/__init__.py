"""The recognisers to choose from with `ASR_ENGINE`."""

from __future__ import annotations

from typing import Final

from services.asr.settings import FakeOptions, RivaOptions, WhisperOptions
from services.common.registry import EngineSpec

ENGINES: Final = (
    EngineSpec("whisper", "services.asr.engines.whisper:WhisperEngine", WhisperOptions, "requirements/asr.txt"),
    EngineSpec("riva", "services.asr.engines.riva:RivaEngine", RivaOptions, "requirements/riva.txt"),
    EngineSpec("fake", "services.asr.engines.fake:FakeEngine", FakeOptions, "requirements/asr.txt"),
)

"""The engines to choose from with `SPEECH_ENGINE`."""

from services.common.registry import EngineSpec
from services.speech.settings import FakeOptions

ENGINES = (EngineSpec("fake", "services.speech.engines.fake:FakeEngine", FakeOptions, "requirements/speech.txt"),)

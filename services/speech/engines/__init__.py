"""The engines to choose from with `SPEECH_ENGINE`."""

from services.common.registry import EngineSpec
from services.speech.settings import FakeOptions, MoshiOptions, RealtimeOptions

ENGINES = (
    EngineSpec("realtime", "services.speech.engines.realtime:RealtimeEngine", RealtimeOptions, "requirements/speech.txt"),
    EngineSpec("moshi", "services.speech.engines.moshi:MoshiEngine", MoshiOptions, "requirements/speech.txt"),
    EngineSpec("fake", "services.speech.engines.fake:FakeEngine", FakeOptions, "requirements/speech.txt"),
)

"""The voices to choose from with `TTS_ENGINE`."""

from services.common.registry import EngineSpec
from services.tts.settings import FakeOptions, HibariOptions, KokoroOptions, PocketOptions, RivaOptions, XttsOptions

ENGINES = (
    EngineSpec("hibari", "services.tts.engines.hibari:HibariEngine", HibariOptions, "requirements/tts.txt"),
    EngineSpec("kokoro", "services.tts.engines.kokoro:KokoroEngine", KokoroOptions, "requirements/tts.txt"),
    EngineSpec("riva", "services.tts.engines.riva:RivaEngine", RivaOptions, "requirements/riva.txt"),
    EngineSpec("xtts", "services.tts.engines.xtts:XttsEngine", XttsOptions, "requirements/xtts.txt"),
    EngineSpec("pocket", "services.tts.engines.pocket:PocketEngine", PocketOptions, "requirements/pocket.txt"),
    EngineSpec("fake", "services.tts.engines.fake:FakeEngine", FakeOptions, "requirements/tts.txt"),
)

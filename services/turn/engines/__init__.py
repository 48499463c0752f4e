"""The engines to choose from with `TURN_ENGINE`."""

from services.common.registry import EngineSpec
from services.turn.settings import FakeOptions, FusionOptions, SilenceOptions, VapOptions

ENGINES = (
    EngineSpec("fusion", "services.turn.engines.fusion:FusionEngine", FusionOptions, "requirements/turn.txt"),
    EngineSpec("silence", "services.turn.engines.silence:SilenceEngine", SilenceOptions, "requirements/turn.txt"),
    EngineSpec("vap", "services.turn.engines.vap.engine:VapEngine", VapOptions, "requirements/vap.txt"),
    EngineSpec("fake", "services.turn.engines.fake:FakeEngine", FakeOptions, "requirements/turn.txt"),
)

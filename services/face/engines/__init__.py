"""The engines of the face service."""

from services.common.registry import EngineSpec
from services.face.settings import FakeOptions, PortraitOptions

ENGINES = (
    EngineSpec("portrait", "services.face.engines.portrait.engine:PortraitEngine", PortraitOptions, "requirements/face.txt"),
    EngineSpec("fake", "services.face.engines.fake:FakeEngine", FakeOptions, "requirements/face.txt"),
)

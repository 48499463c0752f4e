"""The engines of the face service."""

from services.common.registry import EngineSpec
from services.face.settings import FakeOptions, PortraitOptions, Wav2LipOptions

ENGINES = (
    EngineSpec("portrait", "services.face.engines.portrait.engine:PortraitEngine", PortraitOptions, "requirements/face.txt"),
    EngineSpec("wav2lip", "services.face.engines.wav2lip.engine:Wav2LipEngine", Wav2LipOptions, "requirements/face.txt"),
    EngineSpec("fake", "services.face.engines.fake:FakeEngine", FakeOptions, "requirements/face.txt"),
)

"""The engines of the face service."""

from services.common.registry import EngineSpec
from services.face.settings import Audio2FaceOptions, FakeOptions, PortraitOptions, Wav2LipOptions

ENGINES = (
    EngineSpec("portrait", "services.face.engines.portrait.engine:PortraitEngine", PortraitOptions, "requirements/face.txt"),
    EngineSpec("wav2lip", "services.face.engines.wav2lip.engine:Wav2LipEngine", Wav2LipOptions, "requirements/face.txt"),
    EngineSpec(
        "audio2face", "services.face.engines.audio2face:Audio2FaceEngine", Audio2FaceOptions, "requirements/audio2face.txt"
    ),
    EngineSpec("fake", "services.face.engines.fake:FakeEngine", FakeOptions, "requirements/face.txt"),
)

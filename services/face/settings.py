"""Settings of the face service, prefix `FACE_`, and of its engines."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.nvidia.options import ServerOptions
from services.common.settings import Address, EngineSettings, Frozen, Port, default_persona


class FaceSettings(EngineSettings):
    """The service."""

    model_config = SettingsConfigDict(env_prefix="FACE_")

    port: Port = 50055
    """Port of the gRPC server."""
    metrics_port: Port = 51055
    """Port of /metrics, /healthz and /readyz."""
    engine: str = "portrait"
    """One of the names in `services/face/engines/__init__.py`."""
    lead_ms: int = Field(default=20, ge=0, le=40)
    """How long before a unit leaves its picture is begun. A picture that takes longer goes out with a later unit."""
    enroll_python: Path = Path(".venv-enroll/bin/python")
    """Python of the environment that finds landmarks (`requirements/enroll.txt`); used only when a portrait is enrolled."""
    enroll_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time that finding landmarks may take."""


class PortraitOptions(Frozen):
    """The portrait engine: one picture, bent in real time."""

    model_config = SettingsConfigDict(env_prefix="FACE_PORTRAIT_")

    default_persona: str = Field(default_factory=default_persona)
    """The persona whose portrait is read when the service starts, so that its first conversation begins at once;
    if it is not to be VIVANT_PERSONA."""


class Wav2LipOptions(Frozen):
    """Wav2Lip: the portrait engine's pictures, the mouth painted to the sound by a network; for a GPU."""

    model_config = SettingsConfigDict(env_prefix="FACE_WAV2LIP_")

    device: str = Field(default="cuda", pattern=r"^(cuda(:\d+)?|cpu)$")
    """Where the network runs: cuda, cuda:1, or cpu, which is too slow to talk with."""
    weights: str = "wav2lip_gan.pth"
    """File in the folder `wav2lip` of the models."""
    default_persona: str = Field(default_factory=default_persona)
    """The persona whose portrait is read when the service starts; if it is not to be VIVANT_PERSONA."""


class Audio2FaceOptions(ServerOptions):
    """The portrait engine's pictures, the mouth moved by an NVIDIA Audio2Face-3D server."""

    model_config = SettingsConfigDict(env_prefix="FACE_AUDIO2FACE_")
    kind: ClassVar[str] = "Audio2Face-3D server"

    address: Address | None = None
    """host:port of the Audio2Face-3D server, your own (audio2face:52000) or a hosted one (grpc.nvcf.nvidia.com:443)."""
    licence: str = "NVIDIA Open Model License (see the server)"
    """The licence of the server's models, shown by `vivant info`."""
    wait_ms: float = Field(default=10.0, ge=0, le=40)
    """How long a picture waits for its weights; then the lips rest. FACE_LEAD_MS less this is left to draw it in time."""
    default_persona: str = Field(default_factory=default_persona)
    """The persona whose portrait is read when the service starts; if it is not to be VIVANT_PERSONA."""


class FakeOptions(Frozen):
    """The scripted face for tests: flat colours that tell what is going on."""

    model_config = SettingsConfigDict(env_prefix="FACE_FAKE_")

    render_ms: float = Field(default=0.0, ge=0)
    """How long drawing one picture takes."""

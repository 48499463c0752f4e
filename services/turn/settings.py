"""Settings of the turn service, prefix `TURN_`, and of its engines."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import EngineSettings, Frozen, Port


class TurnSettings(EngineSettings):
    """The service."""

    model_config = SettingsConfigDict(env_prefix="TURN_")

    port: Port = 50052
    """Port of the gRPC server."""
    metrics_port: Port = 51052
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = Field(default=8, ge=1)
    """Streams served at once; one more is refused with RESOURCE_EXHAUSTED."""
    engine: str = "fusion"
    """One of the names in `services/turn/engines/__init__.py`."""
    workers: int = Field(default=2, ge=1, le=64)
    """Streams that compute at the same time, each on one thread."""


class SilenceOptions(Frozen):
    """Turn by turn: the turn is over after a fixed silence."""

    model_config = SettingsConfigDict(env_prefix="TURN_SILENCE_")

    stop_ms: int = Field(default=200, ge=1)
    """Silence after which `speech_stopped` is proposed."""
    turn_ms: int = Field(default=700, ge=1)
    """Silence at which the probability of the end of the turn reaches 1."""


class FusionOptions(Frozen):
    """Silence, the sound of the last 8 s and the words together."""

    model_config = SettingsConfigDict(env_prefix="TURN_FUSION_")

    stop_ms: int = Field(default=200, ge=1)
    """Silence after which `speech_stopped` is proposed."""
    longest_pause_ms: int = Field(default=2500, ge=1)
    """Silence after which the turn is over whatever the models say."""
    judge_ms: int = Field(default=450, ge=1)
    """Speech over the persona is judged at the latest this long after it began."""


class FakeOptions(Frozen):
    """The scripted engine for tests: loud is speech."""

    model_config = SettingsConfigDict(env_prefix="TURN_FAKE_")

    stop_ms: int = Field(default=200, ge=1)
    """Silence after which `speech_stopped` is proposed."""
    turn_ms: int = Field(default=500, ge=1)
    """Silence at which the probability of the end of the turn reaches 1."""


class VapOptions(Frozen):
    """The fusion engine with voice activity projection (MaAI) beside it; TURN_FUSION_... count here too."""

    model_config = SettingsConfigDict(env_prefix="TURN_VAP_")

    device: str = Field(default="cpu", pattern=r"^(cuda(:\d+)?|cpu)$")
    """Where the model runs: cpu, cuda or cuda:1."""
    weights: str = "vap_mc_state_dict_en_kyoto_10hz_20000msec.pt"
    """File in the folder `maai` of the models, called as it is published: the name says how often it answers, and its terms."""
    encoder: str = "60k_epoch4-d0f474de.pt"
    """File of the CPC encoder in the same folder."""
    listener: str = ""
    """File of a second model there, for the same rate: when a listener says "mm-hm" (vap-bc-...) or nods (vap-nod...)."""

"""Settings of the speech service, prefix `SPEECH_`, and of its engines."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import EngineSettings, Frozen, Port


class SpeechSettings(EngineSettings):
    """The service."""

    model_config = SettingsConfigDict(env_prefix="SPEECH_")

    port: Port = 50056
    """Port of the gRPC server."""
    metrics_port: Port = 51056
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = Field(default=4, ge=1)
    """Conversations at once; one more is refused with RESOURCE_EXHAUSTED."""
    engine: str = "fake"
    """One of the names in `services/speech/engines/__init__.py`."""


class FakeOptions(Frozen):
    """The scripted model for tests: loud is speech, every letter of a reply is a tone."""

    model_config = SettingsConfigDict(env_prefix="SPEECH_FAKE_")

    replies: tuple[str, ...] = ("It is nice here by the old harbour.",)
    """What it says, in turn and from the beginning again. {context} is the newest context that it was told."""
    letter_ms: int = Field(default=50, ge=1)
    """How long a letter sounds."""
    turn_ms: int = Field(default=500, ge=1)
    """Silence after which it takes the floor."""
    pace: float = Field(default=2.0, ge=0)
    """How many times faster than it is spoken a reply is made; 0: at once."""
    stops: bool = True
    """It can be stopped; otherwise it goes on with a reply that was cleared."""
    fails_turn: int = Field(default=0, ge=0)
    """The reply of this turn breaks off in its middle; 0: none does."""

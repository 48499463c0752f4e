"""Settings of the tts service, prefix `TTS_`, and of its engines."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from services.common.settings import Frozen, ServiceSettings


class TtsSettings(ServiceSettings):
    """The service."""

    model_config = SettingsConfigDict(env_prefix="TTS_")

    port: int = 50054
    """Port of the gRPC server."""
    metrics_port: int = 51054
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = 8
    """Replies spoken at once; one more is refused with RESOURCE_EXHAUSTED."""
    engine: str = "hibari"
    """One of the names in `services/tts/engines/__init__.py`."""


class HibariOptions(Frozen):
    """The hibari voice on the CPU."""

    model_config = SettingsConfigDict(env_prefix="TTS_HIBARI_")

    workers: int = 2
    """Clauses synthesised at once, each on one thread."""


class FakeOptions(Frozen):
    """The scripted voice for tests: a tone for each letter."""

    model_config = SettingsConfigDict(env_prefix="TTS_FAKE_")

    letter_ms: int = 50
    """How long a letter sounds."""

"""Settings of the tts service, prefix `TTS_`, and of its engines."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.riva.options import ServerOptions
from services.common.settings import EngineSettings, Frozen, Port


class TtsSettings(EngineSettings):
    """The service."""

    model_config = SettingsConfigDict(env_prefix="TTS_")

    port: Port = 50054
    """Port of the gRPC server."""
    metrics_port: Port = 51054
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = Field(default=8, ge=1)
    """Replies spoken at once; one more is refused with RESOURCE_EXHAUSTED."""
    engine: str = "hibari"
    """One of the names in `services/tts/engines/__init__.py`."""


class HibariOptions(Frozen):
    """The hibari voice on the CPU."""

    model_config = SettingsConfigDict(env_prefix="TTS_HIBARI_")

    workers: int = Field(default=2, ge=1, le=64)
    """Clauses synthesised at once, each on one thread."""


class KokoroOptions(Frozen):
    """The voices of Kokoro-82M on the CPU."""

    model_config = SettingsConfigDict(env_prefix="TTS_KOKORO_")

    workers: int = Field(default=2, ge=1, le=64)
    """Chunks of sound made at once, each on one thread."""


class RivaOptions(ServerOptions):
    """The voices of an NVIDIA Riva server."""

    model_config = SettingsConfigDict(env_prefix="TTS_RIVA_")

    voice: str = ""
    """The voice where none is named, as the server lists it; empty: the first that has the language."""
    prosody: bool = False
    """The voices take SSML's prosody, and so can speak faster and slower: FastPitch's do, Magpie's do not."""


class FakeOptions(Frozen):
    """The scripted voice for tests: a tone for each letter."""

    model_config = SettingsConfigDict(env_prefix="TTS_FAKE_")

    letter_ms: int = Field(default=50, ge=1)
    """How long a letter sounds."""

"""Settings of the tts service, prefix `TTS_`, and of its engines."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.riva.options import ServerOptions
from services.common.settings import EngineSettings, Frozen, Port, default_persona


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


class XttsOptions(Frozen):
    """Coqui XTTS v2, which speaks with the voice of a persona's recordings; for a GPU."""

    model_config = SettingsConfigDict(env_prefix="TTS_XTTS_")

    device: str = Field(default="cuda", pattern=r"^(cuda(:\d+)?|cpu)$")
    """Where the model runs: cuda, cuda:1, or cpu, which is too slow to talk with."""
    model: str = Field(default="xtts-v2", min_length=1)
    """Folder of the models with config.json, model.pth and vocab.json."""
    language: str = "en"
    """BCP 47: the language where none is named."""
    default_persona: str = Field(default_factory=default_persona)
    """The persona whose voice is spoken where none is named; if it is not to be VIVANT_PERSONA."""
    chunk_tokens: int = Field(default=20, ge=5, le=200)
    """Sound comes in chunks of so many tokens, of 46 ms each. Fewer sound sooner, and cost more: each chunk makes the clause
    so far anew."""
    latents_dir: Path | None = None
    """Folder in which what was learnt of the voices is kept. By default it is kept beside the recordings, in `derived/`, and
    where that cannot be written in `.cache/vivant/voices` of the home folder."""


class PocketOptions(Frozen):
    """Kyutai's Pocket TTS, which speaks with the voice of a persona's recordings, on a CPU or a GPU."""

    model_config = SettingsConfigDict(env_prefix="TTS_POCKET_")

    model: str = Field(default="english", min_length=1)
    """The model: english, german, french_24l, english_18m_2026-10 and so on, as the package calls them. Its files are in
    `pocket-tts/<model>` of the models."""
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda)$")
    """Where it runs: cpu or cuda."""
    cloning: bool = True
    """Personas with recordings have voices of their own, for which the gated weights are needed. Without it there are the named
    voices alone, and the open weights will do."""
    default_persona: str = Field(default_factory=default_persona)
    """The persona whose voice is spoken where none is named; if it is not to be VIVANT_PERSONA."""
    voices_dir: Path | None = None
    """Folder in which what was learnt of the voices is kept. By default it is kept beside the recordings, in `derived/`, and
    where that cannot be written in `.cache/vivant/voices` of the home folder."""


class FakeOptions(Frozen):
    """The scripted voice for tests: a tone for each letter."""

    model_config = SettingsConfigDict(env_prefix="TTS_FAKE_")

    letter_ms: int = Field(default=50, ge=1)
    """How long a letter sounds."""

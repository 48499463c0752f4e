"""Settings of the asr service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.riva.options import ServerOptions
from services.common.settings import EngineSettings, Frozen, Port


class AsrSettings(EngineSettings):
    model_config = SettingsConfigDict(env_prefix="ASR_")

    port: Port = 50051
    metrics_port: Port = 51051
    engine: str = "whisper"
    """Which recogniser: whisper, riva or fake."""


class WhisperOptions(Frozen):
    model_config = SettingsConfigDict(env_prefix="ASR_WHISPER_")

    model: str = "whisper-base"
    """A Whisper model in CTranslate2 form: its name in the models folder, such as whisper-large-v3-turbo, or the path of a
    folder of your own, with a / in it."""
    model_name: str = ""
    """How to call a model of your own in `vivant info`; by default the name of its folder."""
    licence: str = "unknown"
    """The licence of a model of your own, shown by `vivant info`. OpenAI's, which are called whisper-..., are MIT."""
    language: str = "en"
    """The language of streams that do not name one."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """What it computes on."""
    compute_type: str = ""
    """How CTranslate2 computes: int8, float16, int8_float16 and so on. By default int8 on a CPU and float16 on a GPU."""
    workers: int = Field(2, ge=1, le=32)
    """Decodings that run at the same time, for all streams together."""
    threads: int = Field(1, ge=1, le=64)
    """CPU threads of one decoding. A short text is decoded faster by one thread than by two."""
    partial_ms: int = Field(300, ge=100, le=2000)
    """While somebody speaks, a partial result is made for every so many milliseconds of audio."""
    partial_padding_s: float = Field(2.0, ge=1.0, le=28.0)
    """Silence after the speech that the model is shown for a partial result. Less is faster and worse."""
    padding_s: float = Field(3.0, ge=1.0, le=28.0)
    """The same for a final result."""
    context_s: float = Field(9.0, ge=1.0, le=30.0)
    """Speech and silence together are at least this long for a final result."""
    beam: int = Field(3, ge=1, le=10)
    """How many hypotheses are followed side by side for a final result. A partial result follows one."""


class RivaOptions(ServerOptions):
    model_config = SettingsConfigDict(env_prefix="ASR_RIVA_")

    model: str = ""
    """Name of a streaming model on that server; empty: the server chooses one for the language."""
    punctuation: bool = True
    """Have the words written with capitals and punctuation, which turn-taking goes by."""
    boosted_words: tuple[str, ...] = ()
    """Words and phrases that are likelier here than elsewhere: names, terms."""
    boost: float = Field(default=10.0, ge=0, le=100)
    """How much likelier: 0 to 20 is usual, more finds them where nobody said them."""


class FakeOptions(Frozen):
    model_config = SettingsConfigDict(env_prefix="ASR_FAKE_")

    script: tuple[str, ...] = ("hello there", "where did you grow up")
    """What it understands: one line for each stretch of sound, again from the first when all were said."""
    words_per_s: float = Field(4.0, gt=0)
    """How fast the words of a line become known."""

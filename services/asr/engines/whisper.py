"""The engine `whisper`: Whisper on CTranslate2 with short context, as a streaming recogniser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from environment import located
from services.asr.engine import AsrInfo, StreamConfig
from services.asr.engines import cublas
from services.asr.engines.decode_pool import DecodePool
from services.asr.engines.speech_gate import SpeechGate
from services.asr.engines.whisper_decoder import Decoder, Hypothesis, Task
from services.asr.engines.whisper_ending import HESITANT, Judge, Question
from services.asr.engines.whisper_features import LogMelStream
from services.asr.engines.whisper_session import WhisperSession
from services.asr.engines.whisper_text import LANGUAGES
from services.asr.settings import WhisperOptions
from services.asr.voices.listening import Voices
from services.common import silero
from services.common.ending import Ending
from services.common.engine import Model
from services.common.settings import SharedSettings
from vivant.errors import Unavailable, Unusable

_RATES: Final = (16_000, 8_000, 24_000, 48_000)
_WARM_COLUMNS: Final = 200
_DEFAULT: Final = "whisper-base"


class WhisperEngine:
    """See `services.asr.engine.Engine`."""

    def __init__(self, options: WhisperOptions, shared: SharedSettings) -> None:
        if options.language not in LANGUAGES:
            raise Unusable(
                f"ASR_WHISPER_LANGUAGE={options.language!r} is no language of Whisper; choose one of: {', '.join(LANGUAGES)}",
                reason="unknown_language",
            )
        self._options = options
        self._named = "/" not in options.model
        self._folder = shared.models_dir / options.model if self._named else located(options.model)
        self._compute_type = options.compute_type or ("float16" if _on_gpu(options.device) else "int8")
        self._gate_file = shared.models_dir / silero.FILE
        self._voices_file = shared.models_dir / "resemblyzer" / "ge2e.onnx"
        self._voices: Voices | None = None
        self._pool = DecodePool(options.workers)
        self._decoder: Decoder | None = None
        self._silero: silero.Silero | None = None

    @property
    def info(self) -> AsrInfo:
        options = self._options
        openai = self._named and options.model.startswith("whisper-") and options.licence == "unknown"
        model = Model(options.model_name or self._folder.name, "MIT" if openai else options.licence)
        default = self._options.language
        languages = LANGUAGES if self._decoder is None or self._decoder.multilingual else ("en",)
        return AsrInfo(
            name="whisper",
            version=ctranslate2.__version__,
            sample_rates_hz=_RATES,
            languages=(default, *(language for language in languages if language != default)),
            word_confidence=True,
            voices=True,
            ending_languages=tuple(HESITANT),
            models=(model, silero.MODEL, Model("resemblyzer", "Apache-2.0")),
        )

    def load(self) -> None:
        fetch = (
            f"python -m models fetch {self._options.model}"
            if self._named and self._options.model != _DEFAULT
            else "make models"
        )
        for name in ("model.bin", "config.json", "tokenizer.json"):
            _require(self._folder / name, fetch)
        _require(self._gate_file, "make models")
        options = self._options
        try:
            if _on_gpu(options.device):
                cublas.preload()
            self._decoder = Decoder(self._folder, options.device, self._compute_type, options.workers, options.threads)
            # A GPU's libraries are looked for when it has something to do.
            quiet = np.full((self._decoder.bands, _WARM_COLUMNS), -8.0, np.float32)
            self._decoder.decode(Task(quiet, options.language, 2 * _WARM_COLUMNS, beam=options.beam, times=True))
        except (OSError, RuntimeError, ValueError) as exc:
            raise Unusable(
                f"the speech model in {self._folder} cannot be used with ASR_WHISPER_DEVICE={options.device} and "
                f"ASR_WHISPER_COMPUTE_TYPE={self._compute_type}: {exc}; if a file is damaged, run: {fetch}",
                reason="model_unusable",
            ) from exc
        self._silero = silero.Silero(self._gate_file)
        self._voices = Voices(self._voices_file)

    def open(self, config: StreamConfig) -> WhisperSession:
        if self._decoder is None or self._silero is None or self._voices is None:
            raise Unavailable("the speech model is still loading; try again in a few seconds", reason="loading")
        decoder = self._decoder
        mel = LogMelStream(decoder.bands)
        listening = self._voices.open() if config.voices else None

        async def decode(task: Task) -> Hypothesis | None:
            return await self._pool.run(lambda: decoder.decode(task), urgent=task.final)

        async def encode(columns: NDArray[np.float32], context: int) -> Any:
            return await self._pool.run(lambda: decoder.encode(columns, context), urgent=False)

        async def tell(asked: Question) -> Ending | None:
            return await self._pool.run(lambda: decoder.judge(asked), urgent=True)

        judge = Judge(encode, tell) if config.endings else None
        return WhisperSession(config, self._options, decode, SpeechGate(self._silero), listening, judge=judge, mel=mel)

    def close(self) -> None:
        self._pool.close()
        if self._voices is not None:
            self._voices.close()


def _on_gpu(device: str) -> bool:
    return device == "cuda" or (device == "auto" and ctranslate2.get_cuda_device_count() > 0)


def _require(file: Path, fetch: str) -> None:
    if not file.is_file():
        raise Unusable(f"the model file {file} is missing; run: {fetch}", reason="model_missing")

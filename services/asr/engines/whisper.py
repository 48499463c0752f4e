"""The engine `whisper`: Whisper on CTranslate2 with short context, as a streaming recogniser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from services.asr.engine import AsrInfo, StreamConfig
from services.asr.engines.decode_pool import DecodePool
from services.asr.engines.speech_gate import SpeechGate
from services.asr.engines.whisper_decoder import Decoder, Hypothesis, Task
from services.asr.engines.whisper_ending import HESITANT, Judge, Question
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


class WhisperEngine:
    """See `services.asr.engine.Engine`."""

    def __init__(self, options: WhisperOptions, shared: SharedSettings) -> None:
        if options.language not in LANGUAGES:
            raise Unusable(
                f"ASR_WHISPER_LANGUAGE={options.language!r} is no language of Whisper; choose one of: {', '.join(LANGUAGES)}",
                reason="unknown_language",
            )
        self._options = options
        self._folder = options.model or shared.models_dir / "whisper-base"
        self._gate_file = shared.models_dir / silero.FILE
        self._voices_file = shared.models_dir / "resemblyzer" / "ge2e.onnx"
        self._voices: Voices | None = None
        self._pool = DecodePool(options.workers)
        self._decoder: Decoder | None = None
        self._silero: silero.Silero | None = None

    @property
    def info(self) -> AsrInfo:
        if self._options.model is None:
            model = Model("whisper-base", "MIT")
        else:
            model = Model(self._options.model_name or self._folder.name, self._options.licence)
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
        for file in (*(self._folder / name for name in ("model.bin", "config.json", "tokenizer.json")), self._gate_file):
            _require(file)
        options = self._options
        try:
            self._decoder = Decoder(self._folder, options.device, options.compute_type, options.workers, options.threads)
        except (RuntimeError, ValueError) as exc:
            raise Unusable(
                f"the speech model in {self._folder} cannot be loaded with ASR_WHISPER_DEVICE={options.device} and "
                f"ASR_WHISPER_COMPUTE_TYPE={options.compute_type}: {exc}; if a file is damaged, run: make models",
                reason="model_unusable",
            ) from exc
        self._silero = silero.Silero(self._gate_file)
        self._voices = Voices(self._voices_file)
        quiet = np.full((80, _WARM_COLUMNS), -8.0, np.float32)
        self._decoder.decode(Task(quiet, options.language, 2 * _WARM_COLUMNS, beam=options.beam, times=True))

    def open(self, config: StreamConfig) -> WhisperSession:
        if self._decoder is None or self._silero is None or self._voices is None:
            raise Unavailable("the speech model is still loading; try again in a few seconds", reason="loading")
        decoder = self._decoder
        listening = self._voices.open() if config.voices else None

        async def decode(task: Task) -> Hypothesis | None:
            return await self._pool.run(lambda: decoder.decode(task), urgent=task.final)

        async def encode(columns: NDArray[np.float32], context: int) -> Any:
            return await self._pool.run(lambda: decoder.encode(columns, context), urgent=False)

        async def tell(asked: Question) -> Ending | None:
            return await self._pool.run(lambda: decoder.judge(asked), urgent=True)

        judge = Judge(encode, tell) if config.endings else None
        return WhisperSession(config, self._options, decode, SpeechGate(self._silero), listening, judge=judge)

    def close(self) -> None:
        self._pool.close()
        if self._voices is not None:
            self._voices.close()


def _require(file: Path) -> None:
    if not file.is_file():
        raise Unusable(f"the model file {file} is missing; run: make models", reason="model_missing")

"""The hibari voice on the CPU: one model run for each piece of text, with exact times of its sounds and words.

hibari-tts 0.2.1 (Apache-2.0) gives the English pronunciation and turns the model's spectra into sound. The model file is
its own with the durations `/Clip_output_0` added to the outputs, see models/.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from hibari import dsp
from hibari.voices import VOICES

from services.common.engine import Model
from services.common.onnx import open_model
from services.common.settings import SharedSettings
from services.tts.clauses import pieces
from services.tts.engine import Flush, Speech, Text, TtsInfo, VoiceConfig
from services.tts.engines.pronounce import Pronouncer, Symbol, split_runs
from services.tts.engines.reply import LEAD, TAIL, Audio, Piece, Reply, faded_in, faded_out, joined, pause_for
from services.tts.engines.timing import RATE_HZ, Timing, cut, silence, time_run
from services.tts.settings import HibariOptions
from services.tts.spoken import SpokenWord, spoken_words
from vivant.errors import Unusable

DURATIONS: Final = "/Clip_output_0"
_SPECTRA: Final = ("lh", "theta", "ln", "lr", "phi", "f0")
_DEFAULT_VOICE: Final = "heart"


class _Voice:
    """One voice: a model file and the pronunciation that goes with it."""

    def __init__(self, path: Path, *, british: bool) -> None:
        self._model = open_model(path)
        if DURATIONS not in {output.name for output in self._model.get_outputs()}:
            raise Unusable(f"{path} has no output {DURATIONS!r}; run: make models", reason="model_unusable")
        self._pronouncer = Pronouncer(british=british)

    def speak(self, words: Sequence[SpokenWord], speed: float, seed: int) -> tuple[Piece, Audio]:
        """Blocking. `seed` fixes the noise in the breathy parts, so that a reply is reproducible to the bit."""
        symbols = self._pronouncer.symbols(words)
        sounds: list[Audio] = []
        timings: list[Timing] = []
        for run in split_runs(words, symbols):
            if run.symbols:
                sound, timing = self._run(run.symbols, speed, seed)
            else:
                timing = pause_for(run.silent, speed)
                sound = np.zeros(timing.last_sound_end, np.float32)
            sounds.append(sound)
            timings.append(timing)
        return joined(words, symbols, timings), np.concatenate(sounds)

    def _run(self, symbols: Sequence[Symbol], speed: float, seed: int) -> tuple[Audio, Timing]:
        feed = {"ids": self._pronouncer.ids(symbols), "speed": np.asarray([speed], np.float32)}
        *spectra, steps = self._model.run([*_SPECTRA, DURATIONS], feed)
        audio: Audio = dsp.synth(*(part[0] for part in spectra), np.random.default_rng(seed))
        timing = time_run(symbols, steps, silence(audio), speed)
        begin = max(0, timing.first_sound - LEAD)
        end = min(len(audio), timing.last_sound_end + TAIL)
        return faded_out(faded_in(audio[begin:end])), cut(timing, begin, end)


class HibariEngine:
    """See services.tts.engine.VoiceEngine."""

    def __init__(self, options: HibariOptions, shared: SharedSettings) -> None:
        self._folder = shared.models_dir / "hibari"
        self._voices: dict[str, _Voice] = {}
        self._threads = ThreadPoolExecutor(options.workers, thread_name_prefix="hibari")
        self.info = TtsInfo(
            name="hibari",
            version="0.2.1",
            sample_rate_hz=RATE_HZ,
            voices=tuple(self._files()),
            languages=("en-US", "en-GB"),
            models=(Model("hibari 0.2.1, distilled from Kokoro-82M", "Apache-2.0"),),
        )

    def load(self) -> None:
        """See VoiceEngine."""
        for name, path in self._files().items():
            self._voices[name] = _Voice(path, british=VOICES[name]["british"])
            # An invented word, so that the net for unknown words is loaded too.
            self._voices[name].speak(spoken_words("Good morning, Vlorvika."), 1.0, 0)

    async def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """See VoiceEngine."""
        voice = self._voices[config.voice]
        loop = asyncio.get_running_loop()
        reply = Reply(config.speed)
        async for piece in pieces(inputs):
            words = reply.text.words(piece)
            if words:
                spoken = await loop.run_in_executor(self._threads, voice.speak, words, config.speed, reply.pieces)
                yield reply.begin(*spoken)
        if rest := reply.rest():
            yield rest

    def close(self) -> None:
        """See VoiceEngine."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _files(self) -> dict[str, Path]:
        """The default voice, and every other hibari voice whose file `<name>.onnx` lies beside it."""
        others = {name: self._folder / f"{name}.onnx" for name in sorted(VOICES) if name != _DEFAULT_VOICE}
        return {_DEFAULT_VOICE: self._folder / "hibari.onnx"} | {n: path for n, path in others.items() if path.is_file()}

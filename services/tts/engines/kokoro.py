"""The voices of Kokoro-82M on the CPU, American and British, women and men; a clause sounds before all of it is made.

Hexgrad's Kokoro-82M (Apache-2.0), quantised to int8, after Li et al., "StyleTTS 2" (2023). The package hibari-tts gives the
English pronunciation. The times of a clause are known before its sound, so all of them come with its first chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import numpy as np

from services.common.audio import to_pcm
from services.common.engine import Model
from services.common.settings import SharedSettings
from services.tts.clauses import pieces
from services.tts.engine import Flush, Speech, Text, TtsInfo, VoiceConfig
from services.tts.engines.kokoro_model import FETCH, KokoroModel, Utterance, chunks
from services.tts.engines.pronounce import Pronouncer, Symbol, split_runs
from services.tts.engines.reply import LEAD, TAIL, Audio, Piece, Reply, faded_in, faded_out, joined, pause_for
from services.tts.engines.timing import RATE_HZ, Timing, cut, time_run
from services.tts.settings import KokoroOptions
from services.tts.spoken import SpokenWord, spoken_words
from vivant.errors import Unusable

#: The first letter of a voice's name is its accent. There are voices of other languages too; only English is pronounced here.
_ACCENTS: Final = {"a": "en-US", "b": "en-GB"}
_DEFAULT_VOICE: Final = "af_heart"
#: A voice has a style for each number of symbols up to this.
_STYLES: Final = 510
_STYLE_SIZE: Final = 256
#: What a voice's norms are measured on, less than a second of work. The silence around it counts too: with a shorter sentence
#: clauses come out 1 to 7 dB louder than the voice is, with a longer one up to 4 dB softer, with this one within 1.5 dB.
_MEASURED: Final = "Did you ever sail alone at night?"
#: Loud voices reach beyond full scale; 3 dB less is also nearer to hibari's level.
_GAIN: Final = np.float32(0.7)

Result = TypeVar("Result")
#: Makes the next chunk of sound; blocking.
Chunk = Callable[[], Audio]


@dataclass(frozen=True)
class _Spoken:
    """A piece whose times are known, and its first chunk; the others are made when they are wanted."""

    piece: Piece
    first: Audio
    later: Sequence[Chunk]


class _Voice:
    """One style of the model, and the pronunciation that goes with it."""

    def __init__(self, path: Path, model: KokoroModel, pronouncer: Pronouncer) -> None:
        styles = np.fromfile(path, np.float32)
        if styles.size != _STYLES * _STYLE_SIZE:
            raise Unusable(f"{path} is not a voice of Kokoro; run: {FETCH}", reason="model_unusable")
        self._styles = styles.reshape(_STYLES, _STYLE_SIZE)
        self._model = model
        self._pronouncer = pronouncer
        self._norms: Mapping[str, Audio] = {}
        self._lock = Lock()

    def speak(self, words: Sequence[SpokenWord], speed: float) -> _Spoken:
        """Blocking."""
        symbols = self._pronouncer.symbols(words)
        timings: list[Timing] = []
        sounds: list[Chunk] = []
        for run in split_runs(words, symbols):
            if run.symbols:
                timing = self._run(run.symbols, speed, sounds)
            else:
                timing = pause_for(run.silent, speed)
                sounds.append(partial(_silence, timing.last_sound_end))
            timings.append(timing)
        return _Spoken(joined(words, symbols, timings), sounds[0](), sounds[1:])

    def _run(self, symbols: Sequence[Symbol], speed: float, sounds: list[Chunk]) -> Timing:
        """The times of one run; its chunks are added to `sounds`."""
        utterance = self._prepare(symbols, speed)
        timing = time_run(symbols, utterance.steps, utterance.silent, speed)
        begin = max(0, timing.first_sound - LEAD)
        end = min(utterance.samples, timing.last_sound_end + TAIL)
        sounds += [partial(self._chunk, utterance, a, b, a == begin, b == end) for a, b in chunks(begin, end)]
        return cut(timing, begin, end)

    def _prepare(self, symbols: Sequence[Symbol], speed: float) -> Utterance:
        style = self._styles[min(len(symbols), _STYLES - 1)]
        return self._model.prepare(self._pronouncer.ids(symbols), style, speed)

    def _figures(self) -> Mapping[str, Audio]:
        """The norms of this voice, measured when it speaks for the first time."""
        with self._lock:
            if not self._norms:
                symbols = self._pronouncer.symbols(spoken_words(_MEASURED))
                self._norms = self._model.norms(self._prepare(symbols, 1.0))
        return self._norms

    def _chunk(self, utterance: Utterance, begin: int, end: int, is_first: bool, is_last: bool) -> Audio:
        audio = self._model.sound(utterance, self._figures(), begin, end) * _GAIN
        audio = faded_in(audio) if is_first else audio
        return faded_out(audio) if is_last else audio


def _silence(samples: int) -> Audio:
    return np.zeros(samples, np.float32)


class KokoroEngine:
    """See services.tts.engine.VoiceEngine."""

    def __init__(self, options: KokoroOptions, shared: SharedSettings) -> None:
        self._folder = shared.models_dir / "kokoro"
        self._voices: dict[str, _Voice] = {}
        self._threads = ThreadPoolExecutor(options.workers, thread_name_prefix="kokoro")
        self.info = TtsInfo(
            name="kokoro",
            version="1.0",
            sample_rate_hz=RATE_HZ,
            voices=tuple(self._files()),
            languages=tuple(_ACCENTS.values()),
            models=(Model("Kokoro-82M, int8", "Apache-2.0"),),
        )

    def load(self) -> None:
        """See VoiceEngine."""
        if not self._files():
            raise Unusable(f"no voices in {self._folder / 'voices'}; run: {FETCH}", reason="model_missing")
        model = KokoroModel(self._folder)
        pronouncers = {accent: Pronouncer(british=tag == "en-GB") for accent, tag in _ACCENTS.items()}
        for name, path in self._files().items():
            self._voices[name] = _Voice(path, model, pronouncers[name[0]])
        for accent in _ACCENTS:
            for voice in [voice for name, voice in self._voices.items() if name[0] == accent][:1]:
                # An invented word, so that the net for unknown words is loaded too.
                voice.speak(spoken_words("Good morning, Vlorvika."), 1.0)

    async def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """See VoiceEngine."""
        voice = self._voices[config.voice]
        reply = Reply(config.speed)
        async for piece in pieces(inputs):
            words = reply.text.words(piece)
            if not words:
                continue
            spoken = await self._work(partial(voice.speak, words, config.speed))
            yield reply.begin(spoken.piece, spoken.first)
            for chunk in spoken.later:
                yield Speech(to_pcm(await self._work(chunk)), (), ())
        if rest := reply.rest():
            yield rest

    def close(self) -> None:
        """See VoiceEngine."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _work(self, make: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, make)

    def _files(self) -> dict[str, Path]:
        """The voices by name, the default first."""
        found = {path.stem: path for path in sorted((self._folder / "voices").glob("*.bin")) if path.stem[0] in _ACCENTS}
        return {name: found[name] for name in sorted(found, key=lambda name: (name != _DEFAULT_VOICE, name))}

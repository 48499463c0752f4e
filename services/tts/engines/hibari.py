"""The hibari voice on the CPU: one model run for each piece of text, with exact times of its sounds and words.

hibari-tts 0.2.1 (Apache-2.0) gives the English pronunciation and turns the model's spectra into sound. The model file is
its own with the durations `/Clip_output_0` added to the outputs, see models/.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from hibari import dsp
from hibari.voices import VOICES
from numpy.typing import NDArray

from services.common.audio import to_pcm
from services.common.engine import Model
from services.common.onnx import open_model
from services.common.settings import SharedSettings
from services.tts.clauses import pieces
from services.tts.engine import Flush, Phoneme, Speech, Text, TtsInfo, VoiceConfig, Word
from services.tts.engines.hibari_text import Pronouncer, Symbol, split_runs
from services.tts.engines.hibari_timing import STEP, Timing, cut, time_run, word_list
from services.tts.settings import HibariOptions
from services.tts.spoken import SpokenWord, spoken_words
from vivant.errors import Unusable

RATE_HZ: Final = 24_000
DURATIONS: Final = "/Clip_output_0"
_SPECTRA: Final = ("lh", "theta", "ln", "lr", "phi", "f0")
_DEFAULT_VOICE: Final = "heart"
#: Kept before the first sound of a piece (one step) and after its last one, so that neither is clipped.
_LEAD: Final = STEP
_TAIL: Final = 1440
_FADE: Final = 120
#: Stands for words in a script that the voice cannot speak, at speed 1.
_PAUSE: Final = RATE_HZ * 3 // 10
#: Carries symbols at the end of a reply: one unit of the picture.
_MOMENT: Final = RATE_HZ // 25
#: Silence between the last sound of a piece and the first of the next, in seconds at speed 1, by the mark between them: what
#: the model itself does inside a longer text (full stop .29-.32 s, semicolon and colon .31-.34 s, comma anything up to .33 s).
_PAUSES_S: Final = {"": 0.04, ",": 0.15, "—": 0.2, ";": 0.28, ":": 0.28, ".": 0.34, "!": 0.34, "?": 0.34, "…": 0.45}


@dataclass(frozen=True)
class _Piece:
    audio: NDArray[np.float32]
    phonemes: list[Phoneme]
    words: list[Word]
    mark: str
    """The punctuation it ends with, which decides the pause after it."""
    unspoken_scripts: Sequence[str] = ()


class _Voice:
    """One voice: a model file and the pronunciation that goes with it."""

    def __init__(self, path: Path, vocabulary: dict[str, int], *, british: bool) -> None:
        self._model = open_model(path)
        if DURATIONS not in {output.name for output in self._model.get_outputs()}:
            raise Unusable(f"{path} has no output {DURATIONS!r}; run: make models", reason="model_unusable")
        self._ids = vocabulary
        self.pronouncer = Pronouncer(frozenset(vocabulary), british=british)

    def speak(self, words: Sequence[SpokenWord], speed: float, seed: int) -> _Piece:
        """Blocking. `seed` fixes the noise in the breathy parts, so that a reply is reproducible to the bit."""
        symbols = self.pronouncer.symbols(words)
        audio: list[NDArray[np.float32]] = []
        phonemes: list[Phoneme] = []
        spans: dict[int, tuple[int, int]] = {}
        offset = 0
        for run in split_runs(words, symbols):
            sound, timing = self._run(run.symbols, speed, seed) if run.symbols else _pause(run.silent, round(_PAUSE / speed))
            audio.append(sound)
            phonemes.extend(_moved(timing.phonemes, offset))
            for word, (start, end) in timing.words.items():
                spans[word] = (spans[word][0] if word in spans else start + offset, end + offset)
            offset += len(sound)
        said = word_list([word.text for word in words], spans, 0)
        scripts = tuple(dict.fromkeys(word.unspoken_script for word in words if word.unspoken_script))
        return _Piece(np.concatenate(audio), phonemes, said, _final_mark(symbols), scripts)

    def _run(self, symbols: Sequence[Symbol], speed: float, seed: int) -> tuple[NDArray[np.float32], Timing]:
        ids = np.asarray([[0, *(self._ids[symbol.char] for symbol in symbols), 0]], np.int64)
        feed = {"ids": ids, "speed": np.asarray([speed], np.float32)}
        *spectra, steps = self._model.run([*_SPECTRA, DURATIONS], feed)
        audio: NDArray[np.float32] = dsp.synth(*(part[0] for part in spectra), np.random.default_rng(seed))
        timing = time_run(symbols, steps, audio, speed)
        begin = max(0, timing.first_sound - _LEAD)
        end = min(len(audio), timing.last_sound_end + _TAIL)
        return _faded(audio[begin:end]), cut(timing, begin, end)


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
        resource = files("hibari") / "assets" / "vocab.json"
        vocabulary: dict[str, int] = json.loads(resource.read_text("utf-8"))
        for name, path in self._files().items():
            self._voices[name] = _Voice(path, vocabulary, british=VOICES[name]["british"])
            # An invented word, so that the net for unknown words is loaded too.
            self._voices[name].speak(spoken_words("Good morning, Vlorvika."), 1.0, 0)

    async def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """See VoiceEngine."""
        voice = self._voices[config.voice]
        loop = asyncio.get_running_loop()
        reply = _Reply(config.speed)
        async for piece in pieces(inputs):
            words = reply.words(piece)
            if words:
                yield reply.add(await loop.run_in_executor(self._threads, voice.speak, words, config.speed, reply.pieces))
        if rest := reply.rest():
            yield reply.add(rest)

    def close(self) -> None:
        """See VoiceEngine."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _files(self) -> dict[str, Path]:
        """The default voice, and every other hibari voice whose file `<name>.onnx` lies beside it."""
        others = {name: self._folder / f"{name}.onnx" for name in sorted(VOICES) if name != _DEFAULT_VOICE}
        return {_DEFAULT_VOICE: self._folder / "hibari.onnx"} | {n: path for n, path in others.items() if path.is_file()}


class _Reply:
    """Puts the pieces of one reply on its clock, with the pause between two of them at the head of the later one.

    There it costs nothing: a pause at the end of a piece would hold the floor after the last word of the reply.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._samples = 0
        self._mark: str | None = None
        self._unspoken = ""
        self.pieces = 0

    def words(self, piece: str) -> list[SpokenWord]:
        """The words of a piece, or none when it has no words, only symbols; it is then kept for the front of the next one."""
        text = f"{self._unspoken} {piece}".strip()
        words = spoken_words(text)
        wordy = any(word.audible or word.foreign for word in words)
        self._unspoken = "" if wordy else text
        return words if wordy else []

    def rest(self) -> _Piece | None:
        """Symbols behind the last word of the reply: they belong to its text, and a moment of silence carries them.

        None when the reply has no words at all: then nothing of it can be spoken.
        """
        if not self._unspoken or not self.pieces:
            return None
        self._mark = None
        silence, timing = _pause([0], _MOMENT)
        return _Piece(silence, timing.phonemes, word_list([self._unspoken], timing.words, 0), "")

    def add(self, piece: _Piece) -> Speech:
        pause = 0
        if self._mark is not None:
            pause = max(0, round(_PAUSES_S[self._mark] * RATE_HZ / self._speed) - _LEAD - _TAIL)
        offset = self._samples + pause
        phonemes = [Phoneme("", self._samples, offset)] if pause else []
        phonemes += _moved(piece.phonemes, offset)
        words = [Word(word.text, word.start_sample + offset, word.end_sample + offset) for word in piece.words]
        self._samples = offset + len(piece.audio)
        self._mark = piece.mark
        self.pieces += 1
        return Speech(bytes(2 * pause) + to_pcm(piece.audio), phonemes, words, piece.unspoken_scripts)


def _pause(words: Sequence[int], samples: int) -> tuple[NDArray[np.float32], Timing]:
    """Silence that is shared out among the words it stands for."""
    edges = [samples * at // len(words) for at in range(len(words) + 1)]
    spans = {word: (edges[at], edges[at + 1]) for at, word in enumerate(words)}
    return np.zeros(samples, np.float32), Timing([Phoneme("", 0, samples)], spans, 0, samples)


def _moved(phonemes: Sequence[Phoneme], offset: int) -> list[Phoneme]:
    return [Phoneme(p.symbol, p.start_sample + offset, p.end_sample + offset, p.stress) for p in phonemes]


def _final_mark(symbols: Sequence[Symbol]) -> str:
    marks = [symbol.char for symbol in symbols[-3:] if symbol.char in _PAUSES_S]
    return marks[-1] if marks else ""


def _faded(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Both ends faded over 5 ms: joined pieces must not click."""
    faded = audio.copy()
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    faded[:_FADE] *= ramp[: len(faded)]
    faded[-_FADE:] *= ramp[::-1][-len(faded) :]
    return faded

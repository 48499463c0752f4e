"""One decoding of a stretch of speech: encoder, beam search, loop guard, word times.

Short context (STREAMING.md): Whisper is made for 30 s, but its encoder takes fewer columns, and its time goes with their
number. With too little silence after the speech the decoder may loop; then the stretch is decoded again at full length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from services.asr.engines.whisper_ending import Question, judge
from services.asr.engines.whisper_features import FULL_FRAMES
from services.asr.engines.whisper_text import TimedWord, TokenWord, Vocabulary, looks_looped
from services.common.ending import Ending
from services.common.log_mel import FRAMES_PER_S, whisper_input

#: Nobody says more; a decoder that loops is stopped there.
_MAX_TOKENS_PER_S: Final = 8
_SPARE_TOKENS: Final = 10
#: One position of the encoder's output is two columns.
_COLUMNS_PER_POSITION: Final = 2
#: Attention moves on to a word this much before it begins (bench/results/2026-11-22-word-times.md).
_EARLY_COLUMNS: Final = 4
#: Whisper's own rule for silence: it says so, and is not sure of its words (paper, section 4.5).
_NO_SPEECH_PROBABILITY: Final = 0.6
_NO_SPEECH_SCORE: Final = -1.0


@dataclass(frozen=True)
class Task:
    """What to decode. `abandoned` may be set while it runs: the result is no longer wanted."""

    columns: NDArray[np.float32]
    """From `LogMelStream.cut`, float32 `[bands, n]`, n <= 3000."""
    language: str
    context: int
    """Columns that the encoder sees, speech and silence."""
    prefix: tuple[int, ...] = ()
    """Tokens at the start of this stretch that stand already."""
    previous: tuple[int, ...] = ()
    """Tokens said before this stretch."""
    beam: int = 1
    """Hypotheses that are followed side by side."""
    final: bool = False
    """Worth a second decoding when the first one looped."""
    times: bool = False
    abandoned: Event = field(default_factory=Event)


@dataclass(frozen=True)
class Hypothesis:
    words: tuple[TokenWord, ...]
    timed: tuple[TimedWord, ...]
    """The same words with times, when they were asked for."""
    looped: bool
    silent: bool
    """The model holds it for silence."""
    encoded: Any = None
    """What the encoder made of the columns, if more may be asked about them."""


class Decoder:
    """A loaded model; may be used from several threads."""

    def __init__(self, folder: Path, device: str, compute_type: str, workers: int, threads: int) -> None:
        self._model = ctranslate2.models.Whisper(
            str(folder), device=device, compute_type=compute_type, inter_threads=workers, intra_threads=threads
        )
        self.multilingual: bool = self._model.is_multilingual
        self.bands: int = self._model.n_mels
        """Of its spectrogram: 80, or 128 from large-v3 on."""
        self.vocabulary = Vocabulary(folder / "tokenizer.json", multilingual=self.multilingual)

    def decode(self, task: Task) -> Hypothesis | None:
        """Blocking. None when the task was abandoned before the words were known."""
        result = self._decode(task, task.context)
        if result is not None and result.looped and task.final and task.context < FULL_FRAMES:
            result = self._decode(task, FULL_FRAMES)
        return result

    def judge(self, asked: Question) -> Ending | None:
        """Blocking. How words end; None when nobody wanted to know any more."""
        return None if asked.abandoned.is_set() else judge(self._model, self.vocabulary, asked)

    def encode(self, columns: NDArray[np.float32], context: int) -> Any:
        """Blocking. Columns, float32 `[bands, n]`, with silence behind them, so that they are `context` or more."""
        context = min(FULL_FRAMES, max(context, columns.shape[1]))
        features = whisper_input(columns, context + context % _COLUMNS_PER_POSITION)
        return self._model.encode(ctranslate2.StorageView.from_array(features))

    def _decode(self, task: Task, context: int) -> Hypothesis | None:
        if task.abandoned.is_set():
            return None
        seconds = task.columns.shape[1] / FRAMES_PER_S
        encoded = self.encode(task.columns, context)
        if task.abandoned.is_set():
            return None
        prompt = self.vocabulary.prompt(task.language, task.previous, task.prefix)
        spare = _SPARE_TOKENS + int(_MAX_TOKENS_PER_S * seconds)
        result = self._model.generate(
            encoded,
            [prompt],
            beam_size=task.beam,
            max_length=len(prompt) + max(spare - len(task.prefix), _SPARE_TOKENS),
            # After a prefix the text may be complete already; without one a first blank would end it.
            suppress_blank=not task.prefix,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        # The result repeats the prefix.
        tokens = [token for token in result.sequences_ids[0] if token < self.vocabulary.end_of_text]
        words = tuple(self.vocabulary.words(tokens, task.language))
        silent = result.no_speech_prob > _NO_SPEECH_PROBABILITY and result.scores[0] < _NO_SPEECH_SCORE
        looped = looks_looped(self.vocabulary.text(tokens), seconds)
        timed = self._align(encoded, task, words) if task.times and words else ()
        return Hypothesis(words, timed, looped, silent, encoded if task.final else None)

    def _align(self, encoded: Any, task: Task, words: Sequence[TokenWord]) -> tuple[TimedWord, ...]:
        """Word times from the cross attention (dynamic time warping, as in OpenAI's `timing.py`)."""
        tokens = [token for word in words for token in word.tokens]
        found = self._model.align(encoded, self.vocabulary.start(task.language), [tokens], task.columns.shape[1])[0]
        path = np.array(found.alignments)
        # Where the path steps on to the next token; one entry a token, and one for the end.
        steps = path[np.flatnonzero(np.diff(path[:, 0], prepend=-1)), 1] * _COLUMNS_PER_POSITION + _EARLY_COLUMNS
        steps = np.minimum(steps, task.columns.shape[1])
        bounds = np.cumsum([0, *(len(word.tokens) for word in words)])
        starts, ends = steps[bounds[:-1]], steps[np.minimum(bounds[1:], len(steps) - 1)]
        sure = np.array(found.text_token_probs)
        return tuple(
            TimedWord(word.text, word.tokens, float(start), float(end), float(sure[first:last].mean()))
            for word, start, end, first, last in zip(words, starts, ends, bounds[:-1], bounds[1:], strict=True)
        )

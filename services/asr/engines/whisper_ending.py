"""How Whisper would write the end of what it has just heard: a full stop, a question mark, or dots.

By itself it writes a full stop where somebody stops to look for a word, and leaves out the "um". Told beforehand how a speaker
who hesitates looks in writing, it tells the two apart by what it hears and what was said: the probabilities of the three marks
after the last word are a reading of words and voice together. Forced alignment gives them in one pass of the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import ctranslate2
import numpy as np

from services.asr.engines.whisper_text import Vocabulary
from services.common.ending import Ending

#: What such a speaker might have said before, by language; in others the question is not asked.
HESITANT: Final = MappingProxyType({"en": " So, um... I was, uh, thinking of... Well, I mean, if we..."})
_MARKS: Final = (".", "?", "...")
_MARKS_AFTER: Final = " .,!?…;:—-"
#: What was said earlier in the turn is given with it, its last tokens.
_LONGEST: Final = 100
#: After so long a silence in columns of 10 ms, what is said belongs to something else.
_APART: Final = 250
_KEPT_CHARACTERS: Final = 400


class Earlier:
    """What was said in a turn before what is being heard. Times are columns of the stream."""

    def __init__(self) -> None:
        self._text = ""
        self._end = -_APART

    def add(self, text: str, end: float) -> None:
        """Words that ended there, in a silence that did not end the turn: they are written as broken off."""
        self._text = f"{self._text} {text.rstrip(_MARKS_AFTER)}..."[-_KEPT_CHARACTERS:]
        self._end = end

    def before(self, start: float) -> str:
        """What belongs to speech that begins there; forgets the rest."""
        if start - self._end >= _APART:
            self._text = ""
        return self._text


class EndingJudge:
    """Asks a loaded model; may be used from several threads."""

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._marks = [vocabulary.tokens(mark)[-1] for mark in _MARKS]

    def judge(self, encoded: Any, tokens: Sequence[int], earlier: str, language: str, columns: int) -> Ending | None:
        """Blocking. `encoded` is what the encoder made of `columns` columns, in which the text `tokens` was said.

        `earlier` was said before that in the same turn. None: the language has no such text, or nothing was said.
        """
        words = self._vocabulary.without_marks(tokens)
        if language not in HESITANT or not words:
            return None
        before = self._vocabulary.tokens(HESITANT[language] + earlier)[-_LONGEST:]
        features = encoded.to_device(ctranslate2.Device.cpu) if encoded.device != "cpu" else encoded
        each = ctranslate2.StorageView.from_array(np.repeat(np.asarray(features), len(_MARKS), axis=0))
        found = self._model.align(
            each,
            self._vocabulary.start(language, before),
            [[*words, mark] for mark in self._marks],
            [columns] * len(_MARKS),
        )
        return Ending(*(float(one.text_token_probs[-1]) for one in found))

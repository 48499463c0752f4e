"""A voice without a model, for tests: every letter is a tone of fixed length, so that all times can be told beforehand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import numpy as np

from services.common.audio import to_pcm
from services.common.settings import SharedSettings
from services.tts.clauses import pieces
from services.tts.engine import Flush, Phoneme, Speech, Text, TtsInfo, VoiceConfig, Word
from services.tts.settings import FakeOptions

RATE_HZ: Final = 24_000


class FakeEngine:
    """See services.tts.engine.VoiceEngine. Letters sound for `letter_ms`, everything else is a pause of the same length."""

    def __init__(self, options: FakeOptions, shared: SharedSettings) -> None:
        self._letter = options.letter_ms * RATE_HZ // 1000
        self.info = TtsInfo(
            name="fake",
            version="1",
            sample_rate_hz=RATE_HZ,
            voices=("tone",),
        )

    def load(self) -> None:
        """Nothing to load."""

    async def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """See VoiceEngine."""
        at = 0
        async for piece in pieces(inputs):
            speech = self._speak(piece, at, config.speed)
            at += len(speech.pcm) // 2
            yield speech

    def close(self) -> None:
        """Nothing to end."""

    def _speak(self, piece: str, at: int, speed: float) -> Speech:
        length = round(self._letter / speed)
        phonemes: list[Phoneme] = []
        words: list[Word] = []
        for text in piece.split():
            start = at
            for char in text:
                phonemes.append(Phoneme(char.lower() if char.isalpha() else "", at, at + length))
                at += length
            words.append(Word(text, start, at))
        hz = [200.0 + 20 * (ord(p.symbol[0]) % 26) if p.symbol else 0.0 for p in phonemes]
        tone = np.sin(2 * np.pi * np.arange(length) / RATE_HZ * np.array(hz)[:, None]) * 0.3
        return Speech(to_pcm(tone.ravel()), phonemes, words)

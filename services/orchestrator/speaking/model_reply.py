"""A reply that a speech model gives: its sound as it comes, and its words, which it may not say the times of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from services.orchestrator.speaking.source import Source
from services.orchestrator.speaking.spread import Spread
from vivant.common.v1 import common_pb2
from vivant.errors import VivantError
from vivant.tts.v1 import tts_pb2


class ModelReply:
    """See `Source`: the stage performs it, and is told where its words lie."""

    ability: Final = "speech"
    stage: Final = "speech_first_audio"

    def __init__(
        self,
        turn_id: int,
        spread: Spread,
        *,
        on_audio: Callable[[tts_pb2.Audio], None],
        on_end: Callable[[Source, VivantError | None], None],
        on_words: Callable[[int, Sequence[common_pb2.Word]], None],
    ) -> None:
        self.turn_id = turn_id
        self._spread = spread
        self._on_audio = on_audio
        self._on_end = on_end
        self._on_words = on_words
        self._timed = False
        self._placed = False
        self._wanted = True
        self.samples = 0
        """Of its sound so far."""

    def say(self, text: str) -> None:
        """These are its own words."""

    def tell(self, text: str) -> None:
        """The model tells more of its words."""
        self._spread.say(text)

    def sound(self, speech: Any) -> None:
        """The model's next stretch of sound, `speech_pb2.Speech`. Positions are counted here: a reply has no gaps."""
        if not self._wanted:
            return
        self._timed = self._timed or (bool(speech.words) and not self._placed)
        words = speech.words if self._timed else ()
        self._spread.sound(speech.pcm)
        audio = tts_pb2.Audio(turn_id=self.turn_id, pcm=speech.pcm, start_sample=self.samples, words=words)
        self.samples += len(speech.pcm) // 2
        self._on_audio(audio)
        self._place()

    def end(self) -> None:
        """Nothing more comes of it."""
        if self._wanted:
            self._wanted = False
            self._spread.end()
            self._place()
            self._on_end(self, None)

    def cancel(self) -> None:
        """Nothing more of it is passed on."""
        self._wanted = False

    @property
    def letter_s(self) -> float:
        """How long a letter of this voice takes."""
        return self._spread.letter_s

    def _place(self) -> None:
        words = [] if self._timed else self._spread.words
        if words:
            self._placed = True
            self._on_words(self.turn_id, words)

"""What a voice engine is: text and flushes in, stretches of speech with the times of their sounds and words out.

All times are samples of `TtsInfo.sample_rate_hz` from the start of the reply; stretches follow each other without gaps.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.engine import EngineInfo


@dataclass(frozen=True, kw_only=True)
class TtsInfo(EngineInfo):
    """A config may name one of its languages, "en-GB", or just "en"."""

    sample_rate_hz: int
    voices: tuple[str, ...]
    """The first one is the default."""
    speed: bool = True
    """It can speak faster and slower."""
    phoneme_times: bool = True
    """It tells its sounds; a face without them goes by what is heard."""


@dataclass(frozen=True)
class VoiceConfig:
    """How one reply is to be spoken. The server has checked the voice and the language."""

    voice: str
    speed: float = 1.0
    """0.5 to 2; 1 is the voice's own pace."""
    language: str = ""
    """BCP 47; empty: the voice's own."""


@dataclass(frozen=True)
class Text:
    """The next piece of the reply, of any length, cut anywhere."""

    text: str


@dataclass(frozen=True)
class Flush:
    """Speak what is there."""


@dataclass(frozen=True)
class Phoneme:
    """One speech sound, [start_sample, end_sample)."""

    symbol: str
    """IPA; empty for a pause."""
    start_sample: int
    end_sample: int
    stress: int = 0
    """0 none, 1 primary, 2 secondary."""


@dataclass(frozen=True)
class Word:
    """One word as it was written, [start_sample, end_sample)."""

    text: str
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class Speech:
    """One stretch of sound.

    Phonemes and words come with the stretch in which they begin, or with an earlier one; all phonemes of a reply cover it from
    its first to its last sample without gap or overlap, if the engine tells any.
    """

    pcm: bytes
    """16-bit little-endian mono."""
    phonemes: Sequence[Phoneme]
    words: Sequence[Word]
    unspoken_scripts: Sequence[str] = ()
    """Scripts of words among these that the voice has no sounds for: "Han", "Arabic". A pause stands for the words."""


class VoiceEngine(Protocol):
    """One loaded voice model, shared by all streams of the process."""

    @property
    def info(self) -> TtsInfo: ...

    def load(self) -> None:
        """Loads and warms the models; blocking. Raises Unusable when a file is missing."""

    def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """Speaks `inputs`; their end is the end of the reply. Closing the generator abandons it."""

    def close(self) -> None:
        """Ends the engine's threads."""

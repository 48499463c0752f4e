"""What a recogniser is: audio and flushes in, words with times out.

A session is fed in order by one task and read by another: words come when a decoding is done, not when audio comes. All times
are samples of the stream, at `StreamConfig.sample_rate_hz`; ranges are half open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.common.ending import Ending
from services.common.engine import EngineInfo


@dataclass(frozen=True, kw_only=True)
class AsrInfo(EngineInfo):
    """Of its languages the first one is the default; a config may name a region too, "en-GB"."""

    sample_rates_hz: tuple[int, ...]
    """The first one needs no conversion."""
    word_confidence: bool = False
    """It says how sure it is of each word; else all are 1."""
    voices: bool = False
    """It can tell speakers apart by their voices."""
    ending_languages: tuple[str, ...] = ()
    """In which it says how words end."""


@dataclass(frozen=True)
class StreamConfig:
    """How one stream is to be recognised. The server has checked the rate and the language."""

    sample_rate_hz: int
    language: str
    """One of `AsrInfo.languages`."""
    partials: bool = True
    voices: bool = False
    """Say who speaks, told by voice; engines that cannot leave it open."""
    endings: bool = False
    """Say how the words of each final end; engines that cannot leave it out."""


@dataclass(frozen=True)
class Word:
    """One recognised word, [start_sample, end_sample)."""

    text: str
    start_sample: int
    end_sample: int
    confidence: float
    """0 to 1."""


@dataclass(frozen=True)
class Partial:
    """What is understood so far since the last flush. `stable_text` only grows; the final may know better."""

    stable_text: str
    unstable_text: str
    start_sample: int
    end_sample: int
    speaker: str = ""
    """Who spoke last, as far as voices tell: an id; empty: not told."""


@dataclass(frozen=True)
class Final:
    """The words since the last flush; `start_sample` to `end_sample` is where they were said."""

    flush_id: int
    text: str
    words: Sequence[Word]
    start_sample: int
    end_sample: int
    language: str
    speaker: str = ""
    """Who said it, told by voice: an id; empty: not told."""
    given_up: Mapping[str, str] = field(default_factory=dict)
    """Ids of voices that turned out to be others: they are who they are called here."""


@dataclass(frozen=True)
class NoSpeech:
    """Nothing was said in [start_sample, end_sample), the time since the last flush."""

    flush_id: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class Ends:
    """How the words of the final with this id end: it follows that final, if the engine says it."""

    flush_id: int
    ending: Ending


Event: TypeAlias = Partial | Final | NoSpeech | Ends


class Session(Protocol):
    """One stream. `push`, `flush` and `finish` are called one after the other; `events` is read beside them."""

    async def push(self, samples: NDArray[np.float32], start_sample: int) -> None:
        """Takes mono float32 samples in [-1, 1). They start where the last ones ended or later: the gap is silence.

        Returns as soon as more audio may come. Waits when recognition is far behind, so that memory stays bounded.
        """

    async def flush(self, flush_id: int) -> None:
        """Puts exactly one `Final` or `NoSpeech` with this id into the events; an `Ends` may follow a `Final`."""

    async def finish(self) -> None:
        """Flushes with id 0 and ends the events."""

    def events(self) -> AsyncIterator[Event]:
        """The results in order, until `finish` or `close`."""

    async def close(self) -> None:
        """Abandons the stream: nothing more is recognised."""


class Engine(Protocol):
    """One loaded model, shared by all streams of the process."""

    @property
    def info(self) -> AsrInfo: ...

    def load(self) -> None:
        """Loads and warms the models; blocking. Raises Unusable when a file is missing."""

    def open(self, config: StreamConfig) -> Session:
        """Starts a stream."""

    def close(self) -> None:
        """Ends the engine's threads."""

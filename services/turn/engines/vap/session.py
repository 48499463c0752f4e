"""The session of the fusion engine, which gives its sound to the model as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from services.turn.engine import Event, ModelSteps, StreamConfig
from services.turn.engines.estimate import Estimator
from services.turn.engines.segments import Segmenter
from services.turn.engines.session import TurnSession
from services.turn.engines.vap.beside import Said
from services.turn.engines.vap.channels import Channels, Frame
from services.turn.engines.vap.weighing import about

#: A listener would rather react than not. Not fitted: no weights were to be had.
PROPOSED: Final = 0.5

Audio = NDArray[np.float32]


class Ear(Protocol):
    """See beside.Track."""

    def push(self, frame: Frame) -> None:
        """The next frame; does not wait until it is heard."""

    def said(self) -> Said | None:
        """The newest answer."""

    def measured(self) -> ModelSteps | None:
        """What it took."""

    def close(self) -> None:
        """The stream is gone."""


class VapSession(TurnSession):
    """See services.turn.engine.Session. Unlike in other engines, an answer that comes late does not count: so what is said of
    the end of a turn depends a little on how busy the machine is.
    """

    def __init__(
        self,
        config: StreamConfig,
        segmenter: Segmenter,
        estimator: Callable[[Callable[[], Audio]], Estimator],
        *,
        judge_s: float,
        channels: Channels,
        ear: Ear,
    ) -> None:
        super().__init__(config, segmenter, estimator, judge_s)
        self._channels = channels
        self._ear = ear

    def push_user(self, samples: Audio, start_sample: int, speaker: str) -> Iterator[Event]:
        """See Session."""
        for frame in self._channels.push_user(samples, start_sample):
            self._ear.push(frame)
        yield from super().push_user(samples, start_sample, speaker)
        measured = self._ear.measured()
        if measured is not None:
            yield measured

    def push_bot(self, samples: Audio, start_sample: int) -> list[Event]:
        """See Session."""
        self._channels.push_bot(samples, start_sample)
        return super().push_bot(samples, start_sample)

    def close(self) -> None:
        """See Session."""
        self._ear.close()

    def _invites(self, silence_s: float) -> bool:
        """As in every engine, or because the model of a listener says so."""
        answer = about(self._ear.said(), self._segmenter.end, silence_s)
        return super()._invites(silence_s) or (answer is not None and answer.reaction >= PROPOSED)

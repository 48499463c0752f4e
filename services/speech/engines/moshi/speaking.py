"""From a voice that never ends to replies: what is loud is said, and a silence ends it. Pure, on the clock of the sound itself.

Moshi sends sound all the time, most of it silence, and text without a word about turns. Where it begins to be heard it proposes
to speak; where it falls silent while the user speaks, it has yielded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.audio import to_pcm
from services.speech.engine import Action, Done, Ending, Event, Floor, Speech, Words
from services.speech.engines.record import Record, Reply

RATE_HZ: Final = 24_000
_WINDOW: Final = RATE_HZ * 40 // 1000
_WINDOW_S: Final = 0.04
#: Root mean square of a voice, the model's and the user's: -40 dBFS, above the hiss of a codec and of a quiet room.
LOUD: Final = 0.01
#: Longer than the pauses inside what somebody says in one go.
_REPLY_ENDS_S: Final = 0.72
#: After it was cut off the next silence will do: what follows answers the interruption.
_MUTED_ENDS_S: Final = 0.24
#: The beginning of a sound is softer than the window in which it is noticed.
_BEFORE: Final = 2
#: Text comes a little before its sound, at most so much; what no sound follows was not said.
_TEXT_AHEAD_S: Final = 1.0


class Speaking:
    """The model's side of one conversation, over all of its connections."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._rest = np.empty(0, np.float32)
        self._before: list[NDArray[np.float32]] = []
        self._early: list[str] = []
        self._early_s = 0.0
        self._silent_s = 0.0
        self._muted = False
        self._yielded = False
        self._newest: Reply | None = None
        self._turn_id = 0
        self.reply: Reply | None = None
        """What is being said, and may be heard."""
        self.ready = True
        """A reply may begin."""

    def push(self, samples: NDArray[np.float32], user_sample: int, *, user_speaks: bool) -> Iterator[Event]:
        """Sound of the model, mono float32 at `RATE_HZ`, that has come when the user's clock was at `user_sample`."""
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= _WINDOW:
            window, self._rest = self._rest[:_WINDOW], self._rest[_WINDOW:]
            yield from self._window(window, user_sample, user_speaks=user_speaks)

    def text(self, text: str) -> Iterator[Event]:
        """Words of the model."""
        if self.reply:
            self.reply.text += text
            yield Words(self.reply.turn_id, text)
        elif not self._muted:
            self._early.append(text)
            self._early_s = 0.0

    def played(self, turn_id: int, position_samples: int) -> None:
        """See Session."""
        if self._newest and self._newest.turn_id == turn_id:
            self._newest.played = max(self._newest.played, min(position_samples, self._newest.samples))

    def clear(self, newest_turn_id: int) -> None:
        """See Session: it cannot be stopped, so the rest of what it says in this go is not heard."""
        if self._newest is None or self._newest.turn_id >= newest_turn_id:
            return
        self._newest.cleared = self._newest.sounding or self._newest is self.reply
        self._muted = self._muted or self.reply is not None
        self.reply, self._silent_s = None, 0.0

    def broken(self, reason: str, message: str) -> list[Event]:
        """The connection has ended, and with it what was being said."""
        reply, self.reply, self._muted = self.reply, None, False
        self._rest = np.empty(0, np.float32)
        self._before.clear()
        self._early.clear()
        if reply is None:
            return []
        reply.cleared = True
        return [Done(reply.turn_id, Ending.FAILED, reason, message)]

    def _window(self, window: NDArray[np.float32], user_sample: int, *, user_speaks: bool) -> Iterator[Event]:
        loud = is_loud(window)
        self._silent_s = 0.0 if loud else self._silent_s + _WINDOW_S
        if self._muted:
            self._muted = self._silent_s < _MUTED_ENDS_S
        elif self.reply:
            self.reply.samples += _WINDOW
            yield Speech(self.reply.turn_id, to_pcm(window))
            yield from self._perhaps_over(self.reply, user_sample, user_speaks=user_speaks)
        elif loud and self.ready:
            yield from self._begin(window, user_sample)
        else:
            self._before = [*self._before[1 - _BEFORE :], window]
            self._early_s += _WINDOW_S
            if self._early_s > _TEXT_AHEAD_S:
                self._early.clear()

    def _begin(self, window: NDArray[np.float32], user_sample: int) -> Iterator[Event]:
        self._turn_id += 1
        sound = np.concatenate([*self._before, window])
        text = "".join(self._early)
        self.reply = self._newest = Reply(self._turn_id, text=text, samples=len(sound))
        self._record.add(self.reply)
        self._before, self._early, self._yielded = [], [], False
        yield Floor(self._turn_id, Action.TAKE, user_sample)
        if text:
            yield Words(self._turn_id, text)
        yield Speech(self._turn_id, to_pcm(sound))

    def _perhaps_over(self, reply: Reply, user_sample: int, *, user_speaks: bool) -> Iterator[Event]:
        if self._silent_s >= _MUTED_ENDS_S and user_speaks and not self._yielded:
            self._yielded = True
            yield Floor(reply.turn_id, Action.YIELD, user_sample)
        if self._silent_s >= _REPLY_ENDS_S:
            self.reply = None
            yield Done(reply.turn_id, Ending.YIELDED if self._yielded else Ending.COMPLETE)


def is_loud(samples: NDArray[np.float32]) -> bool:
    """Whether somebody is heard in float32 samples."""
    return bool(np.sqrt(np.mean(samples * samples)) > LOUD)

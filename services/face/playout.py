"""The voice on its way out: what has been pushed and what goes into the next 40 ms. Pure: no clock, no I/O, time is samples.

Each unit is made in two steps. `plan` describes the unit that will leave next, so that its picture can be drawn; `emit` says
what really leaves, at the moment when it does. What comes between the two counts at once: a pause or a clear takes the voice
away, and a reply begins although its first picture still shows a closed mouth, which is how speech begins anyway.

A unit holds 40 ms of one reply, or the end of one, or silence; a little word beside all replies may be mixed in. Where the
voice is cut off it fades out over 5 ms, where it goes on in the middle it fades in; samples of a fade-out are not counted as
said and come again after `resume`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.face.engine import UNIT_MS, Cue, Look, Phoneme, Slot
from services.face.reply import Reply
from vivant.errors import Full, InvalidRequest

#: Speech that is held at most.
HOLD_S: Final = 60
FADE_MS: Final = 5
#: An expression asked for outside a reply lasts this long unless another comes.
CUE_UNITS: Final = 4000 // UNIT_MS

Samples = NDArray[np.float32]


class State(Enum):
    """What happened to a reply; the names are those of the contract."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    CLEARED = "cleared"
    FINISHED = "finished"
    STARVED = "starved"


@dataclass(frozen=True)
class Playback:
    """A change in the playback of one reply."""

    turn_id: int
    state: State
    position: int
    """Samples of the reply that have been emitted."""
    unit_index: int
    """The last unit emitted before the change."""


@dataclass(frozen=True)
class Emission:
    """The voice of one unit, and what to report before and after it."""

    index: int
    pcm: Samples
    turn_id: int
    turn_sample: int
    before: Sequence[Playback]
    after: Sequence[Playback]


class Playout:
    """The playback of one stream."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.rate = sample_rate_hz
        self.unit_samples = sample_rate_hz * UNIT_MS // 1000
        self.look = Look.IDLE
        self._fade = sample_rate_hz * FADE_MS // 1000
        self._newest = 0
        self._reply: Reply | None = None
        self._aside: Reply | None = None
        self._asides = 0
        self._over = 0
        self._paused = False
        self._index = 0
        self._cue: Cue | None = None
        self._cue_until = 0
        self._voiced = False
        self._last = np.float32(0)
        self._tail: Samples = np.zeros(0, np.float32)

    @property
    def newest_turn_id(self) -> int:
        """Speech of a turn older than this is stale."""
        return self._newest

    def push(
        self,
        turn_id: int,
        pcm: Samples,
        start_sample: int,
        phonemes: Sequence[Phoneme] = (),
        cue: Cue | None = None,
    ) -> list[Playback] | None:
        """Adds speech; None when it is stale and was dropped.

        Raises InvalidRequest when it does not begin where the speech before it ended or comes after `end`, Full beyond 60 s.
        """
        if turn_id < self._newest:
            return None
        events = self._advance(turn_id)
        reply = self._open(turn_id)
        if reply.ended:
            raise InvalidRequest(f"speech of turn {turn_id} after its speech_end", reason="speech_after_end")
        if start_sample != reply.length:
            raise InvalidRequest(
                f"speech of turn {turn_id} must go on at sample {reply.length}, not {start_sample}",
                reason="speech_out_of_order",
            )
        if reply.held + len(pcm) > HOLD_S * self.rate:
            raise Full(
                f"at most {HOLD_S} s of speech are held; send the rest of turn {turn_id} when more has been played",
                reason="speech_overrun",
            )
        reply.add(pcm, phonemes, cue)
        return events

    def end(self, turn_id: int) -> list[Playback] | None:
        """The reply is complete; None when it is stale."""
        if turn_id < self._newest:
            return None
        events = self._advance(turn_id)
        reply = self._open(turn_id)
        if reply.ended:
            raise InvalidRequest(f"a second speech_end of turn {turn_id}", reason="speech_after_end")
        reply.ended = True
        if not reply.held:
            events += self._close(State.FINISHED)
        return events

    def pause(self) -> list[Playback]:
        """Holds the voice at once. Lasts until `resume`, or until the reply is cleared or replaced by a newer one."""
        if self._paused:
            return []
        self._paused = True
        return self._report(State.PAUSED)

    def resume(self) -> list[Playback]:
        """Lets a held voice go on at the sample where it stopped."""
        if not self._paused:
            return []
        self._paused = False
        return self._report(State.RESUMED)

    def clear(self, newest_turn_id: int, unheard: int = 0) -> list[Playback]:
        """Forgets all speech of turns older than `newest_turn_id`.

        `unheard` samples were emitted but taken back on the way out; the position reported is smaller by them.
        """
        return self._advance(newest_turn_id, unheard)

    def express(self, cue: Cue) -> None:
        """Shows an expression from now on, for a few seconds."""
        self._cue, self._cue_until = cue, self._index + CUE_UNITS

    def aside(self, pcm: Samples, phonemes: Sequence[Phoneme] = ()) -> bool:
        """Says a little word beside all replies, at once. False: another one is being said, and this one is not."""
        if self._aside is not None:
            return False
        self._asides += 1
        self._aside = Reply(-self._asides)
        self._aside.add(pcm, phonemes, None)
        self._aside.ended = True
        return True

    def plan(self) -> Slot:
        """The next unit as far as it is known now."""
        reply = self._speaker() or self._aside
        pcm, turn_id, position = np.zeros(self.unit_samples, np.float32), 0, 0
        phonemes: Sequence[Phoneme] = ()
        if reply is not None:
            pcm, turn_id, position = self._padded(reply.peek(self.unit_samples)), reply.turn_id, reply.position
            phonemes = reply.window(self.rate)
            self._cue = reply.cue_at(position) or self._cue
        elif self._index >= self._cue_until:
            self._cue = None
        cue = None if self._cue is None or self._cue.name == "neutral" else self._cue
        return Slot(self._index, pcm, self.rate, turn_id, position, phonemes, self.look, cue, self._paused)

    def emit(self) -> Emission:
        """Lets the next unit go."""
        reply = self._speaker()
        emission = self._speak(reply) if reply else self._be_silent()
        self._index += 1
        return self._with_aside(emission) if self._aside else emission

    def _with_aside(self, emission: Emission) -> Emission:
        assert self._aside is not None
        mixed = emission.pcm + self._padded(self._aside.take(self.unit_samples))
        if not self._aside.held:
            self._aside = None
        return replace(emission, pcm=np.clip(mixed, -1, 1))

    def _speak(self, reply: Reply) -> Emission:
        before: list[Playback] = []
        position = reply.position
        if not reply.started:
            before = self._report(State.STARTED)
        elif reply.starved:
            before = self._report(State.RESUMED)
        reply.started, reply.starved = True, False
        pcm = self._padded(reply.take(self.unit_samples))
        if not self._voiced and position:
            pcm[: self._fade] *= np.linspace(0, 1, self._fade, dtype=np.float32)
        self._voiced, self._last = True, pcm[-1]
        self._tail = reply.peek(self._fade)
        after = []
        if reply.ended and not reply.held:
            after = self._close(State.FINISHED, self._index)
        return Emission(self._index, pcm, reply.turn_id, position, before, after)

    def _be_silent(self) -> Emission:
        before: list[Playback] = []
        reply = self._reply
        if reply and reply.started and not (self._paused or reply.starved or reply.ended or reply.held >= self.unit_samples):
            before = self._report(State.STARVED)
            reply.starved = True
        pcm = np.zeros(self.unit_samples, np.float32)
        if self._voiced:
            tail = np.full(self._fade, self._last, np.float32)
            tail[: len(self._tail)] = self._tail
            pcm[: self._fade] = tail * np.linspace(1, 0, self._fade, dtype=np.float32)
            self._voiced = False
        return Emission(self._index, pcm, 0, 0, before, ())

    def _advance(self, newest_turn_id: int, unheard: int = 0) -> list[Playback]:
        """Notes the newest turn. A newer one clears an older one's reply and lifts a pause, which was meant for the older."""
        if newest_turn_id <= self._newest:
            return []
        self._newest = newest_turn_id
        self._paused = False
        return self._close(State.CLEARED, unheard=unheard) if self._reply else []

    def _open(self, turn_id: int) -> Reply:
        if self._reply is None:
            if self._over == turn_id:
                raise InvalidRequest(f"turn {turn_id} has been played to its end already", reason="speech_after_end")
            self._reply = Reply(turn_id)
        return self._reply

    def _close(self, state: State, unit_index: int | None = None, unheard: int = 0) -> list[Playback]:
        events = self._report(state, unit_index, unheard)
        assert self._reply is not None
        self._over = self._reply.turn_id
        self._reply = None
        self._cue = None
        return events

    def _report(self, state: State, unit_index: int | None = None, unheard: int = 0) -> list[Playback]:
        if self._reply is None:
            return []
        index = max(0, self._index - 1) if unit_index is None else unit_index
        return [Playback(self._reply.turn_id, state, max(0, self._reply.position - unheard), index)]

    def _speaker(self) -> Reply | None:
        """The reply, when it has a full unit or its end to give and may."""
        reply = self._reply
        if reply is None or self._paused or not reply.held:
            return None
        return reply if reply.ended or reply.held >= self.unit_samples else None

    def _padded(self, pcm: Samples) -> Samples:
        return np.pad(pcm, (0, self.unit_samples - len(pcm)))

"""The voice of one stream: what has been pushed and what goes into the next 40 ms. Pure: no clock, no I/O, time is samples.

What comes until the moment a unit leaves counts at once: a pause, a clear or a duck takes the voice away or lowers it, and a
reply begins. A unit holds 40 ms of one reply, or the end of one, or silence; a little word beside all replies may be mixed in.
Where the voice is cut off it fades out, once, where it goes on in the middle it fades in; samples of a fade-out are not counted
as said and come again after `resume`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from services.common.metronome import UNIT_MS
from services.common.playout.emission import FADE_MS, Emission, Playback, State, ramp
from services.common.playout.held import HeldSpeech, Samples
from vivant.errors import Full, InvalidRequest

#: Speech that is held at most, unless whoever owns the playout says otherwise.
HOLD_S: Final = 60
#: A lowered voice is 12 dB softer: clearly below whoever speaks over it, and still to be followed.
LOWERED: Final = 0.25
#: 320 ms: longer than it takes to know whether it is speech; then the voice is held instead, or rises again.
DUCK_UNITS: Final = 320 // UNIT_MS


class Playout:
    """The playback of one stream."""

    def __init__(self, sample_rate_hz: int, hold_s: float = HOLD_S) -> None:
        self.rate = sample_rate_hz
        self.unit_samples = sample_rate_hz * UNIT_MS // 1000
        self._hold_s = hold_s
        self._fade = sample_rate_hz * FADE_MS // 1000
        self._newest = 0
        self._reply: HeldSpeech | None = None
        self._aside: HeldSpeech | None = None
        self._asides = 0
        self._over = 0
        self._paused = False
        self._ducking = 0
        self._index = 0
        self._sounding = 0
        self._gain = 1.0
        self._ending: Samples = np.zeros(self._fade, np.float32)

    @property
    def index(self) -> int:
        """Of the unit that leaves next."""
        return self._index

    @property
    def newest_turn_id(self) -> int:
        """Speech of a turn older than this is stale."""
        return self._newest

    @property
    def turn_id(self) -> int:
        """The reply in hand, said or held or waited for; 0: none."""
        return self._reply.turn_id if self._reply else 0

    @property
    def paused(self) -> bool:
        """The voice is held."""
        return self._paused

    def push(self, turn_id: int, pcm: Samples, start_sample: int) -> list[Playback] | None:
        """Adds speech; None when it is stale and was dropped.

        Raises InvalidRequest when it does not begin where the speech before it ended or comes after `end`, Full when more would
        be held than may be.
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
        if reply.held + len(pcm) > self._hold_s * self.rate:
            raise Full(
                f"at most {self._hold_s:g} s of speech are held; send the rest of turn {turn_id} when more has been played",
                reason="speech_overrun",
            )
        reply.add(pcm)
        return events

    def take_over(self, turn_id: int, position: int) -> None:
        """A reply that somebody else has said up to `position`: its speech is pushed from there on and follows at once."""
        self._advance(turn_id)
        self._reply = HeldSpeech(turn_id, position)
        self._sounding = turn_id if position else 0

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

    def duck(self) -> None:
        """Lowers the voice with the next unit. It rises by itself after 320 ms, or at `resume`."""
        self._ducking = DUCK_UNITS

    def pause(self) -> list[Playback]:
        """Holds the voice at once. Lasts until `resume`, or until the reply is cleared or replaced by a newer one."""
        if self._paused:
            return []
        self._paused = True
        return self._report(State.PAUSED)

    def resume(self) -> list[Playback]:
        """Raises a lowered voice, and lets a held one go on at the sample where it stopped."""
        self._ducking = 0
        if not self._paused:
            return []
        self._paused = False
        return self._report(State.RESUMED)

    def clear(self, newest_turn_id: int, unheard: int = 0) -> list[Playback]:
        """Forgets all speech of turns older than `newest_turn_id`.

        `unheard` samples were emitted but taken back on the way out, where the voice has faded out as well: the position
        reported is smaller by them, and no fade-out follows.
        """
        if unheard:
            self._sounding = 0
        return self._advance(newest_turn_id, unheard)

    def aside(self, pcm: Samples) -> bool:
        """Says a little word beside all replies, at once. False: another one is being said, and this one is not."""
        if self._aside is not None:
            return False
        self._asides += 1
        self._aside = HeldSpeech(-self._asides)
        self._aside.add(pcm)
        self._aside.ended = True
        return True

    @property
    def next(self) -> HeldSpeech | None:
        """What would be said in the next unit if it left now; an aside has a negative turn_id. To be looked at only."""
        return self._speaker() or self._aside

    def emit(self) -> Emission:
        """Lets the next unit go."""
        reply = self._speaker()
        cut = self._sounding if reply is None or reply.turn_id != self._sounding else 0
        if cut:
            ending, self._sounding = self._padded(self._ending), 0
        emission = self._speak(reply) if reply else self._be_silent()
        if cut:
            emission = replace(emission, voice=emission.voice + ending, fading=cut)
        if self._aside:
            emission = replace(emission, aside=self._padded(self._aside.take(self.unit_samples)))
            self._aside = self._aside if self._aside.held else None
        self._ducking = max(0, self._ducking - 1)
        self._index += 1
        return emission

    def _speak(self, reply: HeldSpeech) -> Emission:
        before: list[Playback] = []
        position = reply.position
        if not reply.started:
            before = self._report(State.STARTED)
        elif reply.starved:
            before = self._report(State.RESUMED)
        reply.started, reply.starved = True, False
        pcm = self._padded(reply.take(self.unit_samples))
        following = reply.peek(self._fade)
        tail = np.append(following, np.full(self._fade - len(following), pcm[-1]))
        ducked = self._ducking > 0
        gain = LOWERED if ducked else 1.0
        pcm[: self._fade] *= ramp(self._gain if self._sounding else gain, gain, self._fade)
        pcm[self._fade :] *= gain
        if not self._sounding and position:
            pcm[: self._fade] *= ramp(0, 1, self._fade)
        self._sounding, self._gain = reply.turn_id, gain
        self._ending = tail * ramp(gain, 0, self._fade)
        after = self._close(State.FINISHED, self._index) if reply.ended and not reply.held else []
        return Emission(
            index=self._index,
            voice=pcm,
            turn_id=reply.turn_id,
            turn_sample=position,
            ducked=ducked,
            ending=self._ending,
            before=before,
            after=after,
        )

    def _be_silent(self) -> Emission:
        before: list[Playback] = []
        reply = self._reply
        if reply and reply.started and not (self._paused or reply.starved or reply.ended or reply.held >= self.unit_samples):
            before = self._report(State.STARVED)
            reply.starved = True
        return Emission(index=self._index, voice=np.zeros(self.unit_samples, np.float32), before=before)

    def _advance(self, newest_turn_id: int, unheard: int = 0) -> list[Playback]:
        """Notes the newest turn. A newer one clears an older one's reply, and lifts what was meant for it: a pause, a duck."""
        if newest_turn_id <= self._newest:
            return []
        self._newest = newest_turn_id
        self._paused, self._ducking = False, 0
        return self._close(State.CLEARED, unheard=unheard) if self._reply else []

    def _open(self, turn_id: int) -> HeldSpeech:
        if self._reply is None:
            if self._over == turn_id:
                raise InvalidRequest(f"turn {turn_id} has been played to its end already", reason="speech_after_end")
            self._reply = HeldSpeech(turn_id)
        return self._reply

    def _close(self, state: State, unit_index: int | None = None, unheard: int = 0) -> list[Playback]:
        events = self._report(state, unit_index, unheard)
        assert self._reply is not None
        self._over = self._reply.turn_id
        self._reply = None
        return events

    def _report(self, state: State, unit_index: int | None = None, unheard: int = 0) -> list[Playback]:
        if self._reply is None:
            return []
        index = max(0, self._index - 1) if unit_index is None else unit_index
        return [Playback(self._reply.turn_id, state, max(0, self._reply.position - unheard), index)]

    def _speaker(self) -> HeldSpeech | None:
        """The reply, when it has a full unit or its end to give and may."""
        reply = self._reply
        if reply is None or self._paused or not reply.held:
            return None
        return reply if reply.ended or reply.held >= self.unit_samples else None

    def _padded(self, pcm: Samples) -> Samples:
        return np.pad(pcm, (0, self.unit_samples - len(pcm)))

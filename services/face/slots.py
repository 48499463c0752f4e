"""What there is to draw: the unit that leaves next, as far as it is known before it does. Pure, like the playout.

Each unit is made in two steps. `plan` describes it, so that its picture can be drawn; the playout's `emit` says what really
leaves, at the moment when it does. What comes between the two is heard at once and seen with the next picture: a reply begins
although its first picture still shows a closed mouth, which is how speech begins anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.common.metronome import UNIT_MS
from services.common.playout.playout import Playout
from services.face.annotations import Annotations
from services.face.engine import AHEAD_S, Cue, Look, Phoneme, Slot

#: An expression asked for outside a reply lasts this long unless another comes.
CUE_UNITS: Final = 4000 // UNIT_MS


@dataclass(frozen=True)
class _Expression:
    """An expression that is shown, and what ends it."""

    cue: Cue
    turn_id: int
    """It ends with this reply; 0: with time."""
    until: int
    """The unit before which it ends."""


class Slots:
    """The pictures of one stream, planned."""

    def __init__(self, playout: Playout, ahead_s: float = AHEAD_S) -> None:
        """`ahead_s`: so much of what follows a unit is shown with it."""
        self.look = Look.IDLE
        self._playout = playout
        self._ahead_samples = round(ahead_s * playout.rate)
        self._reply = Annotations(0)
        self._aside = Annotations(0)
        self._shown: _Expression | None = None

    def speech(self, turn_id: int, start_sample: int, phonemes: Sequence[Phoneme] = (), cue: Cue | None = None) -> None:
        """What came with speech that the playout has taken."""
        if turn_id != self._reply.turn_id:
            self._reply = Annotations(turn_id)
        self._reply.add(start_sample, phonemes, cue)

    def aside(self, phonemes: Sequence[Phoneme]) -> None:
        """The sounds of a little word that the playout has taken."""
        self._aside = Annotations(0)
        self._aside.add(0, phonemes, None)

    def express(self, cue: Cue) -> None:
        """Shows an expression from now on, for a few seconds."""
        self._shown = _Expression(cue, 0, self._playout.index + CUE_UNITS)

    def plan(self) -> Slot:
        """The next unit as far as it is known now."""
        playout, said = self._playout, self._playout.next
        pcm, turn_id, position = np.zeros(playout.unit_samples, np.float32), 0, 0
        ahead, ends = np.zeros(0, np.float32), False
        phonemes: Sequence[Phoneme] = ()
        if said is not None:
            turn_id, position = said.turn_id, said.position
            samples = said.peek(playout.unit_samples + self._ahead_samples)
            ends = said.ended and said.held <= len(samples)
            voice, ahead = samples[: playout.unit_samples], samples[playout.unit_samples :]
            pcm[: len(voice)] = voice
            phonemes = (self._reply if turn_id > 0 else self._aside).window(position, playout.rate)
            cue = self._reply.cue_at(position) if turn_id > 0 else None
            self._shown = _Expression(cue, turn_id, 0) if cue else self._shown
        return Slot(
            index=playout.index,
            pcm=pcm,
            sample_rate_hz=playout.rate,
            turn_id=turn_id,
            turn_sample=position,
            phonemes=phonemes,
            look=self.look,
            cue=self._cue(),
            paused=playout.paused,
            ahead=ahead,
            ends=ends,
        )

    def _cue(self) -> Cue | None:
        """The expression of now; "neutral" is none."""
        shown = self._shown
        if shown and (self._playout.turn_id != shown.turn_id if shown.turn_id else self._playout.index >= shown.until):
            self._shown = None
        return self._shown.cue if self._shown and self._shown.cue.name != "neutral" else None

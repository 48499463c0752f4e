"""The user's side of a conversation, as the server hears it: whether they speak, and what still awaits an answer."""

from __future__ import annotations

from typing import Any, Final

from services.speech.engines.hearing import KEPT_S, Hearing

#: Speech begins before a server's detector says so.
_BEFORE_SPEECH_S: Final = 0.3


class User:
    """All samples are on the user's clock, at `rate_hz`."""

    def __init__(self, hearing: Hearing, rate_hz: int) -> None:
        self._hearing = hearing
        self._rate = rate_hz
        self._began: int | None = None
        self._ended: int | None = None
        self._answered = 0
        self.speaking = False

    @property
    def awaits_answer(self) -> bool:
        """They speak, or have spoken a moment ago; what is longer ago was no speech, or nothing to answer."""
        return self._began is not None and self._hearing.next_sample - self._began < KEPT_S * self._rate

    @property
    def has_ended(self) -> bool:
        """They have spoken, and nothing has answered it yet."""
        return self._ended is not None

    def sample_at(self, ms: Any) -> int:
        """The sample that a server names by the milliseconds of its clock; the newest when it names none."""
        return self._hearing.sample_at(ms) if isinstance(ms, int | float) and ms >= 0 else self._hearing.next_sample

    def start(self, sample: int) -> None:
        """Speech began here."""
        self.speaking = True
        self._began = sample if self._began is None else self._began

    def stop(self, sample: int) -> None:
        """It ended here."""
        self.speaking, self._ended = False, sample

    def answer(self) -> int:
        """A reply to it begins: the sample at which the turn was over."""
        at_sample = self._hearing.next_sample if self._ended is None else self._ended
        self._began, self._ended, self._answered = None, None, at_sample
        return at_sample

    def leave(self) -> None:
        """What they have said awaits no answer."""
        self._began, self._answered = None, self._hearing.next_sample

    def resume_from(self, slack_samples: int) -> int:
        """From where on another connection hears: the beginning of unanswered speech, or a little before now."""
        if self._began is not None and self.awaits_answer:
            return self._began - round(_BEFORE_SPEECH_S * self._rate)
        return max(self._answered, self._hearing.next_sample - slack_samples)

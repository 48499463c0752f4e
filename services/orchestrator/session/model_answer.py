"""The reply to one contribution that a speech model is to give, and gives: performed from its first sound on.

The dialog machine is told of its words as of any reply's, so that it hears when one does not go on. What the model says of it
before it sounds is kept until then: only what is heard is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution, ms
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.proposals import Proposal
from services.orchestrator.speaking.model_reply import ModelReply
from services.orchestrator.speaking.spread import Spread
from services.orchestrator.speaking.stage import Stage
from vivant.speech.v1 import speech_pb2

#: A face holds 60 s; a reply that is still further ahead of what was heard ends there.
_MOST_AHEAD_S: Final = 50
#: So often at most the dialog machine is told that more of a reply has come, when no text says it.
_ALIVE_EVERY: Final = ms(1000)


class ModelAnswer:
    """`on_silent` is told why nothing is heard of it, in a few words; `on_endless`, that no more of it can be taken."""

    def __init__(
        self,
        turn_id: int,
        said: Contribution,
        context: SessionContext,
        stage: Stage,
        spread: Spread,
        *,
        rate_hz: int,
        on_silent: Callable[[str], None],
        on_endless: Callable[[], None],
    ) -> None:
        self.turn_id = turn_id
        self.said = said
        self.model: Proposal | None = None
        """The turn of the model's, once it has begun."""
        self.sounding = False
        self.over = False
        """Nothing more comes."""
        self._context = context
        self._stage = stage
        self._rate_hz = rate_hz
        self._on_silent = on_silent
        self._on_endless = on_endless
        self._reply = ModelReply(turn_id, spread, on_audio=stage.on_audio, on_end=stage.on_source_end, on_words=stage.place)
        self._untold = ""
        self._alive_at = 0
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def letter_s(self) -> float:
        """How long a letter of this voice takes."""
        return self._reply.letter_s

    def wait(self, seconds: float, then: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        """Something follows, unless something of it is heard before."""
        timer = asyncio.get_running_loop().call_later(seconds, then, *arguments)
        self._timers.append(timer)
        return timer

    def stop_waiting(self) -> None:
        """Nothing is waited for."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def take(self, proposal: Proposal) -> None:
        """This turn of the model's is the reply."""
        self.model = proposal
        proposal.adopt(self._deliver)

    def end(self) -> None:
        """It is complete as it is."""
        self.over = True
        self._context.feed(ev.ReplyDone(self._context.now(), self.turn_id))

    def break_off(self) -> None:
        """It cannot go on: what was said of it stands."""
        self.over = True
        self._context.feed(ev.ReplyFailed(self._context.now(), self.turn_id, retryable=False))

    def played(self, *, whole: bool = False) -> speech_pb2.Played | None:
        """How much of it has been heard by now, or all of it; None: nothing can be told."""
        if self.model is None or not self.sounding:
            return None
        position = self._reply.samples if whole else self._stage.position
        return speech_pb2.Played(turn_id=self.model.turn_id, position_samples=position)

    def _deliver(self, kind: str, message: Any) -> None:
        if self.over:
            return
        match kind:
            case "text" if self.sounding:
                self._tell(message.text)
            case "text":
                self._untold += message.text
            case "speech":
                self._sound(message)
            case "done":
                self._done(message)

    def _sound(self, speech: Any) -> None:
        if not self.sounding:
            self.sounding = True
            self.stop_waiting()
            self._stage.perform(self._reply)
            self._tell(self._untold)
        elif self._context.now() - self._alive_at > _ALIVE_EVERY:
            self._tell("")
        self._reply.sound(speech)
        if self._reply.samples - self._stage.reply.sent_samples > _MOST_AHEAD_S * self._rate_hz:
            self.end()
            self._on_endless()

    def _tell(self, text: str) -> None:
        """More text of it; without any, that there is more of it."""
        self._alive_at = self._context.now()
        self._reply.tell(text)
        self._context.feed(ev.ReplyText(self._alive_at, self.turn_id, text))

    def _done(self, done: Any) -> None:
        failed = done.ending == speech_pb2.ENDING_FAILED
        if self.sounding:
            (self.break_off if failed else self.end)()
        elif failed:
            self._on_silent(done.message or done.reason)
        else:
            # It has withdrawn; until its time is over it may think of something else.
            self.model, self._untold = None, ""

"""The Realtime protocol as a pure translation: what Vivant reports and what the client asks, into events and actions.

Knows no sockets and no clock. Events are in GA spelling; actions are what is to be done in the conversation, in their order.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import vivant
from services.gateway.realtime import events as ce
from services.gateway.realtime.actions import Await, EndTurn, Forget, Out, Reopen, Say, Sound
from services.gateway.realtime.config import Config
from services.gateway.realtime.hearing import Hearing
from services.gateway.realtime.items import Event, Items, error, event
from services.gateway.realtime.queue import Queue
from services.gateway.realtime.replies import Replies, truncated
from services.gateway.realtime.reply import Question, Reply
from services.gateway.realtime.terms import Terms
from services.gateway.realtime.texts import Texts
from services.gateway.realtime.wrong import ClientError
from vivant.events import Severity, State

#: Of a response to sound in which no words were recognised.
_UNHEARD: Final = {
    "type": "invalid_request_error",
    "code": "nothing_heard",
    "message": "No words were heard in this sound, so there is no answer.",
}


class Realtime:
    """One Realtime session. `hear` takes events of Vivant, `follow` those of the client."""

    def __init__(self, asked_model: str = "", *, beta: bool = False) -> None:
        self.terms = Terms(asked_model, beta=beta)
        self.asked: ce.ResponseOptions | None = None
        """A response that was asked for and has not begun."""
        self._items = Items()
        self._hearing = Hearing(self._items)
        self._texts = Texts(self._items)
        self._replies = Replies(self._items)
        self._typed = ""
        self._awaits_words = False
        self._cancel_next = False
        self._queue = Queue()
        self._paused_at: int | None = None

    @property
    def config(self) -> Config:
        """What the session is set to."""
        return self.terms.config

    # --- what Vivant reports ------------------------------------------------------------------------------------------

    def opened(self, ready: vivant.Ready, waiting_samples: int = 0) -> list[Out]:
        """A conversation is open: the first, or one that goes on with it."""
        first = self.terms.ready is None
        self.terms.ready = ready
        self._hearing.restart(waiting_samples)
        if not first:
            return []
        conversation = {"id": self.terms.conversation_id, "object": "realtime.conversation"}
        return [
            event("session.created", session=self.terms.shown()),
            event("conversation.created", conversation=conversation),
        ]

    def hear(self, happened: vivant.Event, position: int = 0) -> list[Out]:
        """Something happened in the conversation, when the microphone was at this sample."""
        return [*self._heard(happened, position), *self._go_on()]

    def _heard(self, happened: vivant.Event, position: int) -> list[Out]:  # noqa: PLR0911 - one line for each event
        match happened:
            case vivant.Transcript(typed=False):
                return self._on_words(happened)
            case vivant.StateChanged():
                return self._on_state(happened, position)
            case vivant.Caption():
                reply = self._replies.wanted(happened.turn_id)
                return [*reply.caption(happened)] if reply else []
            case vivant.Unit() if happened.turn_id:
                return self._on_unit(happened)
            case vivant.Turn():
                return self._on_turn(happened)
            case vivant.Notice() if happened.severity is not Severity.INFO and happened.ability != "face":
                return [error("server_error", happened.reason, happened.message)]
        return []

    def give_up(self) -> list[Out]:
        """No words have come for a while: what was said is complete, and a response that waits for words is over unbegun."""
        return [*self._unheard(), *self._go_on()]

    def _unheard(self) -> list[Out]:
        if self.asked is None or not self._awaits_words:
            return [*self._hearing.complete()]
        events, question = self._hearing.answered()
        reply = self._reply(0, question)
        if self._cancel_next:
            self._cancel_next, reply.cancelled_by = False, "client_cancelled"
            return [*events, *reply.created(), *reply.finish("cancelled")]
        return [*events, *reply.created(), *reply.finish("failed", error=_UNHEARD)]

    def _on_words(self, heard: vivant.Transcript) -> list[Out]:
        reply = self._replies.active
        if reply and reply.begun and not self.config.manual:
            # Said over the persona: it counts when it turns out to be an interruption.
            self._paused_at = self._paused_at or heard.start_sample
            return []
        events = self._hearing.words(heard)
        if heard.final and heard.text.strip() and self.config.turn_detection and self.config.manual:
            # The persona found that it is over, so these are its words; whether it is answered the client decides.
            events += self._hearing.commit() + self._hearing.complete()
        return [*events]

    def _on_unit(self, unit: vivant.Unit) -> list[Out]:
        reply = self._replies.wanted(unit.turn_id)
        if reply is None or not reply.spoken:
            return []
        return [*reply.unit(unit, base64.b64encode(self.terms.encoder.encode(unit.pcm)).decode())]

    def _on_state(self, change: vivant.StateChanged, position: int) -> list[Out]:
        match change.state:
            case State.PAUSED:
                self._paused_at = position
            case State.SPEAKING:
                self._paused_at = None
            case State.THINKING:
                return self._begin(change.turn_id)
            case State.LISTENING if reply := self._replies.active:
                # Nothing was audible: the user went on speaking, or the client asked for the end.
                self._paused_at = self._paused_at or position
                return self._break_off(reply, "")
        return []

    def _begin(self, turn_id: int) -> list[Out]:
        """The persona has begun to think about what was said."""
        events, question = self._hearing.answered()
        reply = self._reply(turn_id, question)
        self._replies.add(reply)
        self.terms.encode_anew()
        out: list[Out] = [*events, *reply.created()]
        if self._cancel_next:
            self._cancel_next = False
            out += self._replies.cancel(None)
        return out

    def _reply(self, turn_id: int, question: Question) -> Reply:
        """A reply in the manner that was asked for; nothing is asked for any more."""
        options, self.asked = self.asked or ce.ResponseOptions(), None
        typed, self._typed = self._typed, ""
        return Reply(turn_id, self.terms.manner(options), self._items, Question(typed) if typed else question)

    def _go_on(self) -> list[Out]:
        """What was held back until the response before it was over."""
        outs: list[Out] = []
        while self._queue and not self._replies.active and not self.asked:
            held = self._queue.next()
            options = held.asked.response or ce.ResponseOptions()
            if held.cancelled:
                reply = Reply(0, self.terms.manner(options), self._items, Question())
                reply.cancelled_by = "client_cancelled"
                outs += [*reply.created(), *reply.finish("cancelled")]
                continue
            try:
                outs += self._respond(options, 0)
            except ClientError as exc:
                about = held.asked.event_id
                outs.append(error("invalid_request_error", exc.code, exc.message, param=exc.param, event_id=about))
        return outs

    def _on_turn(self, turn: vivant.Turn) -> list[Out]:
        reply = self._replies.active
        if reply is None or turn.turn_id < reply.turn_id:
            self._replies.correct(turn.turn_id, turn.heard_text)
            return []
        if turn.interrupted:
            return self._break_off(reply, turn.heard_text)
        return [*reply.finish("completed"), *truncated(reply)]

    def _break_off(self, reply: Reply, heard_text: str) -> list[Out]:
        events: list[Event] = []
        if not reply.cancelled_by:
            reply.cancelled_by = "client_cancelled" if self.config.manual else "turn_detected"
            if not self.config.manual:
                events += self._hearing.start(self._paused_at or 0)
        self._paused_at = None
        return [*events, *reply.finish("cancelled", heard_text), *truncated(reply)]

    # --- what the client asks -----------------------------------------------------------------------------------------

    def follow(self, asked: ce.AnyEvent, waiting_ms: int = 0) -> list[Out]:  # noqa: PLR0911 - one line for each event
        """The client asks for something, while so much of its sound waits; raises ClientError."""
        match asked:
            case ce.SessionUpdate():
                return self._update(asked.session)
            case ce.Append():
                return self._append(asked)
            case ce.Commit():
                return [*self._hearing.commit(), Await()]
            case ce.Clear():
                return self._clear()
            case ce.CreateItem():
                return [*self._texts.create(asked)]
            case ce.Truncate():
                return self._replies.truncate(asked)
            case ce.Delete():
                return [*self._texts.delete(asked.item_id)]
            case ce.Retrieve():
                return [event("conversation.item.retrieved", item=self._items.get(asked.item_id).shown())]
            case ce.CreateResponse():
                return self._create(asked, waiting_ms)
            case ce.CancelResponse():
                return self._cancel(asked.response_id)
            case ce.ClearOutput():
                return self._replies.clear_output()

    def take_back(self, sound: Sound) -> None:
        """There was no room for this."""
        self._hearing.append(-(len(sound.pcm) // 2))

    def forgot(self, samples: int) -> None:
        """The sound that was not committed was dropped; so many samples of it had not been passed on."""
        self._hearing.forget(samples)

    def _update(self, wishes: dict[str, Any]) -> list[Out]:
        config, beta = self.terms.wished(wishes)
        changes_turns = config.manual != self.config.manual
        if changes_turns and (self._replies.active or self.asked or self._queue):
            raise ClientError(
                "response_in_progress",
                "How turns are taken can be changed when the response is over; cancel it or wait, then send this again.",
                param="session.turn_detection" if beta else "session.audio.input.turn_detection",
            )
        self.terms.agree(config, beta=beta)
        self._hearing.detects = bool(config.turn_detection)
        self._hearing.transcribed = config.transcribed
        updated = event("session.updated", session=self.terms.shown())
        return [Reopen(config.manual), updated] if changes_turns else [updated]

    def _append(self, asked: ce.Append) -> list[Out]:
        pcm = self.terms.decoded(asked.data())
        self._hearing.append(len(pcm) // 2)
        return [Sound(pcm)] if pcm else []

    def _clear(self) -> list[Out]:
        cleared = event("input_audio_buffer.cleared")
        if self.config.manual and self._hearing.uncommitted and not (self._replies.active or self.asked):
            # Some of it has been heard already, and would be answered with what comes next.
            return [Forget(), Reopen(manual=True), cleared]
        return [Forget(), cleared]

    def _create(self, asked: ce.CreateResponse, waiting_ms: int) -> list[Out]:
        reply = self._replies.active
        ending = reply.cancelled_by if reply else self.asked and self._cancel_next
        if ending or self._queue:
            self._queue.hold(asked)
            return []
        return self._respond(asked.response or ce.ResponseOptions(), waiting_ms)

    def _cancel(self, response_id: str | None) -> list[Out]:
        if self._queue.wanted and not response_id:
            self._queue.cancel()
            return []
        if self.asked and not self._cancel_next and not response_id:
            self._cancel_next = True
            return []
        return self._replies.cancel(response_id)

    def _respond(self, options: ce.ResponseOptions, waiting_ms: int) -> list[Out]:
        if self._replies.active or self.asked:
            raise ClientError(
                "conversation_already_has_active_response",
                "There is an active response: wait for its response.done, or cancel it.",
            )
        unanswered = self.config.manual and self._hearing.awaits_answer
        if not self._texts and not self.config.manual and (self._hearing.speaking or waiting_ms > 1000):
            # It will be answered anyway, as soon as the persona finds that it is over.
            self.asked, self._awaits_words = options, True
            return [Await()]
        # Who brings the question along in `input` does not wait for a greeting.
        greets = not self._replies and self.terms.ready and self.terms.ready.persona.greeting and not options.rest.get("input")
        if not (self._texts or unanswered or greets):
            raise ClientError(
                "nothing_to_answer",
                "There is nothing new to answer: add a text with conversation.item.create, or commit sound. "
                "Items in `input` are not taken.",
                param="response.input" if options.rest.get("input") else None,
            )
        self.asked, self._awaits_words = options, unanswered and not self._texts
        if self._texts:
            self._typed = self._texts.take()
            waits = "There were a text and sound to answer: this response answers the text, the next one the sound."
            return [Say(self._typed), *([error("invalid_request_error", "sound_waits", waits)] if unanswered else [])]
        return [EndTurn()] if unanswered else [Reopen(self.config.manual, greeting=True)]

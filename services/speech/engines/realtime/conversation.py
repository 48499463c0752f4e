"""The Realtime protocol as a pure translation: what the server reports into events, what is asked here into messages for it.

Knows no sockets. Messages wait in `outbox` in their order. A model that takes turns by itself, as its `capabilities` say, tells
when it speaks and when it listens; of the others a response is the proposal to speak.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from services.common.logs import get_logger
from services.speech.engine import Action, ConversationConfig, Done, Ending, Event, Floor, Noted, Said, Speech, Words
from services.speech.engines.hearing import Hearing
from services.speech.engines.realtime import messages
from services.speech.engines.realtime.messages import GA_NAMES, SILENT, SPEECH_HZ, Message
from services.speech.engines.realtime.responses import Response, Responses
from services.speech.engines.realtime.telling import Telling
from services.speech.engines.realtime.user import User
from services.speech.engines.record import Reply
from services.speech.settings import RealtimeOptions
from vivant.errors import VivantError

_log = get_logger(__name__)

#: What a server says that has no more room, or money, for now.
_FULL: Final = frozenset({"rate_limit_exceeded", "insufficient_quota"})
#: How much of a reply is heard between two reports of it.
_ACK_EVERY: Final = SPEECH_HZ // 5


@dataclass
class Conversation:
    """One conversation, over all of its connections."""

    config: ConversationConfig
    options: RealtimeOptions
    hearing: Hearing
    outbox: list[Message] = field(default_factory=list)
    finishing: bool = False
    """No reply begins any more."""
    _capabilities: dict[str, Any] = field(default_factory=dict)
    _turn_id: int = 0
    _responses: Responses = field(default_factory=Responses)
    _epoch: int = 0
    _odd: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._telling = Telling(self.config)
        self._user = User(self.hearing, self.config.input_rate_hz)

    # --- connections ----------------------------------------------------------------------------------------------------

    @property
    def instructions(self) -> str:
        """Who the persona is, what it should know, and what was said where the server takes that in no other way."""
        return self._telling.instructions

    def opened(self, capabilities: dict[str, Any], instructions: str) -> None:
        """Another connection, whose session has these instructions: all that was said is told again."""
        self._capabilities, self._epoch, self._user.speaking = capabilities, 0, False
        self._responses.clear()
        self.outbox[:] = self._telling.opening()
        if instructions != self.instructions:
            # More has become known meanwhile.
            self.outbox.append(messages.instructions_update(self.instructions))

    def broken(self, error: VivantError) -> list[Event]:
        """The connection was lost, and with it the replies in hand."""
        ended: list[Event] = [each.fail(error.reason, error.message) for each in self._responses.in_hand]
        self._responses.clear()
        return ended

    def resume_from(self, slack_samples: int) -> int:
        """The user's sample from which another connection hears; see User."""
        return self._user.resume_from(slack_samples)

    @property
    def duplex(self) -> bool:
        """The model takes turns by itself."""
        return bool(self._capabilities)

    @property
    def in_hand(self) -> bool:
        """A reply has begun and is not over."""
        return bool(self._responses.in_hand)

    @property
    def quiet(self) -> bool:
        """Nobody would miss the connection."""
        return not self.in_hand and not self._user.speaking and not self._user.awaits_answer

    # --- what is asked here ---------------------------------------------------------------------------------------------

    def know(self, text: str) -> None:
        """See Session."""
        # Models that talk while they listen have no place between two turns for an item.
        self.outbox.append(self._telling.know(text, by_item=not self.duplex))

    def note(self, said: Said) -> None:
        """See Session."""
        self._telling.note(said)

    def respond(self, text: str) -> None:
        """See Session. Who takes turns by itself cannot be asked, and a server that has found the end answers anyway."""
        if text:
            self._telling.note(Said(text, by_persona=False))
        if self.duplex or self.in_hand or (not text and self._user.has_ended):
            return
        if text:
            self.outbox.append(messages.typed(text))
        elif self._user.speaking:
            self.outbox.append(messages.COMMIT)
        self.outbox.append(messages.RESPOND)

    def played(self, turn_id: int, position_samples: int) -> None:
        """See Session."""
        for each in self._responses:
            if each.reply is None or each.reply.turn_id != turn_id:
                continue
            each.reply.played = max(each.reply.played, min(position_samples, each.reply.samples))
            news = each.reply.played - each.acknowledged
            if self._acknowledges and (news >= _ACK_EVERY or (news and each.over and not each.reply.sounding)):
                each.acknowledged = each.reply.played
                self.outbox.append(messages.acknowledge(each.id, each.item_id, messages.in_ms(each.reply.played)))

    def clear(self, newest_turn_id: int) -> None:
        """See Session: the server stops, and forgets what was not heard."""
        for each in self._responses:
            reply = each.reply
            if reply is None or reply.turn_id >= newest_turn_id or not (each.in_hand or reply.sounding):
                continue
            reply.cleared = True
            if not each.over:
                self.outbox.append(messages.cancel(each.id))
            if each.item_id and self._capabilities.get("supports_audio_truncate", not self.duplex):
                self.outbox.append(messages.truncate(each.item_id, messages.in_ms(reply.played)))
            elif self._acknowledges:
                self.outbox.append(messages.acknowledge(each.id, each.item_id, messages.in_ms(reply.played)))

    def late(self) -> list[Event]:
        """The server leaves the replies in hand without a word."""
        left = self._responses.in_hand
        self.outbox += [messages.cancel(each.id) for each in left]
        waited = f"the server has sent nothing more of it for {self.options.reply_timeout_s:g} s"
        return [each.fail("model_timeout", waited) for each in left]

    @property
    def _acknowledges(self) -> bool:
        return self.duplex and bool(self._capabilities.get("supports_playback_ack", True))

    # --- what the server reports ----------------------------------------------------------------------------------------

    def on(self, event: Any) -> Iterator[Event]:
        """One event of the server."""
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str):
            yield from self._unknown("no event")
        elif kind not in SILENT and self._is_fresh(event):
            yield from self._on_known(GA_NAMES.get(kind, kind), event)

    def _is_fresh(self, event: Message) -> bool:
        """Whether it was decided after the last interruption, as far as it says."""
        epoch = event.get("epoch")
        if isinstance(epoch, int):
            if epoch < self._epoch:
                return False
            self._epoch = epoch
        return True

    def _on_known(self, kind: str, event: Message) -> Iterator[Event]:
        match kind:
            case "input_audio_buffer.speech_started":
                self._user.start(sample := self._user.sample_at(event.get("audio_start_ms")))
                yield from self._yield(sample)
            case "input_audio_buffer.speech_stopped":
                self._user.stop(self._user.sample_at(event.get("audio_end_ms")))
            case "conversation.item.input_audio_transcription.completed":
                if isinstance(words := event.get("transcript"), str):
                    self._telling.heard(words)
            case "response.listen":
                yield from self._on_listen(event)
            case "overlap.decision":
                if event.get("action") in ("barge_in", "listen"):
                    yield from self._yield(self.hearing.next_sample)
            case "error":
                yield from self._on_error(event)
            case _ if kind.startswith("response."):
                yield from self._on_response(kind, event)
            case _:
                yield from self._unknown(kind)

    def _on_response(self, kind: str, event: Message) -> Iterator[Event]:
        about = messages.inside(event, "response")
        response_id = event.get("response_id") or about.get("id")
        if not isinstance(response_id, str):
            yield from self._unknown(kind)
            return
        response = self._responses.get(response_id)
        response.item_id = response.item_id or str(event.get("item_id") or "")
        match kind:
            case "response.created":
                # A model that takes turns by itself may still decide to listen.
                if not self.duplex:
                    yield from self._take(response)
            case "response.speak":
                yield from self._take(response)
            case "response.output_audio.delta":
                yield from self._on_sound(response, event)
            case "response.output_audio_transcript.delta":
                if isinstance(delta := event.get("delta"), str) and delta:
                    yield from self._take(response)
                    if response.reply:
                        response.reply.text += "" if response.reply.cleared else delta
                        yield Words(response.reply.turn_id, delta)
            case "response.done":
                yield from self._on_done(response, about)
            case _:
                yield from self._unknown(kind)

    def _take(self, response: Response) -> Iterator[Event]:
        """The model proposes to speak."""
        if response.reply or response.over:
            return
        if self.finishing:
            response.over = True
            self.outbox.append(messages.cancel(response.id))
            return
        self._turn_id += 1
        response.reply = Reply(self._turn_id)
        self._telling.reply(response.reply)
        yield Floor(self._turn_id, Action.TAKE, self._user.answer())

    def _on_sound(self, response: Response, event: Message) -> Iterator[Event]:
        try:
            sound = response.rest + base64.b64decode(event.get("delta") or "", validate=True)
        except (binascii.Error, ValueError, TypeError):
            yield from self._unknown("sound that is no base64")
            return
        response.rest = sound[len(sound) // 2 * 2 :]
        pcm = sound[: len(sound) // 2 * 2]
        yield from self._take(response)
        if pcm and response.reply:
            response.reply.samples += 0 if response.reply.cleared else len(pcm) // 2
            yield Speech(response.reply.turn_id, pcm)

    def _on_done(self, response: Response, about: Message) -> Iterator[Event]:
        if response.over or response.reply is None:
            response.over = True
            return
        details = messages.inside(about, "status_details")
        match about.get("status"):
            case "cancelled":
                response.over = True
                response.reply.cleared = True
                yield Done(response.reply.turn_id, Ending.YIELDED)
            case "failed":
                error = messages.inside(details, "error")
                reason = "model_full" if error.get("code") in _FULL else "model_failed"
                yield response.fail(reason, str(error.get("message") or "the server does not say why"))
            case "incomplete":
                withheld = details.get("reason") == "content_filter"
                reason = "reply_withheld" if withheld else "reply_broke_off"
                yield response.fail(reason, f"the server has ended it: {details.get('reason') or 'it does not say why'}")
            case _:
                response.over = True
                yield Done(response.reply.turn_id, Ending.COMPLETE)

    def _on_listen(self, event: Message) -> Iterator[Event]:
        """The model goes on listening: what was said awaits no answer."""
        self._user.leave()
        named = event.get("response_id")
        response = self._responses.get(named) if isinstance(named, str) else None
        if response and response.reply is None:
            response.over = True
        # It says so for each second that it listens, also while a reply that was made before is still heard.
        for each in self._responses.in_hand[-1:]:
            assert each.reply
            yield Floor(each.reply.turn_id, Action.YIELD, self.hearing.next_sample)

    def _yield(self, sample: int) -> Iterator[Event]:
        """The model proposes to let the user speak, if anything of it is to be heard."""
        if reply := self._responses.sounding:
            yield Floor(reply.turn_id, Action.YIELD, sample)

    def _on_error(self, event: Message) -> Iterator[Event]:
        error = messages.inside(event, "error") or event
        self.outbox += self._telling.refused(str(error.get("event_id") or ""))
        _log.warning("refused_by_server", code=error.get("code"), detail=str(error.get("message") or error.get("error"))[:200])
        yield Noted("refused")

    def _unknown(self, kind: str) -> Iterator[Event]:
        if kind not in self._odd:
            self._odd.add(kind)
            _log.info("unknown_event", kind=kind[:80])
        yield Noted("unknown")

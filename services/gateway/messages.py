"""The JSON messages between a page and the gateway; MESSAGES.md has the table.

Events of a session become messages, messages of a page become the few things that one can do in a conversation.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

import vivant
from services.gateway.page import MAX_TEXT
from vivant.errors import Full, InvalidRequest
from vivant.formats import FRAMES_PER_SECOND

Message = dict[str, Any]

#: A message of a page has at most so many bytes.
MAX_BYTES: Final = 16 * 1024
#: What somebody is called has at most so many characters.
MAX_NAME: Final = 64
#: A page is told so often where in a reply the voice is.
CLOCK_S: Final = 1.0
#: Messages a second in the long run, and how many may come at once.
RATE: Final = 20.0
BURST: Final = 60.0


class _Incoming(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TextMessage(_Incoming):
    type: Literal["text"]
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class NameMessage(_Incoming):
    type: Literal["name"]
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class InterruptMessage(_Incoming):
    type: Literal["interrupt"]


class PlayedMessage(_Incoming):
    type: Literal["played"]
    audio_rtp: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class PingMessage(_Incoming):
    type: Literal["ping"]
    t: Annotated[float, Field(allow_inf_nan=False)]


class LeaveMessage(_Incoming):
    type: Literal["leave"]


Incoming = TextMessage | NameMessage | InterruptMessage | PlayedMessage | PingMessage | LeaveMessage
_INCOMING: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])


def parse(data: str | bytes) -> Incoming:
    """One message of a page; raises InvalidRequest with what is wrong about it."""
    size = len(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else len(data)
    if size > MAX_BYTES:
        raise Full(f"a message has at most {MAX_BYTES} bytes, this one has {size}", reason="too_large")
    try:
        return _INCOMING.validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidRequest(f"this message cannot be understood: {where} {first['msg']}", reason="bad_message") from exc


class Clock:
    """Tells a page where in which reply the voice is: when that is not what it was told before, and now and then anyway."""

    def __init__(self, voice_rate_hz: int) -> None:
        self._samples_per_ms = voice_rate_hz / 1000
        self._told: tuple[int, int] | None = None
        self._next = 0.0

    def is_due(self, unit: vivant.Unit, now: float) -> bool:
        """Whether the page must be told about this unit; `now` in seconds."""
        return self._line(unit) != self._told or now >= self._next

    def of(self, unit: vivant.Unit, now: float, **place: int) -> Message:
        """The message: `place` is where this unit begins on the connection."""
        self._told, self._next = self._line(unit), now + CLOCK_S
        turn_ms = round(unit.turn_sample / self._samples_per_ms)
        return {"type": "clock", "unit": unit.index, **place, "turn_id": unit.turn_id, "turn_ms": turn_ms}

    @staticmethod
    def _line(unit: vivant.Unit) -> tuple[int, int]:
        """Which reply, and where it would have begun if it had never been held up; 0 when nothing is being said."""
        return unit.turn_id, unit.start_sample - unit.turn_sample if unit.turn_id else 0


class Writer:
    """Session events as messages."""

    def __init__(self, voice_rate_hz: int) -> None:
        self._samples_per_ms = voice_rate_hz / 1000

    def of(self, event: vivant.Event) -> Message | None:
        """None for units, which are media, and for what a page gets in another way."""
        message: Message | None = None
        match event:
            case vivant.StateChanged(state=state, turn_id=turn_id):
                message = {"type": "state", "state": state.value, "turn_id": turn_id}
            case vivant.Transcript():
                message = _transcript(event)
            case vivant.Participant():
                message = {"type": "participant", **_participant(event)}
            case vivant.Relabelled(from_id=from_id, to_id=to_id):
                message = {"type": "relabel", "from_id": from_id, "to_id": to_id}
            case vivant.Left(participant_id=participant_id):
                message = {"type": "left", "participant_id": participant_id}
            case vivant.Caption():
                message = {
                    "type": "caption",
                    "turn_id": event.turn_id,
                    "text": event.text,
                    "words": list(map(self._word, event.words)),
                    "answers": list(event.answers),
                }
            case vivant.Turn():
                message = {
                    "type": "turn",
                    "turn_id": event.turn_id,
                    "heard_text": event.heard_text,
                    "full_text": event.full_text,
                    "interrupted": event.interrupted,
                    "utterance_id": event.utterance_id,
                    "answers": list(event.answers),
                    "sources": [{"id": each.id, "question": each.question, "text": each.text} for each in event.passages],
                }
            case vivant.Metrics(turn_id=turn_id, stages=stages):
                stages_ms = [[stage.name, round(stage.at_ms)] for stage in stages]
                message = {"type": "metrics", "turn_id": turn_id, "stages": stages_ms}
            case vivant.Notice():
                message = notice(event.severity.value, event.reason, event.message, event.ability)
            case vivant.Backchannel(text=text, nod=nod):
                message = {"type": "backchannel", "text": text, "nod": nod}
        return message

    def _word(self, word: vivant.Word) -> list[Any]:
        per_ms = self._samples_per_ms
        return [word.text, round(word.start_sample / per_ms), round(word.end_sample / per_ms)]


def ready(opened: vivant.Ready, participants: vivant.Participants, token: str, *, resumed: bool) -> Message:
    """The first message of a connection: who is there, the persona and the people, and what will be sent."""
    video = opened.video
    people = [each for each in participants if each.kind is vivant.ParticipantKind.PERSON]
    [own] = [each for each in people if participants.is_own(each.id)]
    return {
        "type": "ready",
        "persona": {
            "id": opened.persona.id,
            "name": opened.persona.name,
            "description": opened.persona.description,
            "disclosure": opened.persona.disclosure,
        },
        "conversation_id": opened.conversation_id,
        "participant": _participant(own),
        "others": [_participant(each) for each in people if each is not own],
        "token": token,
        "resumed": resumed,
        "missing": list(opened.missing),
        "voice_rate_hz": opened.voice_rate_hz,
        "video": {"codec": video.codec, "size_px": video.size_px, "frames_per_second": FRAMES_PER_SECOND} if video else None,
    }


def _participant(who: vivant.Participant) -> Message:
    return {"id": who.id, "name": who.name, "kind": who.kind.value}


def _transcript(event: vivant.Transcript) -> Message:
    return {
        "type": "transcript",
        "utterance_id": event.utterance_id,
        "final": event.final,
        "text": event.text,
        "stable_text": event.stable_text,
        "participant_id": event.participant_id,
        "addressees": [each.participant_id for each in event.addressees],
        "language": event.language,
        "typed": event.typed,
    }


def notice(severity: str, reason: str, message: str, ability: str | None = None) -> Message:
    return {"type": "notice", "severity": severity, "reason": reason, "message": message, "ability": ability}


def bye(reason: str, message: str) -> Message:
    return {"type": "bye", "reason": reason, "message": message}


def dumps(message: Message) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))

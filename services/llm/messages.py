"""vivant.llm.v1 as dataclasses and back: what messages may hold, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.llm.memory.store import Addressee, Entry, Participant
from services.llm.persona.persona import Conversing, Persona
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest
from vivant.llm.v1 import llm_pb2
from vivant.persona.v1 import persona_pb2

#: The longest text of one message.
MAX_TEXT: Final = 4000
#: The contract's bound for participants; others have it too.
MAX_ID: Final = 64
_MAX_NAME: Final = 64
#: More people than meet on a call; each costs a look into the memory.
_MAX_ADDRESSEES: Final = 32
#: The store's numbers are signed.
_MAX_TURN: Final = 2**63 - 1


def turn_of(turn_id: int) -> int:
    if not 0 < turn_id <= _MAX_TURN:
        raise InvalidRequest("turn_id must be 1 or more, below 2^63, and higher for each new turn", reason="no_turn")
    return turn_id


def identifier(given: str) -> str:
    """An id, which may be empty."""
    if len(given) > MAX_ID:
        raise InvalidRequest(f"an id has at most {MAX_ID} characters, this one has {len(given)}", reason="id_too_long")
    return given


def participant_id(given: str) -> str:
    if not given:
        raise InvalidRequest("participant_id is missing: who speaks, or is meant, is told by an id", reason="no_participant")
    return identifier(given)


def participant_ids(given: Sequence[str]) -> list[str]:
    """Of those who may be meant, each once."""
    if len(given) > _MAX_ADDRESSEES:
        raise InvalidRequest(
            f"at most {_MAX_ADDRESSEES} may be meant by an utterance, not {len(given)}", reason="too_many_addressees"
        )
    return list(dict.fromkeys(map(participant_id, given)))


def participant(message: common_pb2.Participant) -> Participant:
    if len(message.name) > _MAX_NAME:
        raise InvalidRequest(f"a participant's name has at most {_MAX_NAME} characters", reason="name_too_long")
    is_persona = message.kind == common_pb2.PARTICIPANT_KIND_PERSONA
    return Participant(participant_id(message.id), message.name, is_persona)


def text_of(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise InvalidRequest(
            f"a text has at most {MAX_TEXT} characters, this one has {len(text)}; say it in several contributions",
            reason="text_too_long",
        )
    return text


def entry(said: common_pb2.Utterance, session_id: str, turn_id: int = 0) -> Entry:
    """What somebody has said."""
    participant_ids([each.participant_id for each in said.addressees])
    return Entry(
        participant_id=participant_id(said.participant_id),
        text=text_of(said.text),
        id=_utterance_id(said.id),
        addressees=tuple(
            Addressee(each.participant_id, each.probability if each.HasField("probability") else None)
            for each in said.addressees
        ),
        language=_given(said, "language"),
        started_unix_us=_given(said, "started_unix_us"),
        ended_unix_us=_given(said, "ended_unix_us"),
        session_id=session_id,
        turn_id=turn_id,
    )


def utterance(said: Entry) -> common_pb2.Utterance:
    """An entry as others see it."""
    return common_pb2.Utterance(
        id=said.id,
        participant_id=said.participant_id,
        text=said.text,
        addressees=[
            common_pb2.Addressee(participant_id=each.participant_id, probability=each.probability) for each in said.addressees
        ],
        language=said.language,
        started_unix_us=said.started_unix_us,
        ended_unix_us=said.ended_unix_us,
    )


def heard(message: llm_pb2.Heard, persona_id: str, session_id: str) -> Entry:
    """What was heard of the persona's words."""
    return Entry(
        participant_id=persona_id,
        text=text_of(message.text),
        id=_utterance_id(message.utterance_id),
        session_id=session_id,
        turn_id=turn_of(message.turn_id),
        interrupted=message.interrupted,
        interrupted_by=identifier(message.interrupted_by_id) or None,
    )


def relabelled(message: common_pb2.Relabel, persona_id: str) -> tuple[str, str]:
    """Whom somebody was taken for, and who they are."""
    if persona_id in (message.from_id, message.to_id):
        raise InvalidRequest("nobody else is the persona; a relabel is between other participants", reason="persona_relabelled")
    return participant_id(message.from_id), participant_id(message.to_id)


def persona_message(persona: Persona) -> persona_pb2.Persona:
    """A persona as others see it; what its folder leaves out is absent."""
    profile = persona.profile
    card = persona_pb2.Card(
        id=profile.id,
        name=profile.name,
        description=profile.description,
        languages=profile.languages,
        disclosure=profile.disclosure,
        greeting=profile.greeting,
        starters=profile.starters,
    )
    half_duplex = profile.conversation.half_duplex
    manner = _manner(profile.conversation)
    manner.fillers.extend(() if half_duplex else profile.fallbacks.thinking)
    manner.apologies.extend(profile.fallbacks.trouble)
    if profile.voice:
        manner.voice = profile.voice
    return persona_pb2.Persona(card=card, manner=manner, passages=len(persona.passages))


def _manner(conversing: Conversing) -> persona_pb2.Manner:
    def told(field: str) -> Any:
        return getattr(conversing, field) if field in conversing.model_fields_set else None

    def told_ms(field: str) -> int | None:
        seconds = told(field)
        return None if seconds is None else round(seconds * 1000)

    return persona_pb2.Manner(
        speech_rate=told("pace"),
        patience=told("patience"),
        interruptible=False if conversing.half_duplex else told("interruptible"),
        nods=told("nods"),
        nod_interval_ms=told_ms("nod_every_s"),
        backchannels=() if conversing.half_duplex else conversing.backchannels,
        backchannel_interval_ms=told_ms("backchannel_every_s"),
        prompts=conversing.prompts,
        prompt_delay_ms=told_ms("prompt_after_s"),
        waits=conversing.waits,
    )


def _utterance_id(given: str) -> str:
    if not given:
        raise InvalidRequest("an utterance needs an id, unique in the conversation", reason="no_utterance_id")
    return identifier(given)


def _given(message: Any, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None

"""Messages of the session contract with what a script has to say."""

from __future__ import annotations

from collections.abc import Iterable

from vivant.common.v1 import common_pb2
from vivant.persona.v1 import persona_pb2
from vivant.session.v1 import session_pb2


def service_info(service: str, engine: str) -> common_pb2.ServiceInfo:
    return common_pb2.ServiceInfo(service=service, engine=engine, version="1", capacity=4, ready=True)


def person(id_: str, name: str | None = None) -> common_pb2.Participant:
    return common_pb2.Participant(id=id_, name=name, kind=common_pb2.PARTICIPANT_KIND_PERSON)


def card(persona: str = "june", greeting: str | None = None) -> persona_pb2.Card:
    name = persona.capitalize()
    return persona_pb2.Card(
        id=persona,
        name=name,
        description="grew up by the sea",
        disclosure=f"{name} is an AI.",
        greeting=greeting,
        languages=["en"],
        starters=["Where did you grow up?"],
    )


def transcript(
    utterance_id: str, text: str, participant_id: str, *, final: bool = True, typed: bool = False, to: Iterable[str] = ()
) -> session_pb2.Transcript:
    """Words of somebody, to these as their client has told."""
    return session_pb2.Transcript(
        utterance_id=utterance_id,
        final=final,
        stable_text=text,
        participant_id=participant_id,
        typed=typed,
        language="en",
        addressees=[common_pb2.Addressee(participant_id=each) for each in to],
    )


def stages(turn_id: int) -> session_pb2.Metrics:
    times = {"end_of_turn": 210_000, "llm_first_text": 480_000, "tts_first_audio": 530_500, "first_unit": 560_000}
    return session_pb2.Metrics(turn_id=turn_id, stages=[session_pb2.Stage(name=name, at_us=at) for name, at in times.items()])

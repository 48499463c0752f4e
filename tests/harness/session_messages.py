"""Messages of the session contract with what a script has to say."""

from __future__ import annotations

from vivant.common.v1 import common_pb2
from vivant.session.v1 import session_pb2


def service_info(service: str, engine: str) -> common_pb2.ServiceInfo:
    return common_pb2.ServiceInfo(service=service, engine=engine, version="1", capacity=4, ready=True)


def card(persona: str = "june", greeting: str = "") -> session_pb2.PersonaCard:
    name = persona.capitalize()
    return session_pb2.PersonaCard(
        id=persona,
        name=name,
        description="grew up by the sea",
        disclosure=f"{name} is an AI.",
        greeting=greeting,
        starters=["Where did you grow up?"],
    )


def transcript(text: str, speaker: str, *, final: bool = True, typed: bool = False) -> session_pb2.Transcript:
    return session_pb2.Transcript(final=final, stable_text=text, speaker=speaker, typed=typed)


def stages(turn_id: int) -> session_pb2.Metrics:
    times = {"end_of_turn": 210_000, "llm_first_text": 480_000, "tts_first_audio": 530_500, "first_unit": 560_000}
    return session_pb2.Metrics(turn_id=turn_id, stages=[session_pb2.Stage(name=name, at_us=at) for name, at in times.items()])

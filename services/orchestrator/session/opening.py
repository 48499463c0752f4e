"""What a session is opened with, checked: by whom, with which persona, in which formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest
from vivant.llm.v1 import llm_pb2
from vivant.session.v1 import session_pb2

MAX_NAME: Final = 64
#: Who speaks when nobody says who. A microphone of this name is nobody's own: several may share it.
UNNAMED: Final = "Spk1"


@dataclass(frozen=True)
class Opening:
    """What a session is opened with, checked."""

    persona: llm_pb2.Persona
    config: session_pb2.ConverseConfig
    output_audio: common_pb2.AudioFormat
    missing: tuple[str, ...] = ()
    cues: frozenset[str] = frozenset()
    """Expressions that the face knows."""

    @property
    def speaker(self) -> str:
        """Who speaks when a message does not say."""
        return self.config.speaker or UNNAMED

    @property
    def language(self) -> str:
        return self.config.language or next(iter(self.persona.languages), "")

    @property
    def manual_turns(self) -> bool:
        """Speakers say themselves when they have finished."""
        return self.config.turns == session_pb2.TURNS_MANUAL

    @property
    def video(self) -> common_pb2.VideoFormat:
        """The video asked for; codec NONE without any."""
        if self.config.HasField("output_video") and self.config.output_video.codec:
            return self.config.output_video
        return common_pb2.VideoFormat(codec=common_pb2.VIDEO_CODEC_NONE)


def require_name(what: str, name: str) -> None:
    """Refuses a name that no service behind this one would take; raises InvalidRequest."""
    if len(name) > MAX_NAME:
        raise InvalidRequest(
            f"{what}: a name has at most {MAX_NAME} characters, this one has {len(name)}", reason="name_too_long"
        )


def persona_card(persona: llm_pb2.Persona) -> session_pb2.PersonaCard:
    """What clients are shown of a persona."""
    return session_pb2.PersonaCard(
        id=persona.id,
        name=persona.name,
        description=persona.description,
        disclosure=persona.disclosure,
        greeting=persona.greeting,
        starters=persona.starters,
    )

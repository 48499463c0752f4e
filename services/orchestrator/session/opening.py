"""What a session is opened with, checked: by whom, with which persona, in which formats."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from vivant.common.v1 import common_pb2
from vivant.persona.v1 import persona_pb2
from vivant.session.v1 import session_pb2


@dataclass(frozen=True)
class Opening:
    """What a session is opened with, checked."""

    persona: persona_pb2.Persona
    """As it was read at the opening: kept, whatever becomes of the llm."""
    config: session_pb2.ConverseConfig
    output_audio: common_pb2.AudioFormat
    missing: tuple[str, ...] = ()
    cues: frozenset[str] = frozenset()
    """Expressions that the face knows."""
    speech_input_hz: int = 0
    """What a speech model hears at where the session has no microphone."""
    voices: Collection[str] = ()
    """Those that the voice engine has."""

    @property
    def card(self) -> persona_pb2.Card:
        """What people are shown of the persona."""
        return self.persona.card

    @property
    def manner(self) -> persona_pb2.Manner:
        """How the persona converses."""
        return self.persona.manner

    @property
    def voice(self) -> str:
        """What it speaks with: the voice that it names, else one of its own, which an engine that clones calls by the persona's
        id; empty: the engine's default."""
        return self.manner.voice or (self.card.id if self.card.id in self.voices else "")

    @property
    def language(self) -> str:
        """BCP 47; empty: nobody says."""
        return self.config.language or next(iter(self.card.languages), "")

    @property
    def shared_microphone(self) -> bool:
        """Several people may speak into the microphone of whoever opens the session."""
        if self.config.HasField("shared_microphone"):
            return self.config.shared_microphone
        return not self.config.HasField("participant")

    @property
    def manual_turns(self) -> bool:
        """Speakers say themselves when they have finished."""
        return self.config.turns == session_pb2.TURNS_MANUAL

    @property
    def has_video(self) -> bool:
        """Pictures are asked for."""
        return self.video.codec != common_pb2.VIDEO_CODEC_NONE

    @property
    def video(self) -> common_pb2.VideoFormat:
        """The video asked for; codec NONE without any."""
        if self.config.HasField("output_video") and self.config.output_video.codec:
            return self.config.output_video
        return common_pb2.VideoFormat(codec=common_pb2.VIDEO_CODEC_NONE)


def persona_participant(card: persona_pb2.Card) -> common_pb2.Participant:
    """The persona as one of those who take part."""
    return common_pb2.Participant(id=card.id, name=card.name, kind=common_pb2.PARTICIPANT_KIND_PERSONA)

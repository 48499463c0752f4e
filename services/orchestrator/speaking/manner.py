"""How the replies of a session are performed."""

from __future__ import annotations

from dataclasses import dataclass

from vivant.common.v1 import common_pb2
from vivant.face.v1 import face_pb2
from vivant.tts.v1 import tts_pb2


@dataclass(frozen=True)
class Manner:
    """With which voice and which face, and in what formats."""

    session_id: str
    persona: str
    voice: str
    language: str
    audio: common_pb2.AudioFormat
    video: common_pb2.VideoFormat
    cues: frozenset[str]
    """Expressions that the face knows; it refuses others."""
    voice_timeout_s: float
    speech_rate: float | None = None
    """None: the voice's own pace."""

    def synthesis(self, turn_id: int) -> tts_pb2.SynthesizeConfig:
        """What the voice is asked for."""
        return tts_pb2.SynthesizeConfig(
            turn_id=turn_id,
            audio=self.audio,
            voice=self.voice or None,
            language=self.language or None,
            speed=self.speech_rate,
            session_id=self.session_id,
        )

    def animation(self) -> face_pb2.AnimateConfig:
        """What the face is asked for."""
        return face_pb2.AnimateConfig(persona_id=self.persona, audio=self.audio, video=self.video, session_id=self.session_id)

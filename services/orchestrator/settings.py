"""Settings of the orchestrator."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import Address, Port, ServiceSettings, default_persona


class OrchestratorSettings(ServiceSettings):
    """Where the services are, and how long they may take."""

    model_config = SettingsConfigDict(env_prefix="ORCHESTRATOR_")

    port: Port = 50050
    """Port that applications connect to."""
    metrics_port: Port = 51050
    """Port of /metrics, /healthz and /readyz."""
    asr_address: Address = "127.0.0.1:50051"
    """host:port of the speech recognition."""
    turn_address: Address = "127.0.0.1:50052"
    """host:port of the turn-taking."""
    llm_address: Address = "127.0.0.1:50053"
    """host:port of the persona."""
    tts_address: Address = "127.0.0.1:50054"
    """host:port of the voice."""
    face_address: Address = "127.0.0.1:50055"
    """host:port of the talking head."""
    speech_address: Literal[""] | Address = ""
    """host:port of a model that hears and speaks by itself: it gives the replies, and llm and tts stand by. Empty: none."""
    persona: str = Field(default_factory=default_persona)
    """The persona of a session that does not name one, if it is not to be VIVANT_PERSONA."""
    call_timeout_s: float = Field(default=3.0, gt=0)
    """Deadline of a short call to a service."""
    voice_timeout_s: float = Field(default=6.0, gt=0)
    """The voice must answer within this time, or the reply stays text."""
    speech_timeout_s: float = Field(default=1.5, gt=0)
    """A speech model of which nothing is heard so long after the end of a turn gives no reply: the llm and the voice do. With
    what they take, it is the longest gap that people bear; a hosted model may need more."""
    max_speakers: int = Field(default=2, ge=1)
    """People with a microphone of their own in one session."""
    idle_timeout_s: float = Field(default=600.0, gt=0)
    """A session in which nobody has said anything for so long is ended."""
    decisions_dir: Path | None = None
    """Folder for the decisions of each session, for `python -m services.orchestrator.replay`. They hold what people said;
    unset: none are kept. A folder that cannot be written is refused at start; one that fails later costs the recording, not the
    session."""
    interruptible: bool = True
    """Speaking over the persona stops it."""

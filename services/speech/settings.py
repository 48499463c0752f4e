"""Settings of the speech service, prefix `SPEECH_`, and of its engines."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.settings import EngineSettings, Frozen, Port
from services.common.values import like

SocketAddress = Annotated[str, like(r"wss?://[^\s/]\S*", "expected an address such as ws://localhost:8000/v1/realtime")]


class SpeechSettings(EngineSettings):
    """The service."""

    model_config = SettingsConfigDict(env_prefix="SPEECH_")

    port: Port = 50056
    """Port of the gRPC server."""
    metrics_port: Port = 51057
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = Field(default=4, ge=1)
    """Conversations at once; one more is refused with RESOURCE_EXHAUSTED."""
    engine: str = "realtime"
    """One of the names in `services/speech/engines/__init__.py`."""


class ServerOptions(Frozen):
    """How the server of a model is reached; subclasses set `env_prefix`."""

    url: SocketAddress | None = None
    """Address of the server's WebSocket."""
    api_key: SecretStr | None = None
    """Sent as a bearer token."""
    licence: str = "see the server"
    """The licence of its model, shown by `vivant info`."""
    connect_timeout_s: float = Field(default=5.0, gt=0)
    """How long to wait for a connection, and for the server's first answer on it."""
    load_timeout_s: float = Field(default=600.0, gt=0)
    """How long to wait at start for a server that is not there yet."""
    attempts: int = Field(default=5, ge=1, le=20)
    """How often a connection that broke is opened again before the conversation is given up: with waits of 0.1 s up to 2 s."""


class RealtimeOptions(ServerOptions):
    """A server that speaks the OpenAI Realtime protocol: OpenAI's, vLLM-Omni's, another Vivant."""

    model_config = SettingsConfigDict(env_prefix="SPEECH_REALTIME_")

    model: str = ""
    """The model's name on that server; empty: the server's own."""
    voices: tuple[str, ...] = ()
    """Names of the server's voices, the first is the default. Empty: its own, unless a client asks for another."""
    turn_detection: Literal["server_vad", "semantic_vad"] = "server_vad"
    """How the server finds the end of a turn; a model that takes turns by itself (vLLM-Omni) is not told."""
    transcription: str = ""
    """The model by which the server writes down what the user says, for when it has to be told again. Empty: it is not asked
    to; a recognition beside the model does it better."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """More fields of the session, as JSON. For MiniCPM-o on vLLM-Omni:
    {"extra_body": {"native_duplex": true}, "playback_commit_policy": "ack_only", "ref_audio": "data:audio/wav;base64,..."}"""
    input_rate_hz: Literal[24000, 16000] = 24000
    """At how many samples a second the server is sent sound; MiniCPM-o on vLLM-Omni takes 16000."""
    reply_timeout_s: float = Field(default=10.0, gt=0)
    """How long to wait for more of a reply that has begun."""
    session_s: float = Field(default=3300.0, gt=0)
    """So long a session on the server may last; it is opened anew before, in a silence if there is one. OpenAI ends them after
    an hour."""


class MoshiOptions(ServerOptions):
    """A server of Moshi (`python -m moshi.server`) or PersonaPlex."""

    model_config = SettingsConfigDict(env_prefix="SPEECH_MOSHI_")

    prompts: bool = False
    """The server takes a text prompt and a voice prompt, as PersonaPlex does; Moshi takes none, and is nobody in particular."""
    voices: tuple[str, ...] = ()
    """Names of the server's voice prompts, the first is the default: NATF2.pt."""
    context_s: float = Field(default=240.0, gt=0)
    """So much conversation its context holds; another one is begun before, in a silence if there is one, with what was said in
    the text prompt."""
    handshake_timeout_s: float = Field(default=20.0, gt=0)
    """How long to wait until the model is free, and has read its prompts: a server has one, for one conversation at a time."""
    frame_timeout_s: float = Field(default=5.0, gt=0)
    """How long to wait for the next piece of sound, which comes all the time."""


class FakeOptions(Frozen):
    """The scripted model for tests: loud is speech, every letter of a reply is a tone."""

    model_config = SettingsConfigDict(env_prefix="SPEECH_FAKE_")

    replies: tuple[str, ...] = ("It is nice here by the old harbour.",)
    """What it says, in turn and from the beginning again. {context} is the newest context that it was told."""
    letter_ms: int = Field(default=50, ge=1)
    """How long a letter sounds."""
    turn_ms: int = Field(default=500, ge=1)
    """Silence after which it takes the floor."""
    pace: float = Field(default=2.0, ge=0)
    """How many times faster than it is spoken a reply is made; 0: at once."""
    word_times: bool = True
    """It says when it says what."""
    stops: bool = True
    """It can be stopped; otherwise it goes on with a reply that was cleared."""
    fails_turn: int = Field(default=0, ge=0)
    """The reply of this turn breaks off in its middle; 0: none does."""

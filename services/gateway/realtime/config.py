"""What a Realtime session is set to: which of a client's wishes hold, and what became of the others.

Wishes that a persona cannot follow (`instructions`, `voice`, `tools`, ...) are no errors, for every voice app has some of them.
They are never dropped silently: the session that is sent back shows what holds, and says in `vivant.ignored` why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.realtime.audio import FORMATS, RATE_HZ
from services.gateway.realtime.wrong import ClientError, invalid

_OWN_TURNS: Final = "the persona finds out by itself when somebody has finished, and whether it was interrupted"
#: Fields of `session` and `response` that change nothing here, and why.
_IGNORED: Final = {
    "instructions": "the persona's character and knowledge are its own",
    "prompt": "the persona's character and knowledge are its own",
    "voice": "the persona speaks with its own voice",
    "speed": "the persona speaks at its own pace",
    "tools": "the persona calls no tools",
    "tool_choice": "the persona calls no tools",
    "parallel_tool_calls": "the persona calls no tools",
    "temperature": "the language model is set in the server's settings",
    "reasoning": "the language model is set in the server's settings",
    "max_output_tokens": "replies are as long as the persona makes them",
    "truncation": "the conversation is shortened by the server as its model needs it",
    "tracing": "nothing is traced",
    "include": "no log probabilities are known",
    "noise_reduction": "the recogniser takes the sound as it is",
    "model": "a session keeps the persona that it was opened with",
    "conversation": "every response belongs to the one conversation",
    "input": "the persona answers what was said in the conversation",
    "client_secret": "no key is needed",
}
_UNKNOWN: Final = "this server does not know it"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class _PCM(_Model):
    type: Literal["audio/pcm"]
    rate: Literal[24000] = 24000


class _G711(_Model):
    type: Literal["audio/pcmu", "audio/pcma"]


_Format = Annotated[_PCM | _G711, Field(discriminator="type")]


class _TurnDetection(_Model):
    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    create_response: bool = True
    interrupt_response: bool = True


class _Input(_Model):
    format: _Format | None = None
    turn_detection: _TurnDetection | None = None
    transcription: dict[str, Any] | None = None


class _Output(_Model):
    format: _Format | None = None


class _Audio(_Model):
    input: _Input = _Input()
    output: _Output = _Output()


class _Session(_Model):
    type: str = "realtime"
    output_modalities: list[Literal["audio", "text"]] | None = Field(default=None, min_length=1)
    audio: _Audio = _Audio()


@dataclass(frozen=True)
class Config:
    """What holds."""

    modality: str = "audio"
    input_format: str = "audio/pcm"
    output_format: str = "audio/pcm"
    transcribed: bool = True
    turn_detection: str = "server_vad"
    """Empty: the client says itself when a turn is over."""
    creates_response: bool = True
    ignored: dict[str, str] = field(default_factory=dict)
    """By path, of the newest update."""

    @property
    def manual(self) -> bool:
        """Nothing is answered before it is asked for."""
        return not self.turn_detection or not self.creates_response

    def updated(self, wishes: dict[str, Any]) -> Config:
        """With the wishes of a `session.update` in GA shape; raises ClientError."""
        try:
            session = _Session.model_validate(wishes)
        except ValidationError as exc:
            raise invalid(exc, prefix="session", tags=FORMATS) from None
        if session.type != "realtime":
            raise ClientError(
                "invalid_value",
                f"This is a conversation; sessions of type {session.type[:40]!r} are not offered here.",
                param="session.type",
            )
        given, audio = session.model_fields_set, session.audio
        ignored = _ignored("", session) | _ignored("audio.input", audio.input) | _ignored("audio.output", audio.output)
        config = replace(self, ignored=ignored | _ignored("audio", audio))
        if "output_modalities" in given and session.output_modalities:
            config = replace(config, modality=modality(session.output_modalities))
        if audio.input.format:
            config = replace(config, input_format=audio.input.format.type)
        if audio.output.format:
            config = replace(config, output_format=audio.output.format.type)
        if "transcription" in audio.input.model_fields_set:
            config = replace(config, transcribed=audio.input.transcription is not None)
        if "turn_detection" in audio.input.model_fields_set:
            config = config._with_turns(audio.input.turn_detection)
        return config

    def _with_turns(self, wish: _TurnDetection | None) -> Config:
        if wish is None:
            return replace(self, turn_detection="", creates_response=True)
        ignored = {
            f"audio.input.turn_detection.{name}": _OWN_TURNS for name, value in (wish.model_extra or {}).items() if value
        }
        if not wish.interrupt_response:
            ignored["audio.input.turn_detection.interrupt_response"] = _OWN_TURNS
        return replace(self, turn_detection=wish.type, creates_response=wish.create_response, ignored=self.ignored | ignored)

    def shown(self, voice: str, instructions: str) -> dict[str, Any]:
        """The fields of a GA session that depend on nothing else."""
        return {
            "output_modalities": [self.modality],
            "instructions": instructions,
            "tools": [],
            "tool_choice": "none",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "include": None,
            "audio": {
                "input": {
                    "format": shown_format(self.input_format),
                    "transcription": {"model": "vivant"} if self.transcribed else None,
                    "noise_reduction": None,
                    "turn_detection": self._shown_turns(),
                },
                "output": {"format": shown_format(self.output_format), "voice": voice, "speed": 1.0},
            },
        }

    def _shown_turns(self) -> dict[str, Any] | None:
        if not self.turn_detection:
            return None
        return {
            "type": self.turn_detection,
            "create_response": self.creates_response,
            "interrupt_response": self.creates_response,
        }


def modality(wished: list[str] | list[Literal["audio", "text"]]) -> str:
    """What a response is made of; both together mean sound, whose words come along anyway."""
    return "audio" if "audio" in wished else "text"


def shown_format(name: str) -> dict[str, Any]:
    """A format as GA shows it."""
    return {"type": name, "rate": RATE_HZ} if name == "audio/pcm" else {"type": name}


def ignored_of(wishes: dict[str, Any]) -> dict[str, str]:
    """Why the wishes of a `response.create` change nothing."""
    return {name: _IGNORED.get(name, _UNKNOWN) for name, value in wishes.items() if value not in (None, [], {}, "", "auto")}


def _ignored(path: str, model: BaseModel) -> dict[str, str]:
    return {f"{path}.{name}".lstrip("."): why for name, why in ignored_of(model.model_extra or {}).items()}

"""The beta spelling of the Realtime protocol. The rest of the gateway speaks GA; this is where the two meet.

Sources: the event types of the `openai` package, `types/realtime` (GA) and `types/beta/realtime`.
"""

from __future__ import annotations

from typing import Any, Final

Event = dict[str, Any]

HEADER: Final = "realtime=v1"
SUBPROTOCOL: Final = "openai-beta.realtime-v1"

_EVENTS: Final = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}
_NOT_IN_BETA: Final = frozenset({"conversation.item.done"})
_NOT_IN_GA: Final = frozenset({"conversation.created"})
_PARTS: Final = {"output_audio": "audio", "output_text": "text"}
_FORMATS: Final = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_LONG_FORMATS: Final = {short: long for long, short in _FORMATS.items()}
#: Fields of a beta session -> where they are in GA.
_MOVED: Final = {
    "modalities": ("output_modalities",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "max_response_output_tokens": ("max_output_tokens",),
}
_ONLY_GA: Final = frozenset({"audio", "output_modalities", "type"})


def is_beta(session: dict[str, Any]) -> bool | None:
    """Whether a `session.update` is in beta shape; None: it cannot be told."""
    if _ONLY_GA & session.keys():
        return False
    return True if _MOVED.keys() & session.keys() else None


def to_ga_session(session: dict[str, Any]) -> dict[str, Any]:
    """A beta `session` of a client in GA shape; what has no other place there stays as it is."""
    result: dict[str, Any] = {}
    for name, value in session.items():
        path = _MOVED.get(name, (name,))
        if path[-1] == "format":
            value = {"type": _LONG_FORMATS.get(value, value) if isinstance(value, str) else value}  # noqa: PLW2901
        at = result
        for step in path[:-1]:
            at = at.setdefault(step, {})
        at[path[-1]] = value
    return result


def beta_complaint(message: str, param: str) -> tuple[str, str]:
    """What is wrong with a GA session, and the field, in the words of a beta client."""
    spelt = beta_param(param)
    message = message.replace(f"`{param}`", f"`{spelt}`")
    for long, short in _FORMATS.items():
        message = message.replace(f"'{long}'", f"'{short}'")
    return message, spelt


def beta_param(param: str) -> str:
    """The name of a field of a GA session as a beta client knows it."""
    for name, path in _MOVED.items():
        moved = ".".join(("session", *path))
        if param == moved or param.startswith(f"{moved}."):
            # In beta a format is its name.
            return f"session.{name}{param.removeprefix(moved).removesuffix('.type' if path[-1] == 'format' else '')}"
    return param


def spell(event: Event, *, beta: bool) -> Event | None:
    """An event of ours as the client knows it; None: its protocol has no such event."""
    kind = event["type"]
    if not beta:
        return None if kind in _NOT_IN_GA else event
    if kind in _NOT_IN_BETA:
        return None
    result = event | {"type": _EVENTS.get(kind, kind)}
    if "session" in result:
        result["session"] = _session(result["session"])
    if "response" in result:
        result["response"] = _response(result["response"])
    if "item" in result:
        result["item"] = _item(result["item"])
    return result


def _session(session: dict[str, Any]) -> dict[str, Any]:
    audio = session["audio"]
    kept = ("id", "object", "model", "expires_at", "instructions", "tools", "tool_choice", "tracing", "vivant")
    return {name: session[name] for name in kept} | {
        "modalities": _modalities(session["output_modalities"]),
        "voice": audio["output"]["voice"],
        "speed": audio["output"]["speed"],
        "input_audio_format": _FORMATS[audio["input"]["format"]["type"]],
        "output_audio_format": _FORMATS[audio["output"]["format"]["type"]],
        "input_audio_transcription": audio["input"]["transcription"],
        "input_audio_noise_reduction": None,
        "turn_detection": audio["input"]["turn_detection"],
        "temperature": 0.8,
        "max_response_output_tokens": session["max_output_tokens"],
        "client_secret": None,
    }


def _response(response: dict[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in response.items() if name not in ("audio", "output_modalities")}
    output = response["audio"]["output"]
    return result | {
        "modalities": _modalities(response["output_modalities"]),
        "voice": output["voice"],
        "output_audio_format": _FORMATS[output["format"]["type"]],
        "temperature": 0.8,
        "output": [_item(item) for item in response["output"]],
    }


def _item(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"content": [_part(part) for part in item["content"]]}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"type": _PARTS.get(part["type"], part["type"])}


def _modalities(modalities: list[str]) -> list[str]:
    return ["text", "audio"] if "audio" in modalities else ["text"]

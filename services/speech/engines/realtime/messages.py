"""The Realtime protocol: what is sent to a server, in GA spelling, and the names of what it sends.

Sources: the event types of the `openai` package, `types/realtime`; for `playback.ack` vLLM-Omni's `realtime_duplex_api.md`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

from services.speech.engine import ConversationConfig, Said
from services.speech.settings import RealtimeOptions

Message = dict[str, Any]

SPEECH_HZ: Final = 24_000
#: The events that a refusal of the server may be about begin so; it repeats their ids.
HISTORY: Final = "history"
CONTEXT: Final = "context"
TYPED: Final = "typed"

#: The beta spelling of events -> theirs in GA.
GA_NAMES: Final = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
}
#: Events that say nothing which is not known otherwise.
SILENT: Final = frozenset(
    {
        "session.created",
        "session.updated",
        "session.heartbeat_ack",
        "session.closed",
        "conversation.created",
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.done",
        "conversation.item.truncated",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.input_audio_transcription.failed",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "output_audio_buffer.cleared",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_audio.done",
        "response.audio.done",
        "response.output_audio_transcript.done",
        "response.audio_transcript.done",
        "rate_limits.updated",
        "playback.acknowledged",
        "turn.event",
        "runtime.control",
    }
)

#: What was heard is all, though the server's detector has not found its end; and: answer now.
COMMIT: Final[Message] = {"type": "input_audio_buffer.commit"}
RESPOND: Final[Message] = {"type": "response.create"}
#: To vLLM-Omni: the session is over.
CLOSE: Final[Message] = {"type": "session.close"}


def session_update(config: ConversationConfig, options: RealtimeOptions, instructions: str) -> Message:
    """How the session is to be, but for its turns."""
    heard: Message = {"format": {"type": "audio/pcm", "rate": options.input_rate_hz}}
    spoken: Message = {"format": {"type": "audio/pcm", "rate": SPEECH_HZ}}
    if options.transcription:
        heard["transcription"] = {"model": options.transcription} | (
            {"language": config.language.split("-")[0]} if config.language else {}
        )
    if voice := config.voice or next(iter(options.voices), ""):
        spoken["voice"] = voice
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": instructions,
        "audio": {"input": heard, "output": spoken},
    }
    return {"type": "session.update", "session": _merged(session, options.extra)}


def turns_update(options: RealtimeOptions) -> Message:
    """The server finds the ends of turns and answers; that somebody speaks over a reply is for the dialog manager to judge."""
    turns = {"type": options.turn_detection, "create_response": True, "interrupt_response": False}
    return {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": turns}}}}


def instructions_update(instructions: str) -> Message:
    return {"type": "session.update", "session": {"type": "realtime", "instructions": instructions}}


def append(pcm: bytes) -> Message:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode("ascii")}


def history(said: Sequence[Said]) -> list[Message]:
    """What was said, as items of the conversation."""
    return [
        _item(f"{HISTORY}_{index}", "assistant" if each.by_persona else "user", each.text) for index, each in enumerate(said)
    ]


def context(text: str, index: int) -> Message:
    """Something to know, as a word of the system."""
    return _item(f"{CONTEXT}_{index}", "system", text)


def typed(text: str) -> Message:
    """Something that the user has not said aloud."""
    return _item(TYPED, "user", text)


def cancel(response_id: str) -> Message:
    return {"type": "response.cancel", "response_id": response_id}


def truncate(item_id: str, heard_ms: int) -> Message:
    return {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": heard_ms}


def acknowledge(response_id: str, item_id: str, heard_ms: int, *, cut: bool = False) -> Message:
    """So much of a reply was heard; `cut`: and no more of it will be."""
    told = {"response_id": response_id, "item_id": item_id, "played_ms": heard_ms, "committed_ms": heard_ms}
    return {"type": "playback.ack", **told} | ({"truncate": True} if cut else {})


def _item(event_id: str, role: str, text: str) -> Message:
    content = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
    item = {"type": "message", "role": role, "content": [content]}
    return {"type": "conversation.item.create", "event_id": event_id, "item": item}


def _merged(one: Message, other: Message) -> Message:
    """Objects inside objects are merged too; of other values the second holds."""
    merged = dict(one)
    for name, value in other.items():
        mine = merged.get(name)
        merged[name] = _merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return merged


def inside(event: Message, name: str) -> Message:
    """The object in this field; an empty one where there is none."""
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def in_ms(samples: int) -> int:
    """How long so many samples of a reply are."""
    return samples * 1000 // SPEECH_HZ

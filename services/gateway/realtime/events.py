"""What clients of the Realtime protocol send: one model for each event.

Fields that are not known here are let through: clients are newer or older than this server. Those of `session` are answered
one by one (see `realtime_config`).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.gateway.realtime.wrong import ClientError, invalid

#: The largest message, as with OpenAI.
MAX_MESSAGE: Final = 15 * 1024 * 1024
MAX_ID: Final = 64


class ClientEvent(BaseModel):
    """What all have."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_id: str | None = Field(default=None, max_length=512)


class SessionUpdate(ClientEvent):
    type: Literal["session.update"]
    session: dict[str, Any]


class Append(ClientEvent):
    type: Literal["input_audio_buffer.append"]
    audio: str

    def data(self) -> bytes:
        """The sound, decoded; raises ClientError."""
        return decode_audio(self.audio, "audio")


class Commit(ClientEvent):
    type: Literal["input_audio_buffer.commit"]


class Clear(ClientEvent):
    type: Literal["input_audio_buffer.clear"]


class Content(BaseModel):
    """A part of an item."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    text: str | None = None


class NewItem(BaseModel):
    """An item that a client wants in the conversation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str = "message"
    id: str | None = Field(default=None, min_length=1, max_length=MAX_ID)
    role: str | None = None
    content: tuple[Content, ...] = ()


class CreateItem(ClientEvent):
    type: Literal["conversation.item.create"]
    item: NewItem
    previous_item_id: str | None = None


class Truncate(ClientEvent):
    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = 0
    audio_end_ms: int = Field(ge=0)


class Delete(ClientEvent):
    type: Literal["conversation.item.delete"]
    item_id: str


class Retrieve(ClientEvent):
    type: Literal["conversation.item.retrieve"]
    item_id: str


class ResponseOptions(BaseModel):
    """What a client may ask of one response; the rest is as in `session` and answered the same way."""

    model_config = ConfigDict(frozen=True, extra="allow")

    modalities: list[Literal["audio", "text"]] | None = Field(default=None, min_length=1)
    output_modalities: list[Literal["audio", "text"]] | None = Field(default=None, min_length=1)
    metadata: dict[str, str] | None = Field(default=None, max_length=16)

    @property
    def rest(self) -> dict[str, Any]:
        """What else was asked for."""
        return self.model_extra or {}


class CreateResponse(ClientEvent):
    type: Literal["response.create"]
    response: ResponseOptions | None = None


class CancelResponse(ClientEvent):
    type: Literal["response.cancel"]
    response_id: str | None = None


class ClearOutput(ClientEvent):
    type: Literal["output_audio_buffer.clear"]


AnyEvent = (
    SessionUpdate | Append | Commit | Clear | CreateItem | Truncate | Delete | Retrieve
    | CreateResponse | CancelResponse | ClearOutput
)  # fmt: skip
_EVENTS: Final[TypeAdapter[AnyEvent]] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="type")])
TYPES: Final = tuple(model.model_fields["type"].annotation.__args__[0] for model in AnyEvent.__args__)


def parse(message: str) -> AnyEvent:
    """One text message as an event; raises ClientError."""
    try:
        raw = json.loads(message)
    except (ValueError, RecursionError) as exc:
        detail = exc.msg if isinstance(exc, json.JSONDecodeError) else "it is nested too deeply or holds a number too long"
        raise ClientError("invalid_json", f"This message is not JSON: {detail}.") from exc
    if not isinstance(raw, dict):
        raise ClientError("invalid_json", "A message must be one JSON object with a `type`.")
    event_id = raw.get("event_id") if isinstance(raw.get("event_id"), str) else None
    kind = raw.get("type")
    if kind is None:
        raise ClientError("missing_required_parameter", "This event has no `type`.", param="type", event_id=event_id)
    if kind not in TYPES:
        known = ", ".join(f"'{name}'" for name in TYPES)
        shown = repr(kind) if isinstance(kind, str) and len(kind) <= 80 else "this"
        raise ClientError(
            "invalid_value", f"There is no event type {shown}; supported are {known}.", param="type", event_id=event_id
        )
    try:
        return _EVENTS.validate_python(raw)
    except ValidationError as exc:
        raise invalid(exc, event_id, tags=TYPES) from None


def decode_audio(text: str, param: str) -> bytes:
    """Base64 to bytes; raises ClientError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ClientError("invalid_base64", f"`{param}` is not base64: {exc}.", param=param) from exc

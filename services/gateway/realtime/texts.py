"""Texts that a client has put into the conversation and that wait to be answered."""

from __future__ import annotations

from typing import Final

from services.gateway.realtime.events import CreateItem, NewItem
from services.gateway.realtime.items import Event, Item, Items, event, new_id
from services.gateway.realtime.wrong import ClientError
from vivant.errors import InvalidRequest
from vivant.texts import MAX_TEXT_CHARACTERS, require_text

#: Our reasons that the protocol has another word for.
_CODES: Final = {"bad_unicode": "invalid_value"}


class Texts:
    """In order; `take` says them all at once."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._waiting: list[Item] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def create(self, asked: CreateItem) -> list[Event]:
        """Adds a message of the user; raises ClientError for what cannot be added."""
        new, text = asked.item, text_of(asked.item)
        if new.id and new.id in self._items:
            raise ClientError("item_id_taken", f"There is an item {new.id!r} already.", param="item.id")
        last = self._items.last_id
        if asked.previous_item_id not in (None, last or "root"):
            raise ClientError(
                "unsupported_position", "Items can only be added at the end of the conversation.", param="previous_item_id"
            )
        if sum(len(item.text) + 1 for item in self._waiting) + len(text) > MAX_TEXT_CHARACTERS:
            raise ClientError(
                "text_too_long",
                f"Texts that wait for an answer hold at most {MAX_TEXT_CHARACTERS} characters together.",
                param="item",
            )
        item = Item(new.id or new_id("item"), "user", "input_text", text)
        self._waiting.append(item)
        return self._items.add(item)

    def delete(self, item_id: str) -> list[Event]:
        """Takes one back; raises ClientError for what was said already."""
        item = self._items.get(item_id)
        if item not in self._waiting:
            raise ClientError(
                "cannot_forget",
                "This was said already, and the persona does not forget it; only texts that wait can be deleted.",
                param="item_id",
            )
        self._waiting.remove(item)
        self._items.remove(item_id)
        return [event("conversation.item.deleted", item_id=item_id)]

    def take(self) -> str:
        """All of them; they wait no longer."""
        text = "\n".join(item.text for item in self._waiting)
        self._waiting.clear()
        return text


def text_of(new: NewItem) -> str:
    """The text of an item that a client adds; raises ClientError for what cannot be added."""
    if new.type != "message":
        raise ClientError("unsupported_item", "Only messages can be added: the persona calls no tools.", param="item.type")
    if new.role != "user":
        raise ClientError(
            "unsupported_role",
            "Only messages of the user can be added: what the persona says and knows is its own.",
            param="item.role",
        )
    for index, part in enumerate(new.content):
        if part.type != "input_text":
            raise ClientError(
                "unsupported_content",
                "Only parts of type input_text can be added; send sound with input_audio_buffer.append.",
                param=f"item.content.{index}.type",
            )
    try:
        return require_text("\n".join(part.text or "" for part in new.content))
    except InvalidRequest as exc:
        raise ClientError(_CODES.get(exc.reason, exc.reason), _sentence(exc.message), param="item.content") from exc


def _sentence(message: str) -> str:
    return f"{message[0].upper()}{message[1:]}."

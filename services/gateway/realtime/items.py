"""Items of a Realtime conversation, as GA shows them, and the ids and envelopes of events."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.realtime.wrong import ClientError

Event = dict[str, Any]

#: Items that can be asked for; older ones are let go of here, not by the persona.
MAX_ITEMS: Final = 1000


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(10)}"


def event(kind: str, **fields: Any) -> Event:
    """A server event."""
    return {"type": kind, "event_id": new_id("event"), **fields}


def error(kind: str, code: str, message: str, *, param: str | None = None, event_id: str | None = None) -> Event:
    """An `error` event; `kind` is "invalid_request_error" or "server_error", `event_id` that of the client's event."""
    return event("error", error={"type": kind, "code": code, "message": message, "param": param, "event_id": event_id})


@dataclass
class Item:
    """A message of somebody: one part of text or sound."""

    id: str
    role: str
    kind: str
    """Of its part: "input_text", "input_audio", "output_text", "output_audio"."""
    text: str = ""
    status: str = "completed"
    empty: bool = False
    """Its part is still to come."""

    @property
    def spoken(self) -> bool:
        return self.kind.endswith("_audio")

    def part(self) -> dict[str, Any]:
        """Its content; sound is not kept."""
        if self.spoken:
            return {"type": self.kind, "transcript": self.text if self.status != "in_progress" else None}
        return {"type": self.kind, "text": self.text}

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "realtime.item",
            "type": "message",
            "status": self.status,
            "role": self.role,
            "content": [] if self.empty else [self.part()],
        }


class Items:
    """All items of a conversation, in order."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, Item] = OrderedDict()

    @property
    def last_id(self) -> str | None:
        return next(reversed(self._items), None)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def add(self, item: Item) -> list[Event]:
        """Appends an item, and says so; a finished one is also done."""
        previous = self.last_id
        self._items[item.id] = item
        if len(self._items) > MAX_ITEMS:
            self._items.popitem(last=False)
        added = event("conversation.item.added", previous_item_id=previous, item=item.shown())
        if item.empty:
            return [added]
        return [added, event("conversation.item.done", previous_item_id=previous, item=item.shown())]

    def done(self, item: Item) -> Event:
        """An item that was in progress has its final content."""
        ids = list(self._items)
        place = ids.index(item.id) if item.id in self._items else 0
        return event("conversation.item.done", previous_item_id=ids[place - 1] if place else None, item=item.shown())

    def get(self, item_id: str) -> Item:
        """Raises ClientError for an unknown id."""
        if item_id not in self._items:
            raise ClientError("item_not_found", f"There is no item {item_id[:80]!r} in this conversation.", param="item_id")
        return self._items[item_id]

    def remove(self, item_id: str) -> None:
        self._items.pop(item_id, None)

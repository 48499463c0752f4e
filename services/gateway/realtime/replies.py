"""The newest responses of a conversation, and what clients may do to them: cancel, and cut to what was heard."""

from __future__ import annotations

from collections import deque
from typing import Final

from services.gateway.realtime.actions import Heard, Out, Stop
from services.gateway.realtime.events import Truncate
from services.gateway.realtime.items import Event, Items, event
from services.gateway.realtime.reply import Reply
from services.gateway.realtime.wrong import ClientError

#: Replies that can still be truncated.
_KEPT: Final = 2
#: Clients measure with their own clock, and a pause counts there as sound.
_CLOCK_SLACK_MS: Final = 2000


class Replies:
    """At most one is active, and it is the newest."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._replies: deque[Reply] = deque(maxlen=_KEPT)

    def __bool__(self) -> bool:
        """There was one."""
        return bool(self._replies)

    @property
    def active(self) -> Reply | None:
        return self._replies[-1] if self._replies and not self._replies[-1].over else None

    def wanted(self, turn_id: int) -> Reply | None:
        """The active reply, if this is of it and still wanted. An attempt that failed is repeated with a higher number."""
        reply = self.active
        return reply if reply and turn_id >= reply.turn_id and not reply.cancelled_by else None

    def add(self, reply: Reply) -> None:
        self._replies.append(reply)

    def correct(self, turn_id: int, heard_text: str) -> None:
        """What was heard of an earlier reply turned out to be less."""
        for reply in self._replies:
            if reply.over and reply.turn_id == turn_id:
                reply.item.text = heard_text

    def cancel(self, response_id: str | None) -> list[Out]:
        """Raises ClientError when there is nothing to cancel."""
        reply = self.active
        if reply is None or (response_id and response_id != reply.id) or reply.cancelled_by:
            raise ClientError("response_cancel_not_active", "There is no active response to cancel.", param="response_id")
        reply.cancelled_by = "client_cancelled"
        return [Stop()]

    def clear_output(self) -> list[Out]:
        """Raises ClientError when nothing is being said."""
        reply = self.active
        if reply is None or reply.cancelled_by:
            raise ClientError("nothing_to_clear", "Nothing is being said at the moment.")
        reply.cancelled_by = "client_cancelled"
        return [Stop(), event("output_audio_buffer.cleared", response_id=reply.id)]

    def truncate(self, asked: Truncate) -> list[Out]:
        """Cuts a reply to what the client has played of it; one that is still spoken is broken off."""
        reply = self._truncatable(asked)
        reply.truncated_at = min(asked.audio_end_ms, reply.sent_ms)
        heard = Heard(reply.unit_at(reply.truncated_at), over=reply.over)
        if not reply.over:
            reply.cancelled_by = reply.cancelled_by or "client_cancelled"
            return [heard, Stop()]
        if asked.audio_end_ms >= reply.sent_ms:
            return [*truncated(reply)]
        reply.cut(reply.truncated_at)
        return [heard, *truncated(reply)]

    def _truncatable(self, asked: Truncate) -> Reply:
        item = self._items.get(asked.item_id)
        if item.role != "assistant" or not item.spoken:
            raise ClientError("invalid_value", "Only spoken messages of the assistant can be truncated.", param="item_id")
        if asked.content_index != 0:
            raise ClientError("invalid_value", "A message has one part, with index 0.", param="content_index")
        reply = next((reply for reply in self._replies if reply.item is item), None)
        if reply is None:
            raise ClientError("item_too_old", f"Only the last {_KEPT} replies can be truncated.", param="item_id")
        if asked.audio_end_ms > reply.sent_ms + _CLOCK_SLACK_MS:
            raise ClientError(
                "invalid_value", f"Of this item {reply.sent_ms} ms of sound were sent, not more.", param="audio_end_ms"
            )
        return reply


def truncated(reply: Reply) -> list[Event]:
    """What a client is told that has asked for a truncation."""
    if reply.truncated_at is None:
        return []
    audio_end_ms, reply.truncated_at = reply.truncated_at, None
    return [event("conversation.item.truncated", item_id=reply.item.id, content_index=0, audio_end_ms=audio_end_ms)]

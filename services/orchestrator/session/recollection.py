"""What was said in a conversation, kept here too: for an llm that was started anew, and for somebody who comes back.

In memory and bounded. It outlives services and connections, not this process.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from vivant.llm.v1 import llm_pb2

#: Contributions kept of one conversation; the llm takes 500 and shortens by itself.
MOST_ITEMS: Final = 200
#: Conversations that somebody may come back to, and for how long.
MOST_CONVERSATIONS: Final = 200
KEPT_S: Final = 3600.0


class Recollection:
    """The contributions of one conversation in order, the persona's as far as they were heard."""

    def __init__(self, persona: str, earlier: list[llm_pb2.HistoryItem]) -> None:
        self._persona = persona
        self._items = [(0, item) for item in earlier]

    @property
    def items(self) -> list[llm_pb2.HistoryItem]:
        return [item for _, item in self._items]

    def add(self, turn_id: int, item: llm_pb2.HistoryItem) -> None:
        """Somebody's contribution; `turn_id` of the reply that it asks for, 0 for none."""
        self._items = [*self._items, (turn_id, item)][-MOST_ITEMS:]

    def forget(self, turn_id: int) -> None:
        """A turn that was taken back."""
        self._items = [(turn, item) for turn, item in self._items if turn != turn_id]

    def heard(self, turn_id: int, text: str, *, interrupted: bool, by: str = "") -> None:
        """What was heard of the persona's reply, in place of what was told of it before."""
        item = llm_pb2.HistoryItem(speaker=self._persona, text=text, interrupted=interrupted, interrupted_by=by)
        known = [at for at, (turn, old) in enumerate(self._items) if turn == turn_id and old.speaker == self._persona]
        if known:
            self._items[known[0] : known[0] + 1] = [(turn_id, item)] if text else []
        elif text:
            self.add(turn_id, item)


class Conversations:
    """Conversations that have ended, by their id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, str, list[llm_pb2.HistoryItem]]] = OrderedDict()

    def open(self, conversation_id: str, persona: str) -> Recollection:
        """Goes on with a conversation with that persona, or begins one."""
        ended, whom, items = self._kept.pop(conversation_id, (0.0, "", []))
        fresh = whom == persona and self._clock() - ended <= KEPT_S
        return Recollection(persona, items if fresh else [])

    def keep(self, conversation_id: str, persona: str, recollection: Recollection) -> None:
        """Remembers a conversation that has ended; the oldest is dropped first."""
        now = self._clock()
        self._kept[conversation_id] = (now, persona, recollection.items)
        self._kept.move_to_end(conversation_id)
        while len(self._kept) > MOST_CONVERSATIONS or now - next(iter(self._kept.values()))[0] > KEPT_S:
            self._kept.popitem(last=False)

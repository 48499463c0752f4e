"""What a model is told: who it is, what it should know, what was said; as items, or in its instructions."""

from __future__ import annotations

from collections import deque
from typing import Final

from services.speech.engine import ConversationConfig, Said
from services.speech.engines.realtime import messages
from services.speech.engines.realtime.messages import Message
from services.speech.engines.record import Record, Reply, as_text

#: So much of what it should know is told at a time; older passages have had their moment.
_MOST_CONTEXTS: Final = 12


class Telling:
    """In one conversation, over all of its connections."""

    def __init__(self, config: ConversationConfig) -> None:
        self._persona = config.instructions
        self._record = Record(config.history)
        self._contexts: deque[str] = deque(maxlen=_MOST_CONTEXTS)
        self._refused: set[str] = set()
        self._items = 0
        self._noted = False

    @property
    def instructions(self) -> str:
        said = as_text(self._record.told()) if messages.HISTORY in self._refused else ""
        return "\n\n".join(part for part in (self._persona, "\n".join(self._contexts), said) if part)

    def opening(self) -> list[Message]:
        """What is told besides when a connection has opened: all that was said."""
        return [] if messages.HISTORY in self._refused else messages.history(self._record.told())

    def know(self, text: str, *, by_item: bool) -> Message:
        """Something to know from now on."""
        self._contexts.append(text)
        if not by_item or messages.CONTEXT in self._refused:
            return messages.instructions_update(self.instructions)
        self._items += 1
        return messages.context(text, self._items)

    def note(self, said: Said) -> None:
        """Something was said, as a recognition beside the model has heard it."""
        self._noted = True
        self._record.note(said)

    def heard(self, words: str) -> None:
        """What the user said, as the server has heard it: better than nothing."""
        if not self._noted:
            self._record.note(Said(words, by_persona=False))

    def reply(self, reply: Reply) -> None:
        """The model says something; it grows, and may be cut."""
        self._record.add(reply)

    def refused(self, event_id: str) -> list[Message]:
        """The server does not take the message with this id: what it was about is told in the instructions from now on."""
        about = event_id.partition("_")[0]
        if about not in (messages.HISTORY, messages.CONTEXT) or about in self._refused:
            return []
        self._refused.add(about)
        return [messages.instructions_update(self.instructions)]

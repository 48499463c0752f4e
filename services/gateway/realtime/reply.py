"""One response: from the persona's captions and units to events, in the order that clients rely on."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Final

import vivant
from services.gateway.realtime.audio import RATE_HZ
from services.gateway.realtime.config import shown_format
from services.gateway.realtime.items import Event, Item, Items, event, new_id

#: OpenAI counts sound that is heard by tenths, sound that is said by twentieths of a second.
_HEARD_MS_PER_TOKEN: Final = 100
_SAID_MS_PER_TOKEN: Final = 50


@dataclass(frozen=True)
class Manner:
    """How a response is to be given."""

    conversation_id: str
    voice: str
    modality: str
    output_format: str
    metadata: dict[str, str] | None = None
    ignored: dict[str, str] | None = None


@dataclass(frozen=True)
class Question:
    """What a response answers, for `usage`."""

    text: str = ""
    sound_ms: int = 0


class Reply:
    """A response in progress, and for a while after it: it may still be cut to what was heard."""

    def __init__(self, turn_id: int, manner: Manner, items: Items, question: Question) -> None:
        self.id = new_id("resp")
        self.turn_id = turn_id
        self.item = Item(new_id("item"), "assistant", f"output_{manner.modality}", status="in_progress", empty=True)
        self.cancelled_by = ""
        """Why it will not be completed: "turn_detected" or "client_cancelled"."""
        self.truncated_at: int | None = None
        """The client has heard so many milliseconds."""
        self.over = False
        self._manner = manner
        self._items = items
        self._question = question
        self._begun = False
        self._words: list[vivant.Word] = []
        self._sent: list[tuple[int, int, int]] = []

    @property
    def sent_ms(self) -> int:
        """Length of the sound that was sent."""
        return self._sent[-1][0] * 1000 // RATE_HZ if self._sent else 0

    @property
    def begun(self) -> bool:
        """Something of it was sent."""
        return self._begun

    @property
    def spoken(self) -> bool:
        return self._manner.modality == "audio"

    def created(self) -> list[Event]:
        return [event("response.created", response=self._shown("in_progress"))]

    def caption(self, caption: vivant.Caption) -> list[Event]:
        """Words that are about to be said."""
        events = self._begin()
        delta = f" {caption.text}" if self.item.text else caption.text
        self.item.text += delta
        self._words.extend(caption.words)
        kind = "response.output_audio_transcript.delta" if self.spoken else "response.output_text.delta"
        return [*events, self._of_part(kind, delta=delta)]

    def unit(self, unit: vivant.Unit, sound: str) -> list[Event]:
        """40 ms of voice; `sound` is what is sent of it, in base64."""
        events = self._begin()
        samples = len(unit.pcm) // 2
        self._sent.append((samples + (self._sent[-1][0] if self._sent else 0), unit.index, unit.turn_sample + samples))
        return [*events, self._of_part("response.output_audio.delta", delta=sound)] if sound else events

    def finish(self, status: str, heard_text: str | None = None, error: dict[str, str] | None = None) -> list[Event]:
        """The response is over. `heard_text`: what of it was heard, when it broke off."""
        self.over = True
        events: list[Event] = []
        if self._begun:
            if heard_text is not None:
                self.item.text = heard_text
            self.item.status = "completed" if status == "completed" else "incomplete"
            events += self._end()
        details: dict[str, Any] | None = {"type": status}
        if status == "cancelled":
            details = {"type": status, "reason": self.cancelled_by}
        if error:
            details = {"type": status, "error": error}
        response = self._shown(status) | {"status_details": details, "usage": self._usage()}
        return [*events, event("response.done", response=response)]

    def unit_at(self, audio_end_ms: int) -> int:
        """The index of the unit that holds this position of the sound that was sent; of the one before the first for 0."""
        if not self._sent or audio_end_ms <= 0:
            # Before the very first unit of a session there is none; of that one no word was heard to its end.
            return max(0, self._sent[0][1] - 1) if self._sent else 0
        return self._sent[self._place(audio_end_ms)][1]

    def cut(self, audio_end_ms: int) -> None:
        """Leaves of the words those that were heard by then."""
        until = self._sent[self._place(audio_end_ms)][2] if self._sent and audio_end_ms > 0 else 0
        self.item.text = " ".join(word.text for word in self._words if word.end_sample <= until)
        self.item.status = "incomplete"

    def _place(self, audio_end_ms: int) -> int:
        return min(bisect_left(self._sent, audio_end_ms * RATE_HZ // 1000, key=lambda sent: sent[0]), len(self._sent) - 1)

    def _begin(self) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        added = self._of_response("response.output_item.added", item=self.item.shown())
        [created] = self._items.add(self.item)
        self.item.empty = False
        begun = "transcript" if self.spoken else "text"
        return [added, created, self._part("added", {begun: ""})]

    def _end(self) -> list[Event]:
        text = self.item.text
        if self.spoken:
            done = [
                self._of_part("response.output_audio.done"),
                self._of_part("response.output_audio_transcript.done", transcript=text),
            ]
        else:
            done = [self._of_part("response.output_text.done", text=text)]
        return [
            *done,
            self._part("done", self.item.part()),
            self._items.done(self.item),
            self._of_response("response.output_item.done", item=self.item.shown()),
        ]

    def _part(self, step: str, part: dict[str, Any]) -> Event:
        """A part as its events show it: its type has another name there than in an item."""
        return self._of_part(f"response.content_part.{step}", part=part | {"type": self._manner.modality})

    def _of_response(self, kind: str, **fields: Any) -> Event:
        return event(kind, response_id=self.id, output_index=0, **fields)

    def _of_part(self, kind: str, **fields: Any) -> Event:
        return event(kind, response_id=self.id, item_id=self.item.id, output_index=0, content_index=0, **fields)

    def _shown(self, status: str) -> dict[str, Any]:
        manner = self._manner
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [self.item.shown()] if self._begun else [],
            "conversation_id": manner.conversation_id,
            "output_modalities": [manner.modality],
            "audio": {"output": {"format": shown_format(manner.output_format), "voice": manner.voice}},
            "max_output_tokens": "inf",
            "metadata": manner.metadata,
            "usage": None,
        } | ({"vivant": {"ignored": manner.ignored}} if manner.ignored else {})

    def _usage(self) -> dict[str, Any]:
        """Sound in OpenAI's measure, text in words: a measure, for nothing is charged."""
        question = self._question
        heard, read = -(-question.sound_ms // _HEARD_MS_PER_TOKEN), len(question.text.split())
        said, written = -(-self.sent_ms // _SAID_MS_PER_TOKEN), len(self.item.text.split())
        return {
            "total_tokens": heard + read + said + written,
            "input_tokens": heard + read,
            "output_tokens": said + written,
            "input_token_details": {
                "text_tokens": read,
                "audio_tokens": heard,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": written, "audio_tokens": said},
        }

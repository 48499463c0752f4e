"""The user's side of a Realtime conversation: from recognised words to speech events, items and their transcription."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import vivant
from services.gateway.realtime.audio import RATE_HZ
from services.gateway.realtime.items import Event, Item, Items, event, new_id
from services.gateway.realtime.reply import Question
from services.gateway.realtime.wrong import ClientError

#: Committed utterances whose words may still come.
_MAX_AWAITED: Final = 16


@dataclass
class Utterance:
    """What somebody said in one go."""

    item: Item
    start_ms: int | None = None
    end_ms: int = 0
    until_sample: int = 0
    """Where its sound ends, once it is committed: words that begin before belong to it."""
    finals: list[str] = field(default_factory=list)
    partial: str = ""
    completed: bool = False
    """Its transcription was said to be complete."""

    @property
    def words(self) -> str:
        return " ".join(part for part in (*self.finals, self.partial) if part)

    @property
    def duration_ms(self) -> int:
        return max(0, self.end_ms - (self.start_ms or 0))


class Hearing:
    """Collects what is heard."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._open: Utterance | None = None
        self._committed: deque[Utterance] = deque(maxlen=_MAX_AWAITED)
        self.detects = True
        """Speech is announced as it starts and stops."""
        self.transcribed = True
        self.appended = 0
        """Samples that the client has sent, on the clock of the microphone."""
        self._uncommitted = 0

    @property
    def speaking(self) -> bool:
        """Somebody is speaking, or has spoken and the words are not complete."""
        return self._open is not None or any(not utterance.completed for utterance in self._committed)

    @property
    def awaits_answer(self) -> bool:
        """Something was committed and not answered."""
        return bool(self._committed)

    @property
    def uncommitted(self) -> bool:
        """Sound was sent since the last commit."""
        return self._uncommitted > 0

    def append(self, samples: int) -> None:
        self.appended += samples
        self._uncommitted += samples

    def forget(self, samples: int) -> None:
        """Nothing that was sent since the last commit counts; so many samples of it were not even passed on."""
        self.appended -= samples
        self._uncommitted = 0

    def restart(self, waiting: int) -> None:
        """The clock of the microphone begins anew, with so many samples waiting; what was not answered is forgotten."""
        self._open = None
        self._committed.clear()
        self.appended = self._uncommitted = waiting

    def start(self, sample: int) -> list[Event]:
        """Somebody begins to speak."""
        if self._open is not None:
            return []
        start_ms = max(0, sample * 1000 // RATE_HZ)
        item = Item(new_id("item"), "user", "input_audio")
        self._open = Utterance(item, start_ms, start_ms)
        if not self.detects:
            return []
        return [event("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=item.id)]

    def words(self, heard: vivant.Transcript) -> list[Event]:
        """Spoken words, partial or final."""
        awaited = (one for one in self._committed if not one.completed and heard.start_sample < one.until_sample)
        utterance = next(awaited, self._open)
        events: list[Event] = []
        if utterance is None:
            if not heard.text.strip():
                return []
            events = self.start(heard.start_sample)
            utterance = self._open
        assert utterance is not None
        if utterance.start_ms is None:
            utterance.start_ms = heard.start_sample * 1000 // RATE_HZ
        utterance.end_ms = max(utterance.end_ms, heard.end_sample * 1000 // RATE_HZ)
        if heard.final:
            utterance.finals.append(heard.text.strip())
            utterance.partial = ""
            if utterance is not self._open:
                events += self._delta(utterance, heard.text.strip())
        else:
            utterance.partial = heard.text.strip()
        return events

    def commit(self) -> list[Event]:
        """What was said so far becomes an item; raises ClientError when there is nothing."""
        if self._open is None:
            if not self._uncommitted:
                raise ClientError(
                    "input_audio_buffer_commit_empty", "There is no sound to commit: none has come since the last commit."
                )
            self._open = Utterance(Item(new_id("item"), "user", "input_audio"))
        utterance, self._open = self._open, None
        utterance.until_sample = self.appended
        self._uncommitted = 0
        self._committed.append(utterance)
        item, events = utterance.item, list[Event]()
        if self.detects:
            stopped = max(utterance.end_ms, utterance.start_ms or 0)
            events.append(event("input_audio_buffer.speech_stopped", audio_end_ms=stopped, item_id=item.id))
        events.append(event("input_audio_buffer.committed", previous_item_id=self._items.last_id, item_id=item.id))
        events += self._items.add(item)
        for text in utterance.finals:
            events += self._delta(utterance, text)
        return events

    def answered(self) -> tuple[list[Event], Question]:
        """All that was said is being answered: it is complete. Also what the question was."""
        events = self.complete()
        sound_ms = sum(utterance.duration_ms for utterance in self._committed)
        text = "" if sound_ms else " ".join(utterance.words for utterance in self._committed)
        self._committed.clear()
        return events, Question(text, sound_ms)

    def complete(self) -> list[Event]:
        """No more words will come of what was said so far."""
        events: list[Event] = []
        if self._open is not None and self.detects:
            events += self.commit()
        for utterance in self._committed:
            events += self._completed(utterance)
        return events

    def _delta(self, utterance: Utterance, text: str) -> list[Event]:
        if not self.transcribed or not text:
            return []
        delta = f" {text}" if utterance.item.text else text
        utterance.item.text += delta
        kind = "conversation.item.input_audio_transcription.delta"
        return [event(kind, item_id=utterance.item.id, content_index=0, delta=delta)]

    def _completed(self, utterance: Utterance) -> list[Event]:
        if utterance.completed:
            return []
        utterance.completed = True
        utterance.item.text = utterance.words
        if not self.transcribed:
            return []
        seconds = round(utterance.duration_ms / 1000, 2)
        return [
            event(
                "conversation.item.input_audio_transcription.completed",
                item_id=utterance.item.id,
                content_index=0,
                transcript=utterance.item.text,
                usage={"type": "duration", "seconds": seconds},
            )
        ]

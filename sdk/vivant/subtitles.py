"""Subtitles that keep to the voice: captions are known before they are heard, units tell what is being heard. No I/O."""

from __future__ import annotations

from collections import deque

from vivant.events import Caption, Event, Turn, Unit, Word


class Subtitles:
    """Feed it every event of a session; it gives back the words to show now.

    A word is shown when its sound begins. A caption without word times (a reply that could not be spoken) is shown at once.
    What an interruption cut off is never shown.
    """

    def __init__(self) -> None:
        self._turn_id = 0
        self._waiting: deque[Word] = deque()
        self._begun = False

    def feed(self, event: Event) -> str:
        """Text to append to what is shown of the reply; empty: nothing new."""
        match event:
            case Caption() if event.turn_id >= self._turn_id:
                return self._on_caption(event)
            case Unit() if event.turn_id and event.turn_id == self._turn_id:
                return self._shown(event.turn_sample + len(event.pcm) // 2)
            case Turn() if event.turn_id == self._turn_id:
                rest = "" if event.interrupted else self._shown(None)
                self._waiting.clear()
                return rest
        return ""

    def _on_caption(self, event: Caption) -> str:
        if event.turn_id > self._turn_id:
            self._turn_id, self._begun = event.turn_id, False
            self._waiting.clear()
        if event.words:
            self._waiting.extend(event.words)
            return ""
        return self._shown(None) + self._joined([event.text.strip()])

    def _shown(self, position: int | None) -> str:
        words = []
        while self._waiting and (position is None or self._waiting[0].start_sample < position):
            words.append(self._waiting.popleft().text)
        return self._joined(words)

    def _joined(self, words: list[str]) -> str:
        text = " ".join(word for word in words if word)
        if not text:
            return ""
        joined = f" {text}" if self._begun else text
        self._begun = True
        return joined

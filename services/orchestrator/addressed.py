"""To whom what is heard was said, as the client tells it with the audio, for as long as words of it may come."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

#: Stretches that are remembered: many minutes of changes.
_MOST: Final = 256


class Addressed:
    """What the client told of one microphone. Times are its samples."""

    def __init__(self) -> None:
        self._stretches: deque[tuple[str, int, int]] = deque(maxlen=_MOST)

    def heard(self, addressee: str, start: int, end: int) -> None:
        """Notes one chunk; an empty addressee leaves it open."""
        if self._stretches and self._stretches[-1][0] == addressee:
            start = self._stretches.pop()[1]
        self._stretches.append((addressee, start, end))

    def during(self, start: int, end: int) -> str:
        """Who was named for most of [start, end); empty when nobody was."""
        told: Counter[str] = Counter()
        for addressee, first, last in self._stretches:
            if addressee and min(end, last) > max(start, first):
                told[addressee] += min(end, last) - max(start, first)
        best = told.most_common(1)
        return best[0][0] if best else ""

"""What callers say of the audio they send, who speaks or to whom, kept for as long as results may ask for it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

#: Stretches that are remembered. Callers label microphones, not words: this is many minutes of changes.
_MAX_STRETCHES: Final = 512


Label = TypeVar("Label", bound=Hashable)


class Labels(Generic[Label]):
    """The labels of one stream of audio; an empty one says nothing. Times are samples."""

    def __init__(self) -> None:
        self._stretches: deque[tuple[Label, int, int]] = deque(maxlen=_MAX_STRETCHES)

    def heard(self, label: Label, start: int, end: int) -> None:
        """Notes the label of one chunk."""
        if self._stretches and self._stretches[-1][0] == label:
            start = self._stretches.pop()[1]
        self._stretches.append((label, start, end))

    def during(self, start: int, end: int) -> Label | None:
        """The label of most of [start, end); None when nobody gave one."""
        heard: Counter[Label] = Counter()
        for label, first, last in self._stretches:
            if label:
                heard[label] += max(0, min(end, last) - max(start, first))
        best = heard.most_common(1)
        return best[0][0] if best and best[0][1] > 0 else None

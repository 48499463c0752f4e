"""What callers say of the audio they send, who speaks or to whom, kept for as long as results may ask for it."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

#: Stretches that are remembered. Callers label microphones, not words: this is many minutes of changes.
_MAX_STRETCHES: Final = 512


class Labels:
    """The labels of one stream of audio. Times are samples."""

    def __init__(self) -> None:
        self._stretches: deque[tuple[str, int, int]] = deque(maxlen=_MAX_STRETCHES)
        self._known = ""

    def heard(self, label: str, start: int, end: int) -> bool:
        """Notes the label of one chunk, "" for unknown. True when it is not the one that was known before."""
        if self._stretches and self._stretches[-1][0] == label:
            start = self._stretches.pop()[1]
        self._stretches.append((label, start, end))
        changed = bool(label and self._known and label != self._known)
        self._known = label or self._known
        return changed

    def during(self, start: int, end: int) -> str:
        """The label of most of [start, end); "" when nobody gave one."""
        heard: Counter[str] = Counter()
        for label, first, last in self._stretches:
            heard[label] += max(0, min(end, last) - max(start, first))
        heard.pop("", None)
        best = heard.most_common(1)
        return best[0][0] if best and best[0][1] > 0 else ""

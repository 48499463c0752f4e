"""Which words of a growing hypothesis can be relied on.

Rule (local agreement of two, Liu et al. 2020, "Low-Latency Sequence-to-Sequence Speech Recognition"): a word is stable when two
hypotheses in a row agree on it and on all words before it. The last word of a hypothesis never is: it may be cut in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence


def plain(word: str) -> str:
    """The word without case and punctuation, for comparing; a word of punctuation only stays as it is."""
    letters = "".join(char for char in word if char.isalnum() or char == "'")
    return letters.casefold() or word.strip()


def agreed(previous: Sequence[str], current: Sequence[str]) -> int:
    """How many words at the start of `current` are stable by the rule above."""
    count = 0
    for old, new in zip(previous, current[:-1], strict=False):
        if plain(old) != plain(new):
            break
        count += 1
    return count

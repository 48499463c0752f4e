"""Which words of a growing hypothesis can be relied on, and how two hypotheses of the same speech correspond.

Rule (local agreement of two; Liu, Spanakis, Niehues: "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by
Partial Hypothesis Selection", 2020): a word is stable when two hypotheses in a row agree on it and on all words before it. The
last word of a hypothesis never is: it may be cut in the middle.
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


def covered(words: Sequence[str], other: Sequence[str]) -> int:
    """How many words at the start of `other` say what all of `words` say: the longest prefix at the least edit distance."""
    distances = list(range(len(other) + 1))
    for row, word in enumerate(words, 1):
        diagonal, distances[0] = distances[0], row
        for column, candidate in enumerate(other, 1):
            substituted = diagonal + (plain(word) != plain(candidate))
            diagonal = distances[column]
            distances[column] = min(substituted, diagonal + 1, distances[column - 1] + 1)
    least = min(distances)
    return max(column for column, distance in enumerate(distances) if distance == least)

"""How well a passage knows the words of a question: its measure is the word that the passage knows least.

Sentence embeddings find what a question is about, but "Which hospital does your sister work at?" is close to all that is said
of the sister's work. No word there is near "hospital", so the passage does not answer. Words are compared by their embeddings,
which makes "mileage" and "miles" near.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from services.llm.memory.embedding import Array, Embedder
from services.llm.understanding.names import Names
from services.llm.understanding.words import content_words


class Vocabulary:
    """The words of some passages."""

    def __init__(self, texts: Sequence[str], names: Names, embedder: Embedder) -> None:
        self._names, self._embedder = names, embedder
        found = [self._words(text) for text in texts]
        written: dict[str, str] = {}
        for words in found:
            written = words | written
        number = {key: index for index, key in enumerate(written)}
        self._vectors = embedder.embed_words(list(written.values()))
        # A passage without words of meaning knows none, and has no place in the row of all words.
        self._full = np.array([bool(words) for words in found])
        self._row = np.array([number[key] for key in chain.from_iterable(found)], np.int64)
        self._starts = np.cumsum([0, *(len(words) for words in found if words)])[:-1]

    def measure(self, question: str) -> Array:
        """For each passage the cosine similarity of its nearest word to the word of the question that it knows least.

        0 for a question without words of meaning.
        """
        asked = self._words(question)
        measured = np.zeros(len(self._full), np.float32)
        if asked and len(self._row):
            near = (self._vectors @ self._embedder.embed_words(list(asked.values())).T)[self._row]
            measured[self._full] = np.maximum.reduceat(near, self._starts, axis=0).min(axis=1)
        return measured

    def _words(self, text: str) -> dict[str, str]:
        """The words of meaning by their stems; a name with a relation is that relation."""
        found: dict[str, str] = {}
        for key, word in content_words(text):
            relation = self._names.as_relation(key)
            found.setdefault(relation, word if relation == key else relation)
        return found

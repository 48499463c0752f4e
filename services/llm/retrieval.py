"""Recalling passages: by meaning (embeddings of the interviewer's questions and of sentences), by words, and by whom it is
about.

Four measures are joined into the probability that a passage answers: the cosine similarity of the question with the
passage's own question, with its text and with its best sentence, and the share of the question's words that the passage has,
rare words counting more. Two facts alike but for the person ("your sister's birthday", "your birthday") are close in
meaning, so a passage that does not speak of whom the question is about is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from services.llm.embedding import Array, Embedder
from services.llm.names import Names
from services.llm.story import Passage
from services.llm.vectors import embed_kept

#: Logistic regression on 106 paraphrased questions, 38 of them without an answer in the story; none is in bench/persona.py.
_WEIGHTS: Final = np.array([8.0, 4.6, 3.5, 0.7], np.float32)
_BIAS: Final = -9.0
#: A question that is nearly the interviewer's is about the same person, whatever the names say.
_VERBATIM: Final = 0.9


@dataclass(frozen=True)
class Hit:
    passage: Passage
    score: float
    """The probability that it answers, 0 to 1."""
    similarity: float
    """The best cosine similarity of what was asked with the passage's question, text or one of its sentences."""
    sentences: tuple[float, ...]
    """The cosine similarity of each sentence with what was asked."""


class Memory:
    """The index of one life story. `kept` is a file in which its embeddings are found again."""

    def __init__(self, passages: Sequence[Passage], embedder: Embedder, kept: Path) -> None:
        self._passages = tuple(passages)
        self._embedder = embedder
        self._bounds = np.cumsum([0, *(len(passage.sentences) for passage in passages)])
        texts = [passage.question or passage.topic for passage in passages]
        texts += [sentence for passage in passages for sentence in passage.sentences]
        vectors = embed_kept(texts, embedder, kept)
        self._questions: Array = vectors[: len(passages)]
        self._sentences: Array = vectors[len(passages) :]
        sums = np.add.reduceat(self._sentences, self._bounds[:-1])
        self._texts: Array = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        whole = [f"{passage.question} {passage.text}" for passage in passages]
        self._names = Names(whole)
        self._words = [frozenset(self._names.content(text)) for text in whole]
        self._subjects = [self._names.subjects(text) for text in whole]
        self._frequency = Counter(word for document in self._words for word in document)

    def recall(self, query: str, context: str = "", limit: int = 3) -> list[Hit]:
        """The best passages, best first. `context` is what was said before, for a question that needs it. Blocks for ~10 ms."""
        asked = [query, self._names.said_of(query)]
        if context:
            asked.append(f"{context} {query}")
        vectors = self._embedder.embed(list(dict.fromkeys(asked))).T
        question = (self._questions @ vectors).max(axis=1)
        text = (self._texts @ vectors).max(axis=1)
        sentences = (self._sentences @ vectors).max(axis=1)
        sentence = np.maximum.reduceat(sentences, self._bounds[:-1])
        covered = self._covered(self._names.content(query))
        logit = np.stack([question, text, sentence, covered], axis=1) @ _WEIGHTS + _BIAS
        score = 1 / (1 + np.exp(-logit))
        score[self._about_others(query) & (question < _VERBATIM)] = 0
        similarity = np.maximum(question, np.maximum(text, sentence))
        return [
            Hit(
                passage=self._passages[index],
                score=float(score[index]),
                similarity=float(similarity[index]),
                sentences=tuple(map(float, sentences[self._bounds[index] : self._bounds[index + 1]])),
            )
            for index in np.argsort(-score)[:limit]
        ]

    def _about_others(self, query: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For each passage whether it says nothing of whom the question is about."""
        subjects = self._names.subjects(query)
        return np.array([not subjects <= about for about in self._subjects])

    def _covered(self, query: Sequence[str]) -> Array:
        """For each passage the share of the query's words that it has, weighted by inverse document frequency."""
        count = len(self._passages)
        if not query:
            return np.full(count, 0.5, np.float32)
        total, covered = 0.0, np.zeros(count, np.float32)
        for word in query:
            frequency = self._frequency[word]
            weight = math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))
            total += weight
            covered += np.array([weight * (word in document) for document in self._words], np.float32)
        return covered / np.float32(total)

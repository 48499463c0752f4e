"""Recalling passages: by meaning (embeddings of question, passage and sentences) and by words (BM25).

A question is compared with the interviewer's question of each passage, with the passage, and with its sentences. The scores are
calibrated on questions with and without an answer, see bench/persona.py.
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
from services.llm.story import Passage
from services.llm.vectors import embed_kept
from services.llm.words import content

#: The usual constants of BM25 (Robertson and Zaragoza 2009).
_K1: Final = 1.2
_B: Final = 0.75
#: Weight of the lexical score against the cosine similarities.
_LEXICAL: Final = 0.25


@dataclass(frozen=True)
class Hit:
    passage: Passage
    score: float
    """How well it answers, about 0 to 1.2."""
    similarity: float
    """The best cosine similarity with the question, the passage or one of its sentences."""
    coverage: float
    """Which share of the question's words, by weight, the passage or its question has."""
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
        self._documents = [Counter(content(f"{passage.question} {passage.text}")) for passage in passages]
        self._lengths = np.array([sum(document.values()) for document in self._documents], float)
        self._frequency: Counter[str] = Counter(word for document in self._documents for word in document)

    def recall(self, query: str, context: str = "", limit: int = 3) -> list[Hit]:
        """The best passages, best first. `context` is what was said before, for a question that needs it. Blocks for ~10 ms."""
        texts = [query, f"{context} {query}"] if context else [query]
        vectors = self._embedder.embed(texts)
        score, similarity, sentence, coverage = self._scores(texts[0], vectors[0])
        if context:
            other = self._scores(texts[1], vectors[1])
            better = other[0] > score
            score = np.where(better, other[0], score)
            similarity = np.where(better, other[1], similarity)
            sentence = np.maximum(sentence, other[2])
            coverage = np.maximum(coverage, other[3])
        best = np.argsort(-score)[:limit]
        return [
            Hit(
                passage=self._passages[index],
                score=float(score[index]),
                similarity=float(similarity[index]),
                coverage=float(coverage[index]),
                sentences=tuple(map(float, sentence[self._bounds[index] : self._bounds[index + 1]])),
            )
            for index in best
        ]

    def rare(self, word: str) -> float:
        """How much a word says: its inverse document frequency; the highest for a word that the story does not have."""
        frequency = self._frequency[word]
        return math.log(1 + (len(self._passages) - frequency + 0.5) / (frequency + 0.5))

    def _scores(self, text: str, vector: Array) -> tuple[Array, Array, Array, Array]:
        sentence = self._sentences @ vector
        best_sentence = np.maximum.reduceat(sentence, self._bounds[:-1])
        asked, told = self._questions @ vector, self._texts @ vector
        similarity = np.maximum(asked, np.maximum(told, best_sentence))
        meaning = np.maximum(asked, 0.5 * asked + 0.25 * told + 0.25 * best_sentence)
        bm25, coverage = self._lexical(content(text))
        return meaning + _LEXICAL * bm25, similarity, sentence, coverage

    def _lexical(self, query: Sequence[str]) -> tuple[Array, Array]:
        """BM25 as a share of what a passage with every word would get, and the share of the words by weight."""
        count = len(self._passages)
        if not query:
            return np.zeros(count, np.float32), np.zeros(count, np.float32)
        weights = {word: self.rare(word) for word in query}
        norm = _K1 * (1 - _B + _B * self._lengths / self._lengths.mean())
        score, covered = np.zeros(count), np.zeros(count)
        for word, weight in weights.items():
            times = np.array([document[word] for document in self._documents], float)
            score += weight * times * (_K1 + 1) / (times + norm)
            covered += weight * (times > 0)
        total = sum(weights.values())
        return np.minimum(score / total, 1.5).astype(np.float32), (covered / total).astype(np.float32)

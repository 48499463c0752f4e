"""Recalling passages: by meaning, and by whom they are about.

Three cosine similarities are joined into the probability that a passage answers: that of the question with the interviewer's
own question, with the passage as a whole, and with its best sentence. Two facts alike but for the person ("your sister's
birthday", "your birthday") are close in meaning, so a passage that does not speak of whom the question is about is left out.
(Words in common, as BM25 counts them, were measured as a fourth: they change nothing here, 52 of 68 questions answered right
with and without.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from services.llm.clauses import sentences
from services.llm.embedding import Array, Embedder
from services.llm.manners import is_question
from services.llm.names import Names
from services.llm.story import Passage
from services.llm.vectors import embed_kept
from services.llm.words import LEXICON, words

#: Logistic regression on 106 paraphrased questions, 38 of them without an answer in the story; none is in bench/persona.py.
_WEIGHTS: Final = np.array([7.9, 4.7, 4.0], np.float32)
_BIAS: Final = -9.1
#: "I have to go" is answered by what is said to a goodbye, and not by where the person likes to go.
_ACT: Final = 2.0
#: Who asks on does not want to hear the same again, unless nothing else fits.
_TOLD: Final = 1.2
_LEANING: Final = frozenset(LEXICON["leaning"].split()) - {"how", "why", "and", "but"}
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
        questions = [_ways_to_ask(passage) for passage in passages]
        self._question_bounds = np.cumsum([0, *map(len, questions)])
        texts = [question for asked in questions for question in asked]
        texts += [sentence for passage in passages for sentence in passage.sentences]
        vectors = embed_kept(texts, embedder, kept)
        self._questions: Array = vectors[: self._question_bounds[-1]]
        self._sentences: Array = vectors[self._question_bounds[-1] :]
        sums = np.add.reduceat(self._sentences, self._bounds[:-1])
        self._texts: Array = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        whole = [f"{passage.question} {passage.text}" for passage in passages]
        self._names = Names(whole)
        self._asked = np.array([is_question(passage.question or "?") for passage in passages])
        self._subjects = [self._names.subjects(text) for text in whole]

    def embed(self, texts: Sequence[str]) -> Array:
        """`[len(texts), 384]`, see `Embedder.embed`."""
        return self._embedder.embed(texts)

    def recall(self, query: str, context: str = "", told: str = "", limit: int = 3) -> list[Hit]:
        """The best passages, best first; blocks for about 10 ms.

        `context` is what was said before, for a question that needs it, and `told` is what the person has said lately.
        """
        asked = [query, self._names.related(query), self._names.called(query)]
        if context:
            asked.append(f"{context} {query}")
        vectors = self._embedder.embed(list(dict.fromkeys(asked))).T
        question = np.maximum.reduceat((self._questions @ vectors).max(axis=1), self._question_bounds[:-1])
        text = (self._texts @ vectors).max(axis=1)
        each = (self._sentences @ vectors).max(axis=1)
        sentence = np.maximum.reduceat(each, self._bounds[:-1])
        measures = np.stack([question, text, sentence], axis=1)
        score = 1 / (1 + np.exp(-(measures @ _WEIGHTS + _BIAS + self._same_act(query) - self._repeated(told))))
        score[self._about_others(query) & (question < _VERBATIM)] = 0
        similarity = measures.max(axis=1)
        return [
            Hit(
                passage=self._passages[index],
                score=float(score[index]),
                similarity=float(similarity[index]),
                sentences=tuple(map(float, each[self._bounds[index] : self._bounds[index + 1]])),
            )
            for index in np.argsort(-score)[:limit]
        ]

    def _same_act(self, query: str) -> Array:
        """For each passage how its kind fits: what is told to the person is answered as such, what is asked is not."""
        if is_question(query):
            return np.where(self._asked, 0, -_ACT).astype(np.float32)
        return np.where(self._asked, -1.5 * _ACT, _ACT).astype(np.float32)

    def _repeated(self, told: str) -> Array:
        """For each passage how much it is put back for having been told."""
        return np.array([_TOLD * (passage.sentences[0] in told) for passage in self._passages], np.float32)

    def _about_others(self, query: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For each passage whether it says nothing of whom the question is about."""
        subjects = self._names.subjects(query)
        return np.array([not subjects <= about for about in self._subjects])


def _ways_to_ask(passage: Passage) -> list[str]:
    """The interviewer's question, and each part of it that stands by itself: "Are you married? Who is Sam?" is two."""
    whole = passage.question or passage.topic
    parts = sentences(whole)
    return [whole, *(part for part in parts if part != whole and not _LEANING.intersection(words(part)))]

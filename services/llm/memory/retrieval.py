"""Recalling passages: by meaning, by their words, and by whom they are about.

Three measures are joined into the probability that a passage answers: the cosine similarity of the question with the nearest
way to ask for the passage, that with its best sentence (read together with the interviewer's question, without which "She was
sixty-three" says little), and how well it knows the question's words (see `vocabulary`). Passages compete: where two fit alike,
neither is sure. Two facts alike but for the person ("your sister's birthday", "your birthday") are close in meaning, so a
passage that does not speak of whom the question is about is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from services.llm.memory.embedding import Array, Embedder
from services.llm.memory.vectors import Vectors, embed_kept
from services.llm.memory.vocabulary import Vocabulary
from services.llm.persona.story import Passage
from services.llm.reply.clauses import sentences
from services.llm.understanding.names import Names
from services.llm.understanding.questions import is_question
from services.llm.understanding.words import LEXICON, words

#: Softmax regression: every way to ask in June's story, left out once, and 103 paraphrased questions, 37 of them without an
#: answer in the story. None of them is in bench/data.
_ASKED: Final = (np.array([6.9, 8.3, 2.1], np.float32), -9.5)
#: The same for what is told, which is no question to the passage's sentences and need not have its words.
_TOLD: Final = (np.array([12.6, 3.7, 0.3], np.float32), -8.4)
#: This many passages compete.
_RIVALS: Final = 12
#: "I have to go" is answered by what is said to a goodbye, and not by where the person likes to go: so much nearer must a way
#: be that is no question, for a question, or the other way round.
_OTHER_ACT: Final = 0.1
#: And so much is taken off a passage that has none but such ways: for a question, for what is told.
_ONLY_TOLD: Final = 4.0
_ONLY_ASKED: Final = 3.0
#: Of what is said in one breath no more parts than this are looked at by themselves.
_MAX_PARTS: Final = 4
#: Who asks on does not want to hear the same again, unless nothing else fits.
_REPEATED: Final = 1.2
#: And who asks about what is just being told wants to hear of nothing else, unless that fits much better.
_TELLING: Final = 2.0
_LEANING: Final = frozenset(LEXICON["leaning"].split()) - {"how", "why", "and", "but"}
_LISTENERS: Final = re.compile(r"\b(my|our)( [\w']+){1,2}", re.IGNORECASE)
#: A question that is nearly one of the interviewer's is about the same person, whatever the names say.
_VERBATIM: Final = 0.9


@dataclass(frozen=True)
class Hit:
    passage: Passage
    score: float
    """The probability that it answers, 0 to 1."""
    similarity: float
    """The best cosine similarity of what was asked with a way to ask for the passage, or with one of its sentences."""
    sentences: tuple[float, ...]
    """The cosine similarity of each sentence with what was asked."""


class Memory:
    """The index of one life story. `kept` has its embeddings, or is a file in which they are found again."""

    def __init__(
        self, passages: Sequence[Passage], embedder: Embedder, kept: Path | Vectors, relations: Sequence[str] = ()
    ) -> None:
        self._passages = tuple(passages)
        self._embedder = embedder
        ways = [_ways_to_ask(passage) for passage in passages]
        self._way_starts = _starts(ways)
        self._bounds = np.cumsum([0, *(len(passage.sentences) for passage in passages)])
        self._names = Names((f"{passage.question} {passage.text}" for passage in passages), relations)
        wholes = [f"{' '.join((passage.question, *passage.also))} {passage.text}" for passage in passages]
        self._vocabulary = Vocabulary(wholes, self._names, embedder)
        self._subjects = [self._names.subjects(whole) for whole in wholes]
        asks = [way for asked in ways for way in asked]
        self._asks = np.array([is_question(way) for way in asks])
        self._ways, self._sentences = np.split(embed_kept(texts_of(passages), embedder, kept), [len(asks)])

    def embed(self, texts: Sequence[str]) -> Array:
        """`[len(texts), 384]`, see `Embedder.embed`."""
        return self._embedder.embed(texts)

    def meant(self, question: str, heard: str) -> str:
        """See `Names.meant`."""
        return self._names.meant(question, heard)

    def recall(
        self, query: str, context: str = "", told: str = "", telling: Passage | None = None, limit: int = 3
    ) -> list[Hit]:
        """The best passages, best first; blocks for about 10 ms.

        `context` is what was said before, for a question that needs it, `told` what the person has said lately, and `telling`
        what it was just telling, for a question that points at that.
        """
        parts = _parts(query)
        wordings = [self._wordings(part, context if part == query else "") for part in parts]
        vectors = self._embedder.embed([wording for each in wordings for wording in each])
        places = np.cumsum([len(each) for each in wordings])[:-1]
        measured = [self._measured(part, of_part.T) for part, of_part in zip(parts, np.split(vectors, places), strict=True)]
        logit, similarity, each = (np.maximum.reduce(measure) for measure in zip(*measured, strict=True))
        logit += [_TELLING if passage == telling else -_REPEATED * (passage.sentences[0] in told) for passage in self._passages]
        best = np.argsort(-logit)
        rivals = np.exp(logit[best[:_RIVALS]])
        return [
            Hit(
                passage=self._passages[index],
                score=float(np.exp(logit[index]) / (1 + rivals.sum())),
                similarity=float(similarity[index]),
                sentences=tuple(map(float, each[self._bounds[index] : self._bounds[index + 1]])),
            )
            for index in best[:limit]
        ]

    def _wordings(self, query: str, context: str) -> list[str]:
        """What is said, and the same with people called by their names, by what they are, and with what was said before."""
        # What the listener tells of their own sister is not about the person's.
        said = [query, self._names.related(query), self._names.called(query)] if is_question(query) else [query]
        return list(dict.fromkeys([*said, f"{context} {query}"] if context else said))

    def _measured(self, query: str, vectors: Array) -> tuple[Array, Array, Array]:
        """For each passage the logarithm of its odds to answer, and its similarity; for each sentence its similarity."""
        question = is_question(query)
        weights, bias = _ASKED if question else _TOLD
        way = (self._ways @ vectors).max(axis=1) - _OTHER_ACT * (self._asks != question)
        nearest = np.maximum.reduceat(way, self._way_starts)
        each = (self._sentences @ vectors).max(axis=1)
        sentence = np.maximum.reduceat(each, self._bounds[:-1])
        logit = np.stack([nearest, sentence, self._vocabulary.measure(query)], axis=1) @ weights + bias
        logit -= self._other_act(question)
        if question:
            logit[self._about_others(query) & (nearest < _VERBATIM)] = -np.inf
        return logit, np.maximum(nearest, sentence), each

    def _other_act(self, question: bool) -> Array:
        """For each passage what is taken off it for answering nothing but questions, or nothing but what is told."""
        fits = np.logical_or.reduceat(self._asks == question, self._way_starts)
        return np.where(fits, 0, _ONLY_TOLD if question else _ONLY_ASKED).astype(np.float32)

    def _about_others(self, query: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For each passage whether it says nothing of whom the question is about; the listener's own people do not count."""
        subjects = self._names.subjects(_LISTENERS.sub(" ", query))
        return np.array([not subjects <= about for about in self._subjects])


def texts_of(passages: Sequence[Passage]) -> list[str]:
    """All that is embedded of a story: the ways to ask, then each sentence in the light of its question."""
    asks = [way for passage in passages for way in _ways_to_ask(passage)]
    return [*asks, *(f"{passage.question} {sentence}".strip() for passage in passages for sentence in passage.sentences)]


def _parts(query: str) -> list[str]:
    """What is said, whole and in parts that may be answered by themselves: its questions, or the clauses of what is told."""
    said = sentences(query)
    asked = [part for part in said if is_question(part)]
    if not asked:
        said = [clause.strip() for part in said for clause in part.split(",")]
        asked = [clause for clause in said if len(words(clause)) > 1]
    return list(dict.fromkeys([query, *asked[:_MAX_PARTS]]))


def _starts(groups: Sequence[Sequence[str]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where each group begins when all stand in one row."""
    return np.cumsum([0, *map(len, groups)])[:-1]


def _ways_to_ask(passage: Passage) -> list[str]:
    """The interviewer's question, each part of it that stands by itself, and the other ways that the story lists.

    "Are you married? Who is Sam?" is two. A topic without a question stands for one.
    """
    whole = passage.question or f"{passage.topic}?"
    parts = [part for part in sentences(whole) if part != whole and not _LEANING.intersection(words(part))]
    return [whole, *parts, *passage.also]

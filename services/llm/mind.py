"""What a persona makes of a contribution before it speaks: what it remembers, how sure that is, and which sentence answers best."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.llm.embedding import Embedder
from services.llm.history import Said
from services.llm.manners import asks_about_ai, says_ai
from services.llm.persona import Persona
from services.llm.retrieval import Hit, Memory
from services.llm.story import Passage
from services.llm.words import content, words

#: From here on a passage answers the question, and below the other nothing in memory has to do with it.
SURE: Final = 0.66
FAINT: Final = 0.45
#: A second passage is a memory too when it is nearly as good as the first.
_NEARLY: Final = 0.12
#: Questions up to this length may lean on what was said before.
_SHORT_WORDS: Final = 6
_LEANING: Final = frozenset(
    [
        "he",
        "she",
        "they",
        "him",
        "her",
        "them",
        "his",
        "hers",
        "their",
        "theirs",
        "it",
        "its",
        "that",
        "this",
        "these",
        "those",
        "there",
        "then",
        "one",
        "ones",
        "too",
        "also",
        "and",
        "but",
        "why",
        "how",
    ]
)
_AI_QUESTION: Final = "Are you an AI? Are you a real person?"
_DANGLING: Final = re.compile(
    r"(he|she|they|it|him|her|his|their|that|this|these|those|and|but|so|then|there|both|after)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Recollection:
    """What comes to mind."""

    hits: tuple[Hit, ...]
    """Passages to speak from, best first; empty when nothing is remembered."""
    sure: bool
    """The first passage answers."""

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(hit.passage for hit in self.hits)


class Mind:
    """A persona with its memory indexed. Making one blocks while the story is embedded, or found in the file `kept`."""

    def __init__(self, persona: Persona, embedder: Embedder, kept: Path) -> None:
        self.persona = persona
        self._memory = Memory(persona.passages, embedder, kept)

    def recall(self, question: str, history: Sequence[Said] = ()) -> Recollection:
        """Blocks for about 10 ms."""
        if asks_about_ai(question):
            return self._about_ai(question)
        context = _context(question, history, self.persona.id)
        hits = self._memory.recall(question, context)
        best = hits[0].score
        if best < FAINT:
            return Recollection((), sure=False)
        kept = tuple(hit for hit in hits if hit.score >= max(FAINT, best - _NEARLY))
        return Recollection(kept[:2], sure=best >= SURE)

    def _about_ai(self, question: str) -> Recollection:
        """The truth about what it is: a passage that says it, or what must be said to everyone anyway."""
        for hit in (*self._memory.recall(question), *self._memory.recall(_AI_QUESTION)):
            if says_ai(hit.passage.text):
                return Recollection((hit,), sure=True)
        text = self.persona.profile.disclosure
        disclosure = Passage("disclosure", "", _AI_QUESTION, text, (text,))
        return Recollection((Hit(disclosure, 1.0, 1.0, 1.0, (1.0,)),), sure=True)


def answer(hit: Hit, max_words: int) -> list[str]:
    """The sentences of a passage that answer, from the best one on, as many as fit; one that leans on its neighbour brings it along."""
    texts = hit.passage.sentences
    best = max(range(len(texts)), key=lambda index: hit.sentences[index] - 0.02 * index)
    total = sum(len(text.split()) for text in texts)
    start = 0 if total <= max_words else best
    while start and _DANGLING.match(texts[start]):
        start -= 1
    said: list[str] = []
    for text in texts[start:]:
        if said and sum(len(part.split()) for part in (*said, text)) > max_words:
            break
        said.append(text)
    return said


def _context(question: str, history: Sequence[Said], persona_id: str) -> str:
    """What was said before, when the question cannot be understood without it."""
    said = words(question)
    if not history or len(said) > _SHORT_WORDS * 2:
        return ""
    leaning = any(word in _LEANING for word in said)
    if not (leaning or len(content(question)) <= 1) or (len(said) > _SHORT_WORDS and not leaning):
        return ""
    last = [item.text for item in history[-2:]]
    return " ".join(last)

"""What a persona makes of a contribution before it speaks: what it remembers, how sure that is, which sentences answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.llm.memory.embedding import Embedder
from services.llm.memory.history import Utterance
from services.llm.memory.retrieval import Hit, Memory
from services.llm.memory.vectors import Vectors
from services.llm.persona.persona import Persona
from services.llm.persona.story import Passage
from services.llm.reply.clauses import sentences
from services.llm.understanding.cut_short import CutShort, cut_short, interrupted
from services.llm.understanding.interrupting import asks_to_go_on, without_preface
from services.llm.understanding.introducing import asks_own_name, introduced
from services.llm.understanding.pointing import SHORT_WORDS, fits, points_back
from services.llm.understanding.questions import asks_about_ai, asks_about_listener, is_question, mirrored, says_ai
from services.llm.understanding.words import LEXICON, content, words

#: From here on a passage answers a question, or what was told (which risks less); below FAINT nothing has to do with it.
SURE: Final = 0.25
SURE_TOLD: Final = 0.3
FAINT: Final = 0.12
#: So many words of memory the model is given when memory is not sure.
_GLIMPSE_WORDS: Final = 50
#: A second passage is a memory too when it is this likely, against the first.
_RUNNER_UP: Final = 0.75
#: What the listener said answers a question about them from this cosine similarity on.
_TOLD: Final = 0.3
#: So much nearer to the question a sentence must be that was heard already.
_HEARD: Final = 0.2
#: When the question points at what was just told: so much nearer is one that has what is asked for, a place or a number,
_FITS: Final = 0.3
#: and the one that was about to come.
_NEXT: Final = 0.1
_LEANING: Final = frozenset(LEXICON["leaning"].split())
_DANGLING: Final = frozenset(LEXICON["dangling"].split())
_AI_QUESTION: Final = "Are you an AI? Are you a real person?"


@dataclass(frozen=True)
class Recollection:
    """What comes to mind."""

    hits: tuple[Hit, ...]
    """Passages to speak from, best first; empty when nothing is remembered."""
    sure: bool = False
    """The first passage answers."""
    told: str = ""
    """What the listener has said of themselves, said back to them, when that is what was asked."""
    part: tuple[str, ...] = ()
    """The sentences of the first passage that are to be said, when it was cut short before; no others of it are."""
    yields: bool = False
    """Somebody took the floor and has not said more than that."""

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(hit.passage for hit in self.hits)

    @property
    def memories(self) -> tuple[str, ...]:
        """What the model is given: whole passages where memory is sure, else the sentences that are nearest.

        Each word that it reads takes time after the listener has stopped, and it reads anew when other passages come to mind.
        """
        if self.part:
            return (" ".join(self.part),)
        if self.sure:
            return tuple(passage.text for passage in self.passages)
        return tuple(glimpse(hit, _GLIMPSE_WORDS // len(self.hits)) for hit in self.hits)


@dataclass(frozen=True)
class _Asked:
    """What the rules look at."""

    question: str
    """Without what only asks for the floor, when somebody has broken in."""
    history: Sequence[Utterance]
    speaker: str
    name: str
    """The speaker's, when it is known."""
    cut: CutShort | None
    """The passage that was being told when somebody broke in, the last time."""
    broke_in: bool
    """It has just been interrupted."""


class Recaller:
    """A persona with its memory indexed. Making one blocks while what `kept`, or the file `kept`, does not have is embedded."""

    def __init__(self, persona: Persona, embedder: Embedder, kept: Path | Vectors) -> None:
        self.persona = persona
        self._memory = Memory(persona.passages, embedder, kept, persona.profile.words.relations)

    def recall(self, question: str, history: Sequence[Utterance] = (), speaker: str = "", name: str = "") -> Recollection:
        """What a contribution of `speaker` brings to mind, by the first rule that knows it. Blocks for about 10 ms.

        `name` is the speaker's, when it is known.
        """
        broke_in = interrupted(history, self.persona.id)
        asked = _Asked(
            without_preface(question) if broke_in else question,
            history,
            speaker,
            name,
            cut_short(self.persona.passages, history, self.persona.id),
            broke_in=broke_in,
        )
        rules = (self._floor_taken, self._told_on, self._about_ai, self._about_listener, self._remembered)
        return next(found for rule in rules if (found := rule(asked)) is not None)

    # --- the rules: None is for what they do not know -------------------------------------------------------------------

    def _floor_taken(self, asked: _Asked) -> Recollection | None:
        """ "No, wait." asks for the floor and for nothing else."""
        return Recollection((), yields=True) if asked.broke_in and not words(asked.question) else None

    def _told_on(self, asked: _Asked) -> Recollection | None:
        """ "Sorry, you were saying?" asks for the rest of what was cut short."""
        if asked.cut is None or not asks_to_go_on(asked.question):
            return None
        passage = asked.cut.passage
        whole = Hit(passage, 1.0, 1.0, (1.0,) * len(passage.sentences))
        return Recollection((whole,), sure=True, part=passage.sentences[asked.cut.rest :])

    def _about_ai(self, asked: _Asked) -> Recollection | None:
        """The truth about what it is: a passage that says it, or what must be said to everyone anyway."""
        if not asks_about_ai(asked.question):
            return None
        for hit in (*self._memory.recall(asked.question), *self._memory.recall(_AI_QUESTION)):
            if says_ai(hit.passage.text):
                return Recollection((hit,), sure=True)
        text = self.persona.profile.disclosure
        disclosure = Passage("disclosure", "", _AI_QUESTION, text, (text,))
        return Recollection((Hit(disclosure, 1.0, 1.0, (1.0,)),), sure=True)

    def _about_listener(self, asked: _Asked) -> Recollection | None:
        """ "What's my name?" is answered from what the one who asks has said."""
        if not asks_about_listener(asked.question):
            return None
        return Recollection((), told=self._told(asked))

    def _remembered(self, asked: _Asked) -> Recollection:
        """All else: from the story, in the light of the conversation."""
        question, history, cut = asked.question, asked.history, asked.cut
        told = " ".join(item.text for item in history if item.speaker == self.persona.id)
        before, telling = context(question, history), None
        pointing = cut is not None and asked.broke_in and points_back(question)
        if cut and pointing:
            question = self._memory.meant(question, told)
            # "How old is your brother?" can be asked for itself, "Where is that?" cannot.
            before, telling = (before, cut.passage) if points_back(question) else ("", None)
        hits = self._memory.recall(question, before, told, telling)
        best = hits[0].score
        sure = SURE if is_question(question) else SURE_TOLD
        if best < FAINT:
            return Recollection(())
        kept = tuple(hit for hit in hits if hit.score >= max(FAINT, best * _RUNNER_UP))
        part = self._part(cut, question, pointing=pointing) if cut and kept[0].passage == cut.passage else ()
        return Recollection(kept[:2], sure=best >= sure, part=part)

    def nearest(self, text: str) -> float:
        """The cosine similarity of `text` with the passage that answers it best; blocks for about 10 ms."""
        return self._memory.recall(text, limit=1)[0].similarity

    def likeness(self, text: str, other: str) -> float:
        """The cosine similarity of two texts; blocks for a few milliseconds."""
        first, second = self._memory.embed([text, other])
        return float(first @ second)

    def _part(self, cut: CutShort, question: str, *, pointing: bool) -> tuple[str, ...]:
        """The sentence of a passage that was cut short which answers best, a new one if one does nearly as well."""
        texts = cut.passage.sentences
        vectors = self._memory.embed([question, *texts])
        near = vectors[1:] @ vectors[0]
        near[: cut.rest] -= _HEARD
        if pointing:
            near += [_FITS * fits(question, text) + _NEXT * (index == cut.next) for index, text in enumerate(texts)]
        return (texts[int(near.argmax())],)

    def _told(self, asked: _Asked) -> str:
        """The sentence of the listener's that is nearest to what they ask about themselves."""
        question, history = asked.question, asked.history
        if asks_own_name(question):
            before = [(item, history[:index]) for index, item in enumerate(history) if item.speaker == asked.speaker]
            names = [found.name for item, heard in before if (found := introduced(item.text, heard, self.persona))]
            # Said longer ago than history reaches, or told by their client.
            known = f"You're {asked.name}." if asked.name else ""
            return f"You told me you're {names[-1]}." if names else known
        own = [
            text
            for item in history
            if item.speaker != self.persona.id
            for text in sentences(item.text)
            if not is_question(text)
        ]
        if not own:
            return ""
        vectors = self._memory.embed([question, *own])
        near = vectors[1:] @ vectors[0]
        best = int(near.argmax())
        said = mirrored(own[best].rstrip(".!"))
        return f"You told me {said[0].lower()}{said[1:]}." if near[best] >= _TOLD else ""


def glimpse(hit: Hit, max_words: int) -> str:
    """The sentence of a passage that is nearest, and those around it as long as they fit."""
    texts = hit.passage.sentences
    first = last = max(range(len(texts)), key=lambda index: hit.sentences[index])
    while True:
        around = [index for index in (last + 1, first - 1) if 0 <= index < len(texts)]
        room = max_words - len(" ".join(texts[first : last + 1]).split())
        fitting = [index for index in around if len(texts[index].split()) <= room]
        if not fitting:
            return " ".join(texts[first : last + 1])
        nearest = max(fitting, key=lambda index: hit.sentences[index])
        first, last = min(first, nearest), max(last, nearest)


def answer(hit: Hit, max_words: int) -> list[str]:
    """The sentences of a passage that answer, as many as fit: from its start, or from the best one on when it is long.

    A sentence that leans on the one before brings it along.
    """
    texts = hit.passage.sentences
    start = 0
    if len(hit.passage.text.split()) > max_words:
        start = max(range(len(texts)), key=lambda index: hit.sentences[index])
        while start and _leans(texts[start]):
            start -= 1
    return shortened(texts[start:], max_words)


def shortened(texts: Sequence[str], max_words: int) -> list[str]:
    """As many of these sentences as fit, but the first in any case."""
    said: list[str] = []
    for text in texts:
        if said and len(" ".join((*said, text)).split()) > max_words:
            break
        said.append(text)
    return said


def context(question: str, history: Sequence[Utterance]) -> str:
    """The last exchange, when the question cannot be understood without it; else nothing."""
    said = words(question)
    leaning = len(said) <= SHORT_WORDS and (any(word in _LEANING for word in said) or len(content(question)) <= 1)
    if not leaning or re.fullmatch(r"(how|what)('s| are| is) (you|it going|up).*", question.lower().strip(" ?!.")):
        return ""
    return " ".join(item.text for item in history[-2:])


def _leans(sentence: str) -> bool:
    """Whether a sentence begins with a word that stands for something said before: "He's", "It was"."""
    said = words(sentence)
    return bool(said) and said[0].partition("'")[0] in _DANGLING

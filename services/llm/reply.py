"""Making one reply: remember, open with what memory says, let the model go on, check every clause before it is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from services.common.logs import get_logger
from services.llm import prompt as prompts
from services.llm.clauses import ClauseSplitter
from services.llm.cues import FaceCue, felt, take_cues
from services.llm.engine import Engine, Usage
from services.llm.grounding import Evidence
from services.llm.history import Said
from services.llm.manners import about_listener, is_question, speakable, wants_more
from services.llm.mind import Mind, Recollection, answer
from services.llm.settings import LlmSettings
from services.llm.story import Passage
from services.llm.words import words

_log = get_logger(__name__)

#: A spoken reply: one to three sentences.
_MAX_WORDS: Final = 60
_MAX_WORDS_STORY: Final = 160
#: With this many words from memory a reply is complete, and the model is not asked to go on.
_ENOUGH_WORDS: Final = 14


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Cue:
    cue: FaceCue


@dataclass(frozen=True)
class Source:
    passage: Passage
    score: float


@dataclass(frozen=True)
class Done:
    usage: Usage
    corrected: bool


Event = Text | Cue | Source | Done


class Replier:
    """Makes replies of one persona."""

    def __init__(self, mind: Mind, engine: Engine, settings: LlmSettings) -> None:
        self.mind = mind
        self._engine = engine
        self._settings = settings

    async def recall(self, question: Said, history: Sequence[Said]) -> Recollection:
        return await asyncio.to_thread(self.mind.recall, question.text, history)

    async def prefill(self, question: Said, history: Sequence[Said], recollection: Recollection, lane: int) -> None:
        """Reads the prompt as far as the question is known."""
        await self._engine.prefill(prompts.build(self.mind.persona, history, recollection.passages, question), lane)

    async def prefill_waiting(self, history: Sequence[Said], lane: int) -> None:
        """Reads the prompt as far as it is known while nobody speaks."""
        await self._engine.prefill(prompts.build_waiting(self.mind.persona, history), lane)

    async def reply(self, question: Said, history: Sequence[Said], lane: int) -> AsyncGenerator[Event, None]:
        """The reply to `question`, clause by clause, Done at last. Raises what the engine raises."""
        fallbacks = self.mind.persona.profile.fallbacks
        if not words(question.text):
            yield Text(choose(fallbacks.empty, question, history))
            yield Done(Usage(0, 0), corrected=False)
            return
        recollection = await self.recall(question, history)
        if not recollection.hits and is_question(question.text) and not (history and about_listener(question.text)):
            # Nobody could know: a model that is asked all the same makes something up.
            yield Text(choose(fallbacks.unknown, question, history))
            yield Done(Usage(0, 0), corrected=False)
            return
        async with aclosing(_Making(self, question, history, recollection, lane).events()) as events:
            async for event in events:
                yield event

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def settings(self) -> LlmSettings:
        return self._settings


class _Making:
    """The state of one reply that is being made."""

    def __init__(
        self, replier: Replier, question: Said, history: Sequence[Said], recollection: Recollection, lane: int
    ) -> None:
        self._replier = replier
        self._question = question
        self._history = history
        self._recollection = recollection
        self._lane = lane
        self._long = wants_more(question.text)
        self._max_words = _MAX_WORDS_STORY if self._long else _MAX_WORDS
        profile = replier.mind.persona.profile
        # The listener's own words may be named, but "I have a cat" is not the persona's to say.
        self._evidence = Evidence(
            tuple(passage.text for passage in recollection.passages),
            (profile.name, question.speaker, question.text, *(said.text for said in history)),
        )
        self._said = ""
        self._face = ""
        self._corrected = False
        self._usage = Usage(0, 0)

    async def events(self) -> AsyncGenerator[Event, None]:
        for hit in self._recollection.hits:
            yield Source(hit.passage, hit.similarity)
        opening = self._opening()
        for sentence in opening:
            for event in self._speak(sentence + " "):
                yield event
        if not opening or len(self._said.split()) < _ENOUGH_WORDS:
            async with aclosing(self._model()) as spoken:
                async for event in spoken:
                    yield event
        yield Done(self._usage, self._corrected)

    def _opening(self) -> list[str]:
        if not self._recollection.sure or self._replier.settings.opening == "model":
            return []
        return answer(self._recollection.hits[0], self._max_words)

    async def _model(self) -> AsyncGenerator[Event, None]:
        """What the model says, as far as it holds."""
        asked = prompts.build(
            self._replier.mind.persona, self._history, self._recollection.passages, self._question, self._said
        )
        limit = self._replier.settings.max_reply_tokens * (3 if self._long else 1)
        splitter = ClauseSplitter()
        async with aclosing(self._replier.engine.generate(asked, limit, self._lane)) as tokens:
            async for token in tokens:
                if isinstance(token, Usage):
                    self._usage = token
                    clauses = [splitter.rest()]
                else:
                    clauses = splitter.push(token)
                for clause in clauses:
                    events, go_on = self._check(clause)
                    for event in events:
                        yield event
                    if not go_on:
                        return

    def _check(self, clause: str) -> tuple[list[Event], bool]:
        """What becomes of a clause of the model, and whether it may go on."""
        text, cue = take_cues(clause)
        if not text.strip():
            return [], True
        if len((self._said + text).split()) > self._max_words:
            return [], False
        problem = self._evidence.problem(text) if speakable(text) else "manner"
        if problem is None:
            return self._speak(text, cue), True
        _log.info("clause_refused", problem=problem)
        self._corrected = True
        if self._said.strip():
            # What was said so far stands by itself.
            return [], False
        return self._speak(self._instead()), False

    def _instead(self) -> str:
        """What is said where the model's words do not hold: what memory says, else that nothing comes to mind."""
        hits, fallbacks = self._recollection.hits, self._replier.mind.persona.profile.fallbacks
        if hits and self._recollection.sure:
            return " ".join(answer(hits[0], self._max_words))
        lines = fallbacks.unknown if is_question(self._question.text) else fallbacks.listening
        return choose(lines, self._question, self._history)

    def _speak(self, text: str, cue: FaceCue | None = None) -> list[Event]:
        self._said += text
        cue = cue or felt(text)
        if cue is None or cue.name == self._face:
            return [Text(text)]
        self._face = cue.name
        return [Cue(cue), Text(text)]


def choose(lines: Sequence[str], question: Said, history: Sequence[Said]) -> str:
    """One of several lines: the same for the same question, but none that was said shortly before."""
    said = " ".join(item.text for item in history[-8:])
    fresh = [line for line in lines if line not in said] or list(lines)
    return fresh[crc32(question.text.encode()) % len(fresh)]

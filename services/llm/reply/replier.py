"""Making one reply: remember, open with what memory says, let the model go on, check every clause before it is spoken."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final
from zlib import crc32

from services.common.logs import get_logger
from services.llm.engine import Engine, Usage
from services.llm.memory.history import Utterance
from services.llm.memory.threads import think
from services.llm.reply import prompt as prompts
from services.llm.reply.clauses import ClauseSplitter, sentences
from services.llm.reply.cues import FaceCue, felt
from services.llm.reply.grounding import Evidence
from services.llm.reply.manners import plans, speakable, speaks_of_user
from services.llm.reply.outputs import Cue, Done, Event, Source, Text
from services.llm.reply.reading.listening import Clause, Listening
from services.llm.reply.reading.reader import Reader
from services.llm.reply.reading.reasoning import Retract
from services.llm.reply.recalling import Recaller, Recollection, answer, shortened
from services.llm.settings import LlmSettings
from services.llm.understanding.introducing import introduced
from services.llm.understanding.questions import is_question, wants_more
from services.llm.understanding.words import content, wordless, words
from vivant.errors import VivantError

_log = get_logger(__name__)

#: A spoken reply: one to three sentences.
_MAX_WORDS: Final = 60
_MAX_WORDS_STORY: Final = 160
#: With this many words from memory a reply is complete, and the model is not asked to go on.
_ENOUGH_WORDS: Final = 14
_MEETING: Final = FaceCue("warm_smile", 0.6)
#: Who may speak in a reply that is written as a play: the persona, also under these names, and others, whose words are not its.
_SELF: Final = ("assistant", "ai", "model", "bot", "me", "answer", "reply", "response")
_OTHERS: Final = ("user", "human", "system", "speaker")
#: No sentence is as long as this, in characters: it is given whole.
_WHOLE: Final = 1000


class Replier:
    """Makes replies of one persona."""

    def __init__(self, recaller: Recaller, engine: Engine, settings: LlmSettings) -> None:
        self.recaller = recaller
        self.engine = engine
        self.settings = settings
        self.thinks_first = False
        """The model's prompts begin its reasoning: its replies begin with that, and nothing marks it but its end."""

    async def recall(self, question: Utterance, history: Sequence[Utterance]) -> Recollection:
        name = "" if question.nameless else question.speaker
        return await think(self.recaller.recall, question.text, history, question.speaker, name)

    async def prefill(self, question: Utterance, history: Sequence[Utterance], recollection: Recollection, lane: int) -> None:
        """Reads the prompt as far as the question is known, unless the model will hardly be asked."""
        if self.asks_model(question, recollection):
            await self.engine.prefill(prompts.build(self.recaller.persona, history, recollection.memories, question), lane)

    async def prefill_waiting(self, history: Sequence[Utterance], lane: int) -> None:
        """Reads the prompt as far as it is known while nobody speaks."""
        await self.engine.prefill(prompts.build_waiting(self.recaller.persona, history), lane)

    async def reply(self, question: Utterance, history: Sequence[Utterance], lane: int) -> AsyncGenerator[Event, None]:
        """The reply to `question`, clause by clause, Done at last. Raises what the engine raises."""
        if wordless(question.text):
            yield Text(choose(self.recaller.persona.profile.fallbacks.empty, question, history) + " ")
            yield Done(Usage(0, 0), corrected=False)
            return
        if introduction := introduced(question.text, history, self.recaller.persona):
            lines = [line.replace("{name}", introduction.name) for line in self.recaller.persona.profile.fallbacks.meeting]
            line = choose(lines, question, history)
            yield Cue(_MEETING)
            if not introduction.rest:
                yield Text(line + " ")
                yield Done(Usage(0, 0), corrected=False)
                return
            yield Text(sentences(line)[0] + " ")
            question = replace(question, text=introduction.rest)
        recollection = await self.recall(question, history)
        if recollection.yields:
            yield Text(choose(self.recaller.persona.profile.fallbacks.yielding, question, history) + " ")
            yield Done(Usage(0, 0), corrected=False)
            return
        async with aclosing(_Making(self, question, history, recollection, lane).events()) as events:
            async for event in events:
                yield event

    def opening(self, recollection: Recollection, max_words: int) -> list[str]:
        """The sentences that memory itself says."""
        if recollection.told:
            return [recollection.told]
        if recollection.part and recollection.sure:
            return shortened(recollection.part, max_words)
        if not recollection.sure or self.settings.opening == "model":
            return []
        return answer(recollection.hits[0], max_words)

    def asks_model(self, question: Utterance, recollection: Recollection) -> bool:
        """Whether the model has something to say.

        What nobody could know is not given to it: a model that is asked all the same makes something up. Where memory opens the
        replies it is not asked what memory is not sure of either; what that was worth is in
        bench/results/2026-11-22-small-model.md.
        """
        if recollection.yields:
            return False
        if opening := self.opening(recollection, _MAX_WORDS):
            return not (recollection.told or recollection.part) and len(" ".join(opening).split()) < _ENOUGH_WORDS
        return self.settings.opening == "model" and (bool(recollection.hits) or not is_question(question.text))


class _Making:
    """The state of one reply that is being made."""

    def __init__(
        self, replier: Replier, question: Utterance, history: Sequence[Utterance], recollection: Recollection, lane: int
    ) -> None:
        self._replier = replier
        self._question = question
        self._history = history
        self._recollection = recollection
        self._lane = lane
        self._long = wants_more(question.text)
        self._max_words = _MAX_WORDS_STORY if self._long else _MAX_WORDS
        profile = replier.recaller.persona.profile
        # The listener's own words may be named, but "I have a cat" is not the persona's to say.
        self._evidence = Evidence(
            tuple(passage.text for passage in recollection.passages),
            (profile.name, "" if question.nameless else question.speaker, question.text, *(said.text for said in history)),
            profile.words.relations,
        )
        self._said = ""
        self._face = ""
        self._corrected = False
        self._set_line = False
        """What is being said now is one of the lines for when nothing comes to mind."""
        self._usage = Usage(0, 0)
        self._trouble: VivantError | None = None
        self._reasons = False
        """What comes is reasoning that nothing marks; it may still end."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """The reply. Sources come with the first words that are said from them: a set line has none, whatever came to mind."""
        untold = [Source(hit.passage, hit.similarity) for hit in self._recollection.hits]
        async with aclosing(self._spoken()) as spoken:
            async for event in spoken:
                if untold and isinstance(event, Text | Cue) and not self._set_line:
                    for source in untold:
                        yield source
                    untold.clear()
                yield event

    async def _spoken(self) -> AsyncGenerator[Event, None]:
        for sentence in self._replier.opening(self._recollection, self._max_words):
            for event in self._speak(sentence + " "):
                yield event
        if self._replier.asks_model(self._question, self._recollection):
            async with aclosing(self._model()) as spoken:
                async for event in spoken:
                    yield event
        if wordless(self._said):
            for event in self._speak(self._instead()):
                yield event
        yield Done(self._usage, self._corrected, self._trouble)

    async def _model(self) -> AsyncGenerator[Event, None]:
        """What the model says, as far as it holds."""
        persona, said = self._replier.recaller.persona, self._said
        asked = prompts.build(persona, self._history, self._recollection.memories, self._question, said)
        limit = self._replier.settings.max_reply_tokens * (3 if self._long else 1)
        # Where memory is not sure the model is often wrong, and a sentence cannot be taken back once it has begun.
        splitter = ClauseSplitter() if self._recollection.sure else ClauseSplitter(_WHOLE, _WHOLE)
        reader = Reader(self._own_names(), self._other_names(), said, thinking=self._replier.thinks_first)
        listening = Listening(reader, splitter, limit)
        async with (
            aclosing(self._replier.engine.generate(asked, limit, self._lane)) as items,
            aclosing(listening.clauses(items)) as clauses,
        ):
            async for clause in clauses:
                events, go_on = self._heard(clause)
                for event in events:
                    yield event
                if not go_on:
                    break
        self._usage = listening.usage
        self._replier.thinks_first = reader.thinks_first
        if (problem := listening.problem()) and not (self._said and problem.reason == "empty_reply"):
            self._trouble = problem
            _log.warning("model_unread", reason=problem.reason, detail=problem.message)

    def _own_names(self) -> tuple[str, ...]:
        profile = self._replier.recaller.persona.profile
        return (profile.id, profile.name, profile.name.split()[0], *_SELF)

    def _other_names(self) -> tuple[str, ...]:
        own = self._replier.recaller.persona.id
        speakers = {item.speaker for item in self._history if item.speaker != own}
        return (self._question.speaker, *speakers, *_OTHERS)

    def _heard(self, clause: Clause | Retract) -> tuple[list[Event], bool]:
        """What becomes of a clause of the model, and whether it may go on."""
        if isinstance(clause, Retract):
            _log.info("reasoning_unmarked")
            self._reasons, self._corrected = False, False
            return [], True
        if self._reasons or wordless(clause.text):
            return [], True
        if len((self._said + clause.text).split()) > self._max_words:
            return [], False
        problem = self._problem(clause.text)
        if problem is None:
            return self._speak(clause.text, clause.cue), True
        _log.info("clause_refused", problem=problem)
        self._corrected = True
        if plans(clause.text):
            self._reasons = True
            return [], True
        # Whole sentences that were said stand by themselves.
        begun = self._said.strip() and not self._said.rstrip().endswith((".", "!", "?", "。", "！", "？"))
        return (self._speak(_rest(self._instead(), self._said)) if begun else []), False

    def _problem(self, text: str) -> str | None:
        """Why a clause may not be said; None when it may."""
        if not speakable(text):
            return "manner"
        if speaks_of_user(text):
            return "reasoning"
        if _echoes(text, self._question.text):
            return "echo"
        return self._evidence.problem(text)

    def _instead(self) -> str:
        """What is said where the model's words do not hold: what memory says, else that nothing comes to mind."""
        hits, fallbacks = self._recollection.hits, self._replier.recaller.persona.profile.fallbacks
        if hits and self._recollection.sure:
            return " ".join(self._recollection.part or answer(hits[0], self._max_words)) + " "
        self._set_line = True
        lines = fallbacks.unknown if is_question(self._question.text) else fallbacks.listening
        return choose(lines, self._question, self._history) + " "

    def _speak(self, text: str, cue: FaceCue | None = None) -> list[Event]:
        self._said += text
        cue = cue or felt(text, self._replier.recaller.persona.profile.words.felt)
        if cue is None or cue.name == self._face:
            return [Text(text)]
        self._face = cue.name
        return [Cue(cue), Text(text)]


def _rest(text: str, said: str) -> str:
    """What is left to say of a text that was begun; the whole of one that was not."""
    begun, again = words(said), words(text)
    if not begun or again[: len(begun)] != begun:
        return text
    place = 0
    for word in begun:
        place = text.lower().replace("’", "'").index(word, place) + len(word)
    return text[place:].lstrip(" ,;:–—")


def _echoes(clause: str, said: str) -> bool:
    """Whether a clause only says again what was said: the same words, or "You bake bread" to "I bake bread"."""
    if words(clause) and words(clause) == words(said)[: len(words(clause))]:
        return True
    again = set(content(clause))
    return len(again) > 1 and again <= set(content(said)) and not is_question(clause) and not is_question(said)


def choose(lines: Sequence[str], question: Utterance, history: Sequence[Utterance]) -> str:
    """One of several lines: the same for the same question, but none that was said shortly before."""
    said = " ".join(item.text for item in history[-8:])
    fresh = [line for line in lines if line not in said] or list(lines)
    return fresh[crc32(question.text.encode()) % len(fresh)]

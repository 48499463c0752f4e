"""Listens to a model: its reply clause by clause as it comes, and at the end why there was none."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from services.llm.engine import Item, Usage
from services.llm.reply.clauses import ClauseSplitter, sentences
from services.llm.reply.cues import FaceCue
from services.llm.reply.reading.reader import Read, Reader
from services.llm.reply.reading.reasoning import Retract
from services.llm.understanding.words import wordless
from vivant.errors import Unavailable, Unusable, VivantError


@dataclass(frozen=True)
class Clause:
    """The next clause, with its white space at the end, and the cue that stood in it or before it."""

    text: str
    cue: FaceCue | None = None


class Listening:
    """One reply of a model."""

    def __init__(self, reader: Reader, splitter: ClauseSplitter, max_tokens: int) -> None:
        self._reader = reader
        self._splitter = splitter
        self._max_tokens = max_tokens
        self._cue: FaceCue | None = None
        self._over = False
        self._broken = False
        self.usage = Usage(0, 0)

    async def clauses(self, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Clause | Retract, None]:
        """The clauses; `Retract` when all before was reasoning. Raises what the engine raises, after the whole sentences."""
        try:
            async for item in items:
                if isinstance(item, Usage):
                    self.usage = item
                    break
                for clause in self._clauses(self._reader.push(item)):
                    yield clause
                if self._reader.ended:
                    break
        except VivantError:
            for clause in self._clauses(self._reader.finish(complete=False)):
                yield clause
            rest = self._splitter.rest()
            if _whole(rest):
                yield Clause(rest, self._cue)
            raise
        for clause in self._clauses(self._reader.finish(complete=self.usage.finish == "stop")):
            yield clause
        self._over = True
        rest = self._splitter.rest()
        self._broken = self.usage.finish == "cut" and not _whole(rest)
        yield Clause(rest, self._cue)

    def _clauses(self, read: list[Read]) -> list[Clause | Retract]:
        found: list[Clause | Retract] = []
        for item in read:
            if isinstance(item, FaceCue):
                self._cue = self._cue or item
            elif isinstance(item, Retract):
                self._splitter.rest()
                self._cue = None
                found.append(item)
            else:
                for text in self._splitter.push(item):
                    found.append(Clause(text, self._cue))
                    self._cue = None
        return found

    def problem(self) -> VivantError | None:
        """What was wrong with a reply that is over; None when all of it could be read."""
        if self._reader.words:
            return self._break() if self._over and self._broken else None
        return self._silence() if self._over else None

    def _break(self) -> VivantError:
        return Unavailable("the language model server broke off within a sentence", reason="reply_broke_off")

    def _silence(self) -> VivantError:
        """Why the model has said nothing, and what to do."""
        reader, finish = self._reader, self.usage.finish
        if reader.tool or finish == "tool":
            return Unusable("the model called a tool instead of answering; serve it without tools", reason="tool_called")
        if finish == "filter":
            return Unusable("the content filter of the language model server withheld the reply", reason="reply_withheld")
        if reader.thought or (finish == "length" and not (reader.code or reader.signs)):
            used = (
                f"used up its {self._max_tokens} tokens with reasoning" if finish != "stop" else "reasoned and did not answer"
            )
            return Unusable(
                f"the model {used}; turn its thinking off (services/llm/MODELS.md says how), or raise LLM_MAX_REPLY_TOKENS",
                reason="reasoning_used_up" if finish != "stop" else "reasoning_only",
            )
        for found, what in ((reader.code, "code"), (reader.pictures, "pictures"), (reader.signs, "signs")):
            if found:
                return Unusable(f"the model answered with nothing but {what}; use one that can converse", reason=f"only_{what}")
        return Unavailable("the model gave an empty reply; see whether its chat template suits it", reason="empty_reply")


def _whole(text: str) -> bool:
    """Whether a text ends with a sentence, or there is none."""
    stripped = text.strip()
    return not stripped or (not wordless(stripped) and sentences(stripped + " x")[-1] == "x")

"""What an event of the chat API says: words, reasoning, a call of a tool, an error; in every shape that servers give it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.llm.engine import Called, Finish, Item, Thought, Usage

_FINISHES: Final[dict[str, Finish]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "tool_use": "tool",
    "content_filter": "filter",
    "safety": "filter",
}
_REASONING: Final = ("reasoning_content", "reasoning", "thinking", "thought", "reasoning_text")


@dataclass(frozen=True)
class Refusal:
    """An error that a server reports: what it says, and its number where it gives one."""

    message: str
    status: int = 0
    parameter: str = ""
    """The field of the request that it is about."""
    wait_s: float | None = None
    """After so many seconds it may be asked again, as the server says."""


@dataclass
class Answer:
    """One reply as its events tell it."""

    finish: Finish | None = None
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    counted: int = 0
    """Pieces of text: about as many as tokens."""
    odd: list[str] = field(default_factory=list)
    """Kinds of events that say nothing."""
    _index: Any = None

    def items(self, value: Any) -> Iterator[Item]:
        """What one event adds to the reply."""
        if not isinstance(value, dict):
            self.odd.append(type(value).__name__)
            return
        if isinstance(value.get("usage"), dict):
            self.usage = _usage(value["usage"])
        choices = value.get("choices")
        if choices is None and isinstance(value.get("message"), dict):
            # One message without choices around it, as Ollama's own API has it.
            choices = [value]
        if not isinstance(choices, list):
            if "choices" not in value and "usage" not in value:
                self.odd.append("object")
            return
        for choice in choices:
            if isinstance(choice, dict) and self._first(choice.get("index")):
                yield from self._choice(choice)

    def _first(self, index: Any) -> bool:
        """A server may write several replies at once: the first is read."""
        if self._index is None:
            self._index = index
        return bool(index == self._index)

    def _choice(self, choice: dict[str, Any]) -> Iterator[Item]:
        delta = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        if isinstance(delta, dict):
            for key in _REASONING:
                if isinstance(told := delta.get(key), str) and told:
                    self.counted += 1
                    yield Thought(told)
                    break
            if delta.get("tool_calls") or delta.get("function_call"):
                yield Called()
        for text in _texts(delta.get("content") or delta.get("refusal") if isinstance(delta, dict) else delta):
            self.counted += 1
            yield text
        reason = choice.get("finish_reason") or choice.get("done_reason")
        if isinstance(reason, str) and reason:
            self.finish = _FINISHES.get(reason.lower(), "stop")

    def end(self, *, done: bool) -> Usage:
        """The last item; `done`: the server has said that it is complete."""
        finish: Finish = self.finish or ("stop" if done else "cut")
        return replace(self.usage, reply_tokens=self.usage.reply_tokens or self.counted, finish=finish)


def refusal(value: Any, *, event: bool = False) -> Refusal | None:
    """The error that a JSON value reports, if it does; `event`: the server calls it one."""
    if not isinstance(value, dict):
        return Refusal(str(value)) if event else None
    error = value.get("error")
    if not error and (event or value.get("object") == "error" or ("detail" in value and "choices" not in value)):
        error = value
    if not error:
        return None
    if not isinstance(error, dict):
        return Refusal(str(error))
    message = error.get("message") or error.get("detail") or error.get("error") or error
    return Refusal(_detail(message), _status(error.get("code"), error.get("status")), str(error.get("param") or ""))


def _detail(message: Any) -> str:
    """The sentences of an error; those of a form that was filled in wrongly come as a list, each with its place."""
    if isinstance(message, list):
        told = [
            f"{'.'.join(map(str, item.get('loc', ())))}: {item.get('msg', '')}" if isinstance(item, dict) else str(item)
            for item in message
        ]
        return "; ".join(told)
    return str(message)


def _status(*codes: Any) -> int:
    return next((int(code) for code in codes if str(code).isdecimal() and 400 <= int(code) < 600), 0)


def _texts(content: Any) -> Iterator[str | Thought]:
    """The text of a message, which may come in parts."""
    if isinstance(content, str):
        if content:
            yield content
    elif isinstance(content, dict):
        kind = content.get("type", "text")
        if kind in ("thinking", "reasoning"):
            yield Thought(str(content.get(kind) or content.get("text") or ""))
        elif kind in ("text", "output_text"):
            yield from _texts(content.get("text"))
    elif isinstance(content, list):
        for part in content:
            yield from _texts(part)


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    read = max(0, _count(usage.get("prompt_tokens")) - cached)
    return Usage(read, _count(usage.get("completion_tokens")), cached_tokens=cached)


def _count(value: Any) -> int:
    """A number of tokens, as far as it is one that a message can carry."""
    return min(int(value), 2**31) if isinstance(value, int | float) and 0 <= value < 2**31 else 0

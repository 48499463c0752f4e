"""What a server takes of the chat API: learned from what it refuses, and kept. Nothing is given up that a reply needs."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from services.common.logs import get_logger
from services.llm.engine import Prompt
from services.llm.engines.openai.answers import Refusal

_log = get_logger(__name__)

_LIMITS: Final = ("max_tokens", "max_completion_tokens")
#: What a reply can do without.
_OPTIONAL: Final = ("stream_options", "temperature", "continue_final_message", "add_generation_prompt", "stream")
_UNKNOWN: Final = re.compile(
    r"unsupported|not support|no support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|forbidden|extra"
    r"|additional propert|does not|doesn't|cannot|can't|invalid|deprecated|instead|no such|not a valid|not implemented|must",
    re.IGNORECASE,
)
_TOO_LONG: Final = re.compile(
    r"context (length|window|size)|too (long|many) (tokens|prompt|input)?|exceeds?|reduce the length", re.IGNORECASE
)
_NO_SYSTEM: Final = re.compile(
    r"system\W+(role|message|prompt)|role\W+(of\W+)?[\"']?system|roles? must alternate", re.IGNORECASE
)
_NO_OPENING: Final = re.compile(
    r"(last|final) (message|role).*(assistant|user)|assistant.*\b(last|final|prefill)|prefill|end with a user|got assistant"
    r"|roles? must alternate",
    re.IGNORECASE,
)
#: Servers that begin a last message of the assistant anew unless they are told to go on with it. Others do so by themselves, or
#: refuse to be told.
_TOLD_TO_CONTINUE: Final = ("vllm",)


class Dialect:
    """How one server wants to be asked."""

    def __init__(self, temperature: float, extra: dict[str, Any], continues: Literal["auto", "on", "off"]) -> None:
        self._temperature = temperature
        self._extra = extra
        self._wanted = continues
        self._told = continues == "on"
        self._limit = _LIMITS[0]
        self._dropped: set[str] = set()
        self._folded = False
        self._opening = True
        self.lessons = 0
        """How often something was learned."""

    def recognise(self, owner: str) -> None:
        """Notes whose server it is, as its list of models says."""
        if self._wanted == "auto":
            self._told = owner.lower() in _TOLD_TO_CONTINUE

    def body(self, model: str, prompt: Prompt, max_tokens: int, **more: Any) -> dict[str, Any]:
        """A request for a reply of `max_tokens` at most; `more` goes over what is usual."""
        messages = self._messages(prompt)
        body: dict[str, Any] = {"messages": messages, self._limit: max_tokens, "temperature": self._temperature}
        if model:
            body["model"] = model
        if self._told and messages[-1]["role"] == "assistant":
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return {key: value for key, value in (body | more).items() if key not in self._dropped} | self._extra

    def learn(self, refused: Refusal, body: dict[str, Any]) -> bool:
        """Whether it is worth asking again after a refusal, because something is asked differently now."""
        text = f"{refused.parameter} {refused.message}"
        if _TOO_LONG.search(text) or not _UNKNOWN.search(text):
            return False
        lesson = self._lesson(text, body)
        if lesson:
            self.lessons += 1
            _log.info("request_adapted", without=lesson, detail=refused.message[:200])
        return bool(lesson)

    def _lesson(self, text: str, body: dict[str, Any]) -> str:
        """The name of what is not sent any more; empty for none."""
        if self._limit == _LIMITS[0] and re.search(r"\bmax_tokens\b", text):
            self._limit = _LIMITS[1]
            return _LIMITS[0]
        for name in _OPTIONAL:
            if name in body and name not in self._extra and re.search(rf"\b{name}(?:ing)?\b", text, re.IGNORECASE):
                self._dropped |= {name, "stream_options"} if name == "stream" else {name}
                return name
        if not self._folded and _NO_SYSTEM.search(text) and body["messages"][0]["role"] == "system":
            self._folded = True
            return "the system role"
        if self._opening and _NO_OPENING.search(text) and body["messages"][-1]["role"] == "assistant":
            self._opening = False
            return "the beginning of the reply"
        return ""

    def _messages(self, prompt: Prompt) -> list[dict[str, str]]:
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        if self._folded and len(messages) > 1 and messages[0]["role"] == "system":
            system = messages.pop(0)["content"]
            messages[0] = {"role": messages[0]["role"], "content": f"{system}\n\n{messages[0]['content']}"}
        if opening := prompt.opening.rstrip() if self._opening else "":
            messages.append({"role": "assistant", "content": opening})
        return messages

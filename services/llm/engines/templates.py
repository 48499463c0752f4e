"""How models mark the turns of a chat, for engines that complete plain text.

A chat server closes each message before it reads it. Completing text ourselves, the last message can be left open, so that
words can be read as they are spoken, and the reply can be begun in the model's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.llm.engine import Message, Prompt


@dataclass(frozen=True)
class Template:
    start: str
    """What opens a message, with {role}."""
    end: str
    """What closes it."""
    roles: dict[str, str]
    begin: str = ""
    """What opens the chat, unless the model's tokenizer adds it."""
    system_in_user: bool = False
    """The model has no system role: its words go in front of the first message of the user."""

    def render(self, prompt: Prompt) -> str:
        """The whole prompt up to where the model goes on."""
        reply = self.start.format(role=self.roles["assistant"]) + prompt.opening
        return self.begin + "".join(self._message(message) + self.end for message in self._merged(prompt)) + reply

    def render_open(self, prompt: Prompt) -> str:
        """Like `render`, but the last message of the user is not at its end yet."""
        *before, last = self._merged(prompt)
        return self.begin + "".join(self._message(message) + self.end for message in before) + self._message(last)

    def _message(self, message: Message) -> str:
        return self.start.format(role=self.roles[message.role]) + message.content

    def _merged(self, prompt: Prompt) -> list[Message]:
        messages = list(prompt.messages)
        if self.system_in_user and len(messages) > 1 and messages[0].role == "system":
            messages[:2] = [Message("user", f"{messages[0].content}\n\n{messages[1].content}")]
        return messages


_PLAIN: Final = {"system": "system", "user": "user", "assistant": "assistant"}

TEMPLATES: Final[dict[str, Template]] = {
    "chatml": Template("<|im_start|>{role}\n", "<|im_end|>\n", _PLAIN),
    "llama3": Template("<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>", _PLAIN),
    "gemma": Template("<start_of_turn>{role}\n", "<end_of_turn>\n", _PLAIN | {"assistant": "model"}, system_in_user=True),
}

#: Words of a user that read as marks of a turn would end it, and let the user speak as the system.
MARKS: Final = (
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|begin_of_text|>",
    "<start_of_turn>",
    "<end_of_turn>",
)

"""The prompt: manner, example turns, the conversation, and the memories in brackets right before the question.

Small models use what stands directly before the question, and mix up or ignore the same facts anywhere earlier. Everything
before that last message is stable, so it is read once and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from services.llm.engine import Message, Prompt
from services.llm.history import Said, as_messages, shortened
from services.llm.persona import Persona

#: A question longer than this is heard from its end.
_MAX_QUESTION_WORDS: Final = 200


def prefix(persona: Persona) -> tuple[Message, ...]:
    """What every prompt of a persona begins with."""
    profile = persona.profile
    messages = [Message("system", "\n".join(line.strip() for line in profile.manner))]
    for example in profile.examples:
        asked = example.user
        if not asked.startswith("[memories:"):
            asked = f"[memories: {example.memories or 'none'}] {asked}"
        messages += [Message("user", asked), Message("assistant", example.reply)]
    return tuple(messages)


def build(persona: Persona, history: Iterable[Said], memories: Sequence[str], question: Said, opening: str = "") -> Prompt:
    """The prompt for one reply, which has begun with `opening`."""
    remembered = " ".join(memories) or "none"
    # Brackets of the listener's own would pass for memories.
    said = shortened(question, _MAX_QUESTION_WORDS).text.replace("[", "(").replace("]", ")")
    *before, last = as_messages([*history, Said(question.speaker, f"[memories: {remembered}] {said}")], persona.id)
    return Prompt((*prefix(persona), *before, last), opening)


def build_waiting(persona: Persona, history: Iterable[Said]) -> Prompt:
    """The prompt as far as it is known while nobody speaks."""
    messages = as_messages(history, persona.id)
    if not messages or messages[-1].role == "assistant":
        messages.append(Message("user", "["))
    return Prompt((*prefix(persona), *messages))

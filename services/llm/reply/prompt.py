"""The prompt: manner, example turns, the conversation, and the memories in brackets right before the question.

Small models use what stands directly before the question, and mix up or ignore the same facts anywhere earlier. Everything
before that last message is stable, so it is read once and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from services.llm.engine import Message, Prompt
from services.llm.memory.history import Utterance, as_messages, shortened
from services.llm.persona.persona import Persona

#: A question longer than this is heard from its end.
_MAX_QUESTION_WORDS: Final = 200
#: Of a conversation so many lines, and the last words of each, tell who is spoken to.
_LINES: Final = 8
_LINE_WORDS: Final = 30


def prefix(persona: Persona) -> tuple[Message, ...]:
    """What every prompt of a persona begins with."""
    profile = persona.profile
    messages = [Message("system", "\n".join(line.strip() for line in profile.manner))]
    for example in profile.examples:
        asked = with_memories(example.user, example.memories)
        messages += [Message("user", asked), Message("assistant", example.reply)]
    return tuple(messages)


def with_memories(said: str, memories: str) -> str:
    """Words with the memories in brackets before them, unless they have some already."""
    return said if said.startswith("[memories:") else f"[memories: {memories or 'none'}] {said}".rstrip()


def build(
    persona: Persona, history: Iterable[Utterance], memories: Sequence[str], question: Utterance, opening: str = ""
) -> Prompt:
    """The prompt for one reply, which has begun with `opening`."""
    # Brackets of the listener's own would pass for memories.
    said = shortened(question, _MAX_QUESTION_WORDS).text.replace("[", "(").replace("]", ")")
    asked = Utterance(question.speaker, f"[memories: {' '.join(memories) or 'none'}] {said}")
    *before, last = as_messages([*history, asked], persona.id)
    return Prompt((*prefix(persona), *before, last), opening, persona.profile.adapter)


def build_whom(persona: Persona, history: Sequence[Utterance], question: Utterance, other: str) -> Prompt:
    """Asks whether `question` is said to the persona, and not to `other`; to be answered with yes or no."""
    name = persona.profile.name.split()[0]
    lines = [_line(item, persona.id, name) for item in history[-_LINES:]]
    last = shortened(question, _LINE_WORDS).text
    asked = (
        f'Now {question.speaker} says: "{last}"\nIs that said to {name}, and not to {other}? '
        "Mind who spoke last, what it answers, and who could know or do it. Answer with yes or no, and nothing else."
    )
    system = f"People sit together with {name} and talk, to {name} and to each other. You find out who is spoken to."
    return Prompt((Message("system", system), Message("user", "\n".join((*lines, asked)))))


def _line(said: Utterance, persona_id: str, name: str) -> str:
    to = f" (to {said.addressee})" if said.addressee else f" (to {name})" if said.speaker != persona_id else ""
    return f"{name if said.speaker == persona_id else said.speaker}{to}: {shortened(said, _LINE_WORDS).text}"


def build_waiting(persona: Persona, history: Iterable[Utterance]) -> Prompt:
    """The prompt as far as it is known while nobody speaks."""
    messages = as_messages(history, persona.id)
    if not messages or messages[-1].role == "assistant":
        messages.append(Message("user", "["))
    return Prompt((*prefix(persona), *messages), adapter=persona.profile.adapter)

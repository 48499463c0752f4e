"""What a model is told that speaks by itself, in the place of this service: who the persona is, and what comes to mind."""

from __future__ import annotations

from typing import Final

from services.llm.persona.persona import Persona
from services.llm.reply.outputs import Recalled
from services.llm.reply.prompt import with_memories
from services.llm.reply.recalling import Recollection
from services.llm.understanding.words import wordless

#: Its prompts are not ours: memories come beside what it hears, and not before each question.
_NOTES: Final = (
    "What you hear is somebody talking to you. Your memories come beside it, as notes in brackets that only you can see; the "
    "newest ones count. Never read brackets aloud, and never mention the notes."
)


def instructions(persona: Persona) -> str:
    """Who the persona is and how it speaks, with its examples."""
    profile = persona.profile
    lines = [line.strip() for line in (*profile.manner, *profile.boundaries)]
    shown = [f"Somebody says: {with_memories(each.user, each.memories)}\nYou say: {each.reply}" for each in profile.examples]
    return "\n".join([*lines, _NOTES, f"This is true, and you say so when you are asked: {profile.disclosure}", *shown])


def recalled(words: str, recollection: Recollection) -> Recalled:
    """What `words` bring to mind, as such a note; none where somebody only asks for the floor, or has said nothing yet."""
    if recollection.yields or wordless(words):
        return Recalled(words, "")
    memories = (recollection.told,) if recollection.told else recollection.memories
    return Recalled(words, with_memories("", " ".join(memories)))

"""A persona as its folder has it: who it is, how it talks, what it remembers.

personas/june/persona.toml    name, languages, disclosure, greeting, voice, adapter, manner, boundaries, starters, examples, ...
              story.md        the life story, see story.py
              consent.toml    who agreed to what
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from services.common.texts import read_text
from services.llm.persona.story import Passage, parse_story
from services.llm.reply.clauses import sentences
from vivant.errors import NotFound, Unusable
from vivant.naming import RULE, is_persona

#: What a persona is read from.
FILES: Final = ("persona.toml", "story.md", "consent.toml")
_HEADER: Final = re.compile(r"\s*\[{1,2}([^\[\]]+)\]")
_KEY: Final = re.compile(r"\s*([\w-]+|\"[^\"]+\")\s*=")


def _strings(value: Any) -> Any:
    """All strings of a table, in order: `[manner]` may group its lines as it likes."""
    if isinstance(value, dict):
        return tuple(text for item in value.values() for text in _strings(item))
    return (value,) if isinstance(value, str) else value


def _with_name(line: str) -> str:
    """A line that names whom it is said to, in its first sentence."""
    if not any("{name}" in first for first in sentences(line)[:1]):
        raise ValueError("the first sentence must contain {name}, in whose place the name is said")
    return line


def _distinct(lines: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(lines)) < len(lines):
        raise ValueError("the same line stands there twice")
    return lines


#: One line of text that fits on a button.
Starter = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\r\n]*$")]
Lines = Annotated[tuple[str, ...], BeforeValidator(_strings)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Example(_Table):
    """One exchange that shows the model how the person talks."""

    user: str
    reply: str
    memories: str = ""


class Fallbacks(_Table):
    """What the person says when nothing comes to mind."""

    unknown: tuple[str, ...] = Field(min_length=1)
    empty: tuple[str, ...] = Field(min_length=1)
    trouble: tuple[str, ...] = Field(min_length=1)
    thinking: tuple[str, ...] = ()
    """Said while a reply takes its time, before whatever it will be."""
    yielding: tuple[str, ...] = Field(("Yes? I'm listening.", "Go ahead.", "Sorry, you go."), min_length=1)
    """Said when somebody has interrupted with nothing more than "No, wait."."""
    meeting: tuple[Annotated[str, AfterValidator(_with_name)], ...] = Field(
        ("Good to meet you, {name}. How are you today?", "Nice to meet you, {name}. What shall we talk about?"), min_length=1
    )
    """Said to somebody who says their name; only the first sentence when they say more than that."""
    listening: tuple[str, ...] = ("Go on, I'm listening.", "Tell me a bit more about that.", "Is that so? Tell me more.")


class Conversing(BaseModel):
    """How the person converses. What is left out, it does not do, or as most do; what is misspelt is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backchannels: tuple[str, ...] = ()
    """Said while somebody tells something long."""
    backchannel_every_s: Annotated[float, Field(ge=3, le=120)] = 8.0
    """At least so long between two of them."""
    nods: bool = True
    """It nods while somebody tells something."""
    nod_every_s: Annotated[float, Field(ge=0.5, le=120)] = 1.5
    """At least so long between two nods."""
    prompts: tuple[str, ...] = ()
    """Said when nobody has spoken for a while, at most twice in a row."""
    prompt_after_s: Annotated[float, Field(ge=5, le=600)] = 10.0
    waits: tuple[str, ...] = ()
    """Said when asked to wait."""
    patience: Annotated[float, Field(ge=0.5, le=3)] = 1.0
    """A factor on what breaking in costs it: the more, the longer it waits before it takes the floor."""
    interruptible: bool = True
    """It stops when somebody speaks over it."""
    half_duplex: bool = False
    """It either speaks or listens: not interruptible, and no little words, neither while it listens nor while it thinks."""
    pace: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    """Of the speech; 1 is the voice's own."""


class OwnWords(_Table):
    """Words that mean more in this life than in others."""

    relations: tuple[str, ...] = ()
    """Who or what belongs to it besides people, dogs and cats: "goose", as in "my goose Harold"."""
    felt: dict[Literal["concern", "amusement", "surprise", "warm_smile", "thought"], tuple[str, ...]] = {}
    """Beginnings of words that show how something is meant, by the name of a cue."""


class Profile(_Table):
    """persona.toml."""

    id: str
    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    languages: tuple[str, ...] = Field(min_length=1)
    disclosure: str = Field(min_length=1)
    greeting: str = Field(min_length=1)
    voice: str = ""
    adapter: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[ -~]*$")] = ""
    """The language model that was fine-tuned on this person, by its name on the model server; empty: the one for all."""
    manner: Lines = Field(min_length=1)
    boundaries: Lines = ()
    starters: Annotated[tuple[Starter, ...], Field(max_length=6), AfterValidator(_distinct)] = ()
    """Questions that the story answers, for somebody who does not know how to begin."""
    examples: tuple[Example, ...] = ()
    fallbacks: Fallbacks
    conversation: Conversing = Conversing()
    words: OwnWords = OwnWords()


@dataclass(frozen=True)
class Persona:
    profile: Profile
    passages: tuple[Passage, ...]

    @property
    def id(self) -> str:
        return self.profile.id


def list_ids(folder: Path) -> list[str]:
    """The ids of all personas in `folder`, usable or not."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.name[0] != "." and (entry / "persona.toml").is_file())


def find(folder: Path, persona_id: str) -> Path:
    """The folder of a persona. Raises NotFound for an unknown id, Unusable for a folder whose name cannot be one."""
    known = list_ids(folder)
    if is_persona(persona_id) and (persona_id in known or (folder / persona_id).is_dir()):
        return folder / persona_id
    if persona_id in known:
        raise Unusable(f"the folder {persona_id!r} cannot be used: {RULE}; rename it", reason="persona_broken")
    choices = ", ".join(known) or "none"
    raise NotFound(f"there is no persona {persona_id[:80]!r} in {folder}; there are: {choices}", reason="unknown_persona")


def load_persona(folder: Path, persona_id: str) -> Persona:
    """Reads `folder`/`persona_id`. Raises NotFound for an unknown id, Unusable with the broken rule for a broken folder."""
    path = find(folder, persona_id)
    try:
        profile = _profile(path)
        _toml(read_text(path / "consent.toml", "persona_broken"), "consent.toml")
        return Persona(profile, parse_story(read_text(path / "story.md", "persona_broken")))
    except Unusable as exc:
        raise Unusable(f"persona {persona_id!r}: {exc.message}", reason=exc.reason) from exc


def _profile(path: Path) -> Profile:
    text = read_text(path / "persona.toml", "persona_broken")
    try:
        profile = Profile.model_validate({"id": path.name} | _toml(text, "persona.toml"))
    except ValidationError as exc:
        problems = "; ".join(_problem(text, item) for item in exc.errors())
        raise Unusable(f"persona.toml: {problems}", reason="persona_broken") from exc
    if profile.id != path.name:
        raise Unusable(
            f"persona.toml: id is {profile.id!r}, but the folder is {path.name!r}; they must be the same",
            reason="persona_broken",
        )
    return profile


def _problem(text: str, problem: ErrorDetails) -> str:
    """A field, the line that it is in, and what is wrong with it."""
    line = line_of(text, problem["loc"])
    return f"{f'line {line}, ' if line else ''}{'.'.join(map(str, problem['loc']))}: {problem['msg'].lower()}"


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise Unusable(f"{name} is not valid TOML: {exc}", reason="persona_broken") from exc


def line_of(text: str, field: Sequence[int | str]) -> int:
    """The number of the line in which a field of a TOML text begins, or the table that should have it; 0 when it has none."""
    names = [part for part in field if isinstance(part, str)]
    table, found, best = list[str](), 0, 0
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = [part.strip(" \"'") for part in header[1].split(".")]
            here = table
        elif key := _KEY.match(line):
            here = [*table, key[1].strip("\"'")]
        else:
            continue
        if len(here) > best and here == names[: len(here)]:
            best, found = len(here), number
    return found

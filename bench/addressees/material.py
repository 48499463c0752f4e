"""The made conversations of `bench/data/addressees.toml`, and the personas who take part in them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.settings import SharedSettings
from services.llm.engines.fake import FakeEngine
from services.llm.memory.embedding import Embedder
from services.llm.persona.persona import load_persona
from services.llm.reply.recalling import Recaller
from services.llm.reply.replier import Replier
from services.llm.settings import FakeOptions, LlmSettings
from services.orchestrator.dialog.participants import Participants, joined, named

_REPOSITORY: Final = Path(__file__).parents[2]
_CONVERSATIONS: Final = tomllib.loads((_REPOSITORY / "bench/data/addressees.toml").read_text(encoding="utf-8"))["conversations"]
#: Where the personas are; June's memory is prepared beside her story, Pip's is small and made anew.
_FOLDERS: Final = {"june": _REPOSITORY / "personas", "pip": _REPOSITORY / "tests/data/personas"}
#: What the scorer is fitted on, and what it is not.
FITTED: Final = ("dev", "dev_2", "dev_3")
HELD_OUT: Final = ("held_out", "held_out_2", "held_out_3", "held_out_4")
#: Ids of speakers who are not known by a name.
_NAMELESS: Final = "Spk"


@dataclass(frozen=True)
class Line:
    """What somebody says; `to` is empty for the persona."""

    speaker: str
    to: str
    text: str


@dataclass(frozen=True)
class Talk:
    """One conversation."""

    part: str
    persona: str
    """Its id."""
    lines: tuple[Line, ...]

    def present(self) -> Participants:
        """All who are known by a name, as they are when it begins: their ids are their names."""
        people = dict.fromkeys(line.speaker for line in self.lines if not line.speaker.startswith(_NAMELESS))
        participants = Participants()
        for name in people:
            participants = joined(named(participants, name, name), name)
        return participants


def talks(*parts: str) -> list[Talk]:
    """The conversations of these parts: "dev", "held_out" and so on."""
    return [_talk(each) for each in _CONVERSATIONS if each["part"] in parts]


def _talk(written: dict[str, object]) -> Talk:
    part, persona, lines = written["part"], written.get("persona", "june"), written["lines"]
    assert isinstance(part, str) and isinstance(persona, str) and isinstance(lines, list)
    read = [Line(speaker, "" if to.lower() == persona else to, text) for speaker, to, text in lines]
    return Talk(part, persona, tuple(read))


class Personas:
    """Those who take part, with their real memory; they speak from it alone."""

    def __init__(self) -> None:
        shared = SharedSettings()
        self._embedder = Embedder(shared.models_dir / "minilm-l6-v2")
        # Never asked: what memory does not know gets one of the persona's own lines.
        self._engine = FakeEngine(FakeOptions(replies=("Mm.",)), shared)
        self._known: dict[str, Replier] = {}

    def replier(self, persona_id: str) -> Replier:
        """What makes the persona's replies."""
        if persona_id not in self._known:
            folder = _FOLDERS[persona_id]
            persona = load_persona(folder, persona_id)
            recaller = Recaller(persona, self._embedder, folder / persona_id / "derived" / "embeddings.npz")
            settings = LlmSettings(persona=persona_id, opening="passage")
            self._known[persona_id] = Replier(recaller, self._engine, settings)
        return self._known[persona_id]

    def names(self, persona_id: str) -> tuple[str, ...]:
        """What the persona is called."""
        persona = self.replier(persona_id).recaller.persona
        return (persona.profile.name, persona.id)

"""docs/engines.md: no engine is missing there, and none is there that does not exist."""

from __future__ import annotations

import importlib
import re

from environment import ROOT

SERVICES = ("asr", "turn", "llm", "tts", "face", "speech")


def test_every_engine_says_what_it_needs_and_what_it_was_run_on() -> None:
    page = (ROOT / "docs" / "engines.md").read_text("utf-8")
    rows = set(re.findall(r"^\| (\w+) \| `(\w+)` \|", page, re.MULTILINE))
    engines = {(name, spec.name) for name in SERVICES for spec in importlib.import_module(f"services.{name}.engines").ENGINES}
    assert rows == {(name, engine) for name, engine in engines if engine != "fake"}


def test_settings_that_it_names_exist() -> None:
    page = (ROOT / "docs" / "engines.md").read_text("utf-8")
    known = (ROOT / ".env.example").read_text("utf-8") + (ROOT / "docker-compose.yml").read_text("utf-8")
    named = set(re.findall(r"\b((?:ASR|TURN|LLM|TTS|FACE|SPEECH)_[A-Z_0-9]*[A-Z0-9])=", page))
    assert named
    assert {name for name in named if name not in known} == set()

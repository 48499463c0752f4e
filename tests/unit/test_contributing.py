"""What CONTRIBUTING.md says of where things are is so."""

import re

import pytest

from environment import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
GLOSSARY = TEXT.partition("## Glossary")[2].partition("\n## ")[0]
#: The word, and where it lives.
ROWS = re.findall(r"(?m)^\| (.*?) \| .* \| (`.*`) \|$", GLOSSARY)


@pytest.mark.parametrize(("word", "where"), ROWS)
def test_every_word_of_the_glossary_lives_where_it_is_said_to(word: str, where: str) -> None:
    for place in where.split(", "):
        *names, path = re.findall(r"`([\w./]+)`", place)
        found = ROOT / path if path.startswith(("protos/", "personas/")) else ROOT / "services" / path
        assert found.exists()
        for name in names or re.findall(r"`(\w+)`", word):
            assert re.search(rf"\b{name}\b", found.read_text("utf-8"))


def test_the_glossary_is_read() -> None:
    assert len(ROWS) >= 40


@pytest.mark.parametrize("service", ["llm", "orchestrator"])
def test_every_room_of_a_service_is_listed(service: str) -> None:
    table = TEXT.partition(f"| `services/{service}/` | what |")[2].partition("\n\n")[0]
    rooms = {path.parent.name for path in (ROOT / "services" / service).glob("*/__init__.py")}
    assert set(re.findall(r"(?m)^\| `(\w+)/`", table)) == rooms

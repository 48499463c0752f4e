"""The diagram of the dialog machine is the one of its rules."""

from __future__ import annotations

from environment import ROOT
from services.orchestrator.dialog.diagram import edges, mermaid
from services.orchestrator.dialog.events import Phase

README = ROOT / "services" / "orchestrator" / "README.md"


def test_the_readme_shows_the_machine_as_it_is() -> None:
    assert mermaid() in README.read_text("utf-8"), "run: python -m services.orchestrator.dialog.diagram"


def test_every_phase_can_be_reached_and_left() -> None:
    found = edges()
    assert {before for before, _ in found} == {after for _, after in found} == set(Phase)

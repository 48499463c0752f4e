"""What importing the package costs, and that its names are what they say."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vivant
import vivant.events


def test_contracts_and_errors_come_without_the_client() -> None:
    """Services import these; the isolated enrolment environment has neither PyAV nor a matching protobuf."""
    code = (
        "import sys, vivant.errors, vivant.channel\n"
        "print([name for name in ('av', 'numpy', 'google.protobuf', 'vivant.client', 'rich', 'typer') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_live_sound_needs_no_pyav() -> None:
    code = "import sys, vivant; vivant.connect; print('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.mark.parametrize("name", vivant.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found = getattr(vivant, name)
    assert found is vivant.events.Event if name == "Event" else found.__name__ == name


@pytest.mark.parametrize("name", ["audio", "enrolment", "errors", "recording", "subtitles"])
def test_submodules_need_no_import_of_their_own(name: str) -> None:
    assert getattr(vivant, name).__name__ == f"vivant.{name}"


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        vivant.Clinet  # type: ignore[attr-defined]  # noqa: B018

"""What `make` would do, on a fresh clone, in a moved one, and wherever it lies."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from environment import ROOT

ODD = 'it\'s 100% "odd" ;mine #1 $HOME ünï'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which nothing was made yet."""
    folder = tmp_path / ODD
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("bench", "protos", "requirements", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (folder / "sdk" / "vivant").mkdir(parents=True)
    shutil.copy(ROOT / "sdk" / "pyproject.toml", folder / "sdk")
    return folder


def would(clone: Path, *arguments: str) -> str:
    """The commands that `make` would run."""
    # The tests run below `make test`, of which this one is no part.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    made = subprocess.run(["make", "-n", *arguments], cwd=clone, env=own, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


def as_made(clone: Path, place: str) -> None:
    """As if the environment had been made in `place`."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ("bin/pip", "bin/python", ".cpu", ".dev"):
        (clone / ".venv" / name).touch()
    (clone / ".venv" / ".cpu").write_text(f"{place}\n")
    (clone / "sdk" / "vivant" / ".stubs").touch()


@pytest.mark.parametrize("target", ["up", "demo", "check", "test", "bench", "lock", "enroll-env", "env-example"])
def test_no_command_depends_on_where_the_clone_lies(clone: Path, target: str) -> None:
    assert "odd" not in would(clone, target)


def test_only_what_looks_for_faces_needs_the_environment_that_finds_them(clone: Path) -> None:
    measures = sorted(set(re.findall(r"-m bench\.(\w+)", would(clone, "bench"))))
    needing = [name for name in measures if "requirements/enroll.txt" in would(clone, f"bench-{name}")]
    found = [path for path in (ROOT / "bench").rglob("*.py") if "enroll_python" in path.read_text("utf-8")]
    looking = [path.relative_to(ROOT / "bench").with_suffix("").parts[0] for path in found]
    assert needing == looking == ["face"]


def test_only_what_starts_vllm_needs_its_environment(clone: Path) -> None:
    needing = [
        name for name in ("test", "check", "up", "bench-tts", "bench-llm", "test-vllm") if "vllm.txt" in would(clone, name)
    ]
    assert needing == ["bench-llm", "test-vllm"]


def test_a_bench_is_what_runs_without_arguments(clone: Path) -> None:
    measures = re.findall(r"-m bench\.(\S+)", would(clone, "bench"))
    assert set(measures) > {"asr", "conversation", "speakers", "tts", "turn"}
    assert all("." not in name for name in measures), "bench.asr.choice and the training are run by hand"


def test_an_environment_stays_where_it_was_made(clone: Path) -> None:
    as_made(clone, str(clone.resolve()))
    assert "venv" not in would(clone, "check").replace(".venv/bin", "")


def test_an_environment_that_was_moved_is_made_anew(clone: Path) -> None:
    as_made(clone, "/old/place")
    commands = would(clone, "check")
    assert "-m venv --clear .venv" in commands
    assert commands.index("--clear") < commands.index("requirements/cpu.txt") < commands.index("requirements/dev.txt")
    assert "--clear" not in would(clone, "help")


def test_an_environment_that_is_a_link_is_left_alone(clone: Path) -> None:
    as_made(clone, "/old/place")
    (clone / ".venv").rename(clone.parent / "elsewhere")
    (clone / ".venv").symlink_to(clone.parent / "elsewhere")
    assert "--clear" not in would(clone, "check")

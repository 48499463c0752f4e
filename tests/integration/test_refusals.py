"""What cannot be started or used says so in one clear line: a port in use, missing or damaged files, a broken persona."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import vivant
from deploy.addresses import NAMES, NOTHING_KEPT, ROOT, environment, on_free_ports
from services.common.settings import SharedSettings
from tests.harness.system import FAKES, System
from vivant.errors import NotFound, Unusable

WITH_MODELS = ("asr", "turn", "llm", "tts")
EXIT_S = 60.0
#: Lines that the C library below gRPC writes by itself.
_NATIVE = re.compile(r"[EWI]\d{4} .*\.cc:\d+\] ")


def ends(names: tuple[str, ...], changes: Mapping[str, str], status: int = 1) -> dict[str, list[dict[str, Any]]]:
    """Starts services that cannot start, all at once; returns what each logged until it ended with `status`."""
    with on_free_ports(environment() | NOTHING_KEPT | {"VIVANT_LOG_LEVEL": "WARNING"}) as env:
        started = {name: start(name, env | dict(changes)) for name in names}
        try:
            outputs = {name: process.communicate(timeout=EXIT_S)[0].decode() for name, process in started.items()}
        finally:
            for process in started.values():
                process.kill()
    for name, process in started.items():
        assert process.returncode == status, f"{name}:\n{outputs[name]}"
    return {
        name: [record(name, line) for line in output.splitlines() if not _NATIVE.match(line)]
        for name, output in outputs.items()
    }


def start(name: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"services.{name}"]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def record(name: str, line: str) -> dict[str, Any]:
    """One line of a log; a traceback is none."""
    assert line.startswith("{"), f"{name} logged something that is not a record: {line}"
    found: dict[str, Any] = json.loads(line)
    return found


@contextmanager
def taken_ports(count: int) -> Iterator[list[int]]:
    """Ports on which somebody listens."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        yield [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


@pytest.mark.parametrize("setting", ["PORT", "METRICS_PORT"])
def test_a_port_in_use_is_named(setting: str) -> None:
    with taken_ports(len(NAMES)) as ports:
        taken = dict(zip(NAMES, ports, strict=True))
        logs = ends(NAMES, FAKES | {f"{name.upper()}_{setting}": str(port) for name, port in taken.items()})
    for name, records in logs.items():
        assert len(records) == 1, name
        assert records[0]["reason"] == "port_in_use"
        assert f"127.0.0.1:{taken[name]}" in records[0]["detail"]
        assert f"{name.upper()}_{setting}" in records[0]["detail"]


def test_missing_model_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    for name, records in ends(WITH_MODELS, {"VIVANT_MODELS_DIR": str(tmp_path)}).items():
        assert [item["reason"] for item in records] == ["model_missing"], name
        assert str(tmp_path) in records[0]["detail"]
        assert "make models" in records[0]["detail"]


def test_damaged_model_files_are_named(tmp_path: Path) -> None:
    models = SharedSettings().models_dir
    for path in models.rglob("*"):
        if path.is_file() and path.suffix in (".bin", ".onnx", ".gguf"):
            damaged = tmp_path / path.relative_to(models)
            damaged.parent.mkdir(parents=True, exist_ok=True)
            damaged.write_bytes(path.read_bytes()[:1000] + os.urandom(1000))
        elif path.is_file():
            intact = tmp_path / path.relative_to(models)
            intact.parent.mkdir(parents=True, exist_ok=True)
            intact.symlink_to(path)
    for name, records in ends(WITH_MODELS, {"VIVANT_MODELS_DIR": str(tmp_path)}).items():
        assert records[-1]["event"] == "cannot_start", name
        assert records[-1]["reason"].startswith("model_"), name
        assert str(tmp_path) in records[-1]["detail"]


def test_an_unknown_engine_is_refused_with_the_choices() -> None:
    names = ("asr", "turn", "llm", "tts", "face")
    for name, records in ends(names, {f"{name.upper()}_ENGINE": "nope" for name in names}, status=2).items():
        assert [item["reason"] for item in records] == ["wrong_setting"], name
        assert "choose one of" in records[0]["detail"]


@pytest.mark.parametrize(
    ("file", "content", "rule"),
    [
        ("persona.toml", b"name = [unclosed", "persona.toml is not valid TOML"),
        ("persona.toml", b'id = "broken"\nname = "B"', "persona.toml: description: field required"),
        ("persona.toml", None, "persona.toml is missing"),
        ("story.md", None, "story.md is missing"),
        ("story.md", b"We met in a caf\xe9.", "story.md cannot be read as UTF-8"),
        ("story.md", b"# June\n\n## Nothing yet\n", "story.md"),
        ("consent.toml", None, "consent.toml is missing"),
    ],
)
async def test_a_broken_persona_is_refused_with_the_file_and_the_rule(
    fakes: System, personas: Path, file: str, content: bytes | None, rule: str
) -> None:
    folder = personas / "broken"
    shutil.copytree(personas / "june", folder)
    try:
        (folder / "persona.toml").write_text((folder / "persona.toml").read_text().replace('"june"', '"broken"'))
        if content is None:
            (folder / file).unlink()
        else:
            (folder / file).write_bytes(content)
        async with vivant.connect(fakes.address) as client:
            with pytest.raises(Unusable) as refused:
                await client.converse("broken").__aenter__()
            assert "persona 'broken'" in refused.value.message
            assert rule in refused.value.message
            assert [card.id for card in (await client.info()).personas] == ["june"]
    finally:
        shutil.rmtree(folder)


async def test_an_unknown_persona_is_refused_with_those_that_there_are(fakes: System) -> None:
    async with vivant.connect(fakes.address) as client:
        for name in ("nobody", "../june", "x" * 1000):
            with pytest.raises(NotFound, match="there are: june"):
                await client.converse(name).__aenter__()

"""Command lines that cannot be meant end with status 2 and name the mistake, before anything is connected to."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivant.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ask"], "a recording or --text"),
        (["ask", "a.wav", "--text", "Hello"], "a recording or --text"),
        (["ask", "--text", "Hello", "-o", "answer.avi"], ".mp4, .webm or .wav"),
        (["ask", "--text", "Hello", "-o", "no/such/folder/answer.mp4"], "does not exist"),
        (["chat", "--audio-out", "reply.mp4"], "name it .wav"),
        (["enroll"], "persona"),
        (["enroll", "june", "-o", "no/such/folder/preview.png"], "does not exist"),
        (["enroll", "june", "--portrait", "june.jpg", "--video", "june.mp4"], "give one of them"),
        (["sing"], "sing"),
    ],
)
def test_usage(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert says.lower() in " ".join(result.stderr.lower().split())


@pytest.mark.parametrize("command", ["ask", "chat", "info", "enroll"])
def test_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_a_missing_recording_is_found_before_connecting(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ask", str(tmp_path / "none.wav"), "--address", "localhost:1"])
    assert result.exit_code == 1
    assert "none.wav does not exist" in result.stderr.replace("\n", "")

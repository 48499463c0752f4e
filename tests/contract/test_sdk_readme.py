"""The examples of the client package's README do what they say, against a server that speaks the contract."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import math
import re
import sys
import wave
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest

import vivant
from environment import ROOT
from tests.harness.scripted_session import Script, ScriptedSession, serving
from tests.harness.waiting import PATIENCE_S
from vivant.errors import Full

README: Final = (ROOT / "sdk" / "README.md").read_text("utf-8")


def example(heading: str) -> str:
    """The Python of a section."""
    found = re.search(rf"# {re.escape(heading)}\n.*?```python\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


async def run(heading: str, client: vivant.Client) -> None:
    """An example that goes on with a client, as the body of an asynchronous program."""
    names: dict[str, Any] = {"asyncio": asyncio, "contextlib": contextlib, "math": math, "vivant": vivant, "client": client}
    code = compile(example(heading), heading, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with asyncio.timeout(PATIENCE_S):
        await eval(code, names)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the examples find their recordings."""
    monkeypatch.chdir(tmp_path)
    sound = (9000 * np.sin(np.arange(8000) * 0.16)).astype(np.int16)
    for name in ("question.m4a", "first.wav", "second.wav"):
        # The name of a file does not have to tell what it is.
        with wave.open(name, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(sound.tobytes())
    return tmp_path


async def test_from_your_app(tmp_path: Path) -> None:
    async with serving() as (address, server):
        code = example("From your app").replace("localhost:50050", address).replace("512", "64")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=tmp_path, env={"PYTHONPATH": ":".join(sys.path)}, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.decode().splitlines() == ["June is an AI.", "You: Where did you grow up?", "June: In a white house."]
    assert server.configs[0].persona_id == "june" and server.ended_with_finish == [True]
    with av.open(str(tmp_path / "answer.mp4")) as container:
        assert len(container.streams) == 2


async def talk(heading: str, script: Script | None = None) -> ScriptedSession:
    async with serving(script) as (address, server), vivant.connect(address) as client:
        await run(heading, client)
        assert server.ended_with_finish == [True]
        return server


@pytest.mark.usefixtures("folder")
async def test_speak(capsys: pytest.CaptureFixture[str]) -> None:
    await talk("Speak")
    assert capsys.readouterr().out.splitlines() == ["You: Where did you grow up?", "In a white house."]


@pytest.mark.usefixtures("folder")
async def test_several_clips_over_one_microphone(capsys: pytest.CaptureFixture[str]) -> None:
    server = await talk("Several clips, one microphone")
    assert capsys.readouterr().out.splitlines() == ["In a white house.", "In a white house."]
    chunks = server.seen["audio"]
    ends = [chunk.start_sample + len(chunk.pcm) // 2 for chunk in chunks]
    assert [chunk.start_sample for chunk in chunks] == [0, *ends[:-1]], "the microphone never stops"


async def test_several_people(capsys: pytest.CaptureFixture[str]) -> None:
    server = await talk("Several people")
    assert capsys.readouterr().out.splitlines()[:2] == ["Ben: Did you feed the cat?", "Ben: And where did you grow up?"]
    assert [(item.participant_id, [*item.addressee_ids]) for item in server.seen["text"]] == [("Ben", ["Ann"]), ("Ben", [])]


async def test_several_clients_in_one_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as (address, server), vivant.connect(address) as client:
        await run("Several clients, one conversation", client)
    assert capsys.readouterr().out.splitlines() == ["['Ann']", "In a white house.", "In a white house."]
    assert [item.conversation_id for item in server.joins] == ["c1"]


async def test_one_turn_may_have_several_finals(capsys: pytest.CaptureFixture[str]) -> None:
    await talk("One turn, several finals")
    assert capsys.readouterr().out.splitlines()[0] == "You: I grew up near here. Where did you?"


async def test_wait_for_the_system_and_for_a_place(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(loading=1, refuse=Full("session serves 4 streams already; try again later"))

    async def somebody_leaves(seconds: float, sleep: Any = asyncio.sleep) -> None:
        if seconds >= 1:
            script.refuse = None
            seconds = 0
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", somebody_leaves)
    await talk("Wait for the system, and for a place", script)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["llm is loading, 0 s", "0 of 4 places are taken"]

"""What goes wrong around the `vivant` command: it says so in one line, at once, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from deploy.addresses import free_port
from tests.harness.command import start, vivant
from tests.harness.scripted_session import Script, serving
from vivant.cli import asking
from vivant.cli.ask import Question, run_ask
from vivant.errors import Timeout


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """Half a second of tone, which the scripted server takes for speech."""
    return tone(tmp_path / "question.wav", 0.5)


def tone(path: Path, seconds: float, level: float = 9000) -> Path:
    sound = (level * np.sin(np.arange(round(16_000 * seconds)) * 0.16)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    return path


# --- what cannot be said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("   ", "there is nothing in this text"),
        ("x" * 4001, "at most 4000 characters, this one has 4001"),
        (b"caf\xe9?", "character 4 is not Unicode"),
    ],
)
async def test_a_text_that_breaks_a_rule_is_refused_before_anybody_is_called(text: str | bytes, says: str) -> None:
    async with serving() as (address, server):
        result = await vivant("ask", "--text", text, "--address", address)
    assert result.status == 1 and result.out == ""
    assert says in result.err and len(result.err.splitlines()) == 1
    assert not server.configs


@pytest.mark.parametrize("option", ["--persona", "--conversation"])
async def test_a_name_that_is_no_text(option: str) -> None:
    async with serving() as (address, server):
        result = await vivant("ask", "--text", "Where?", option, b"j\xffne", "--address", address)
    assert result.status == 1
    assert "character 2 is not Unicode" in result.err and len(result.err.splitlines()) == 1
    assert not server.configs


async def test_chat_refuses_a_line_and_goes_on() -> None:
    lines = [b"\xef\xbb\xbfHello?", b"bad \xff byte", b"x" * 4001, b"x" * 50_000, b"nul \0", "\u200b".encode(), b"And then?"]
    async with serving() as (address, server):
        result = await vivant("chat", "--address", address, stdin=b"\n".join(lines))
    assert [item.text for item in server.seen["text"]] == ["Hello?", "And then?"]
    assert result.status == 1, "not all was said"
    assert [line.removeprefix("vivant: this line was not said: ")[:24] for line in result.err.splitlines()] == [
        "byte 5 of this line is n",
        "a text holds at most 400",
        "a text holds at most 400",
        "text: character 5 is NUL",
        "there is nothing in this",
    ]
    assert server.ended_with_finish == [True]


async def test_chat_whose_input_is_closed_ends_after_the_greeting() -> None:
    async with serving(Script(greeting="Hello, I am June.")) as (address, server):
        command = f'exec "{sys.executable}" -m vivant.cli chat --address {address} <&-'
        process = await asyncio.create_subprocess_exec("sh", "-c", command, stderr=asyncio.subprocess.PIPE, env=environment())
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert server.ended_with_finish == [True]


# --- recordings of a question -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["memo-10:15.wav", "-t %d.wav", b"caf\xe9\n.wav"])
async def test_any_file_name(name: str | bytes, question: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder itself, where nothing stands before the name."""
    monkeypatch.chdir(question.parent)
    rename(question, name)
    answer = os.fsencode(name).replace(b".wav", b"-answer.mp4")
    async with serving() as (address, _):
        result = await vivant("ask", "--size", "64", "--address", address, b"--output=" + answer, "--", name)
    assert (result.status, result.err) == (0, "")
    with av.open("file:" + os.fsdecode(answer)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}


async def test_what_could_not_be_read_is_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "hole.mp3"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=16_000)
        stream.layout = "mono"
        sound = (9000 * np.sin(np.arange(32_000) * 0.16)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
    path.write_bytes(data)
    async with serving() as (address, _):
        result = await vivant("ask", path, "--address", address)
    assert result.status == 0
    assert len(result.err.splitlines()) == 1 and "s of 2.00 s could not be read" in result.err


async def test_a_silent_recording_is_not_played(tmp_path: Path) -> None:
    async with serving() as (address, server):
        result = await vivant("ask", tone(tmp_path / "silent.wav", 1, level=3), "--address", address)
    assert result.status == 1
    assert "silent.wav is silent" in result.err and len(result.err.splitlines()) == 1
    assert not server.configs


# --- recordings of the answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [("x" * 260 + ".mp4", "File name too long"), ("/proc/a.wav", "No such file or directory")],
)
async def test_a_recording_that_cannot_be_written_is_known_before_anybody_is_called(
    tmp_path: Path, name: str, says: str
) -> None:
    async with serving() as (address, server):
        result = await vivant("ask", "--text", "Where?", "-o", tmp_path / name, "--address", address)
    assert result.status == 1
    assert says in result.err and len(result.err.splitlines()) == 1
    assert not server.configs


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.wav"])
async def test_a_disk_that_is_full_costs_the_recording_and_not_the_answer(tmp_path: Path, name: str) -> None:
    """A limit on the size of files stands for the disk: the write fails in the kernel, in the middle of the conversation."""
    (tmp_path / name).write_bytes(b"what was there before")
    async with serving() as (address, server):
        arguments = f'ask --text Where? -o "{tmp_path / name}" --whole --address {address}'
        command = f'ulimit -f 12; exec "{sys.executable}" -B -m vivant.cli {arguments}'
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment()
        )
        out, err = await process.communicate()
    assert process.returncode == 1
    assert b"June: In a white house." in out and b"Recorded" not in out
    assert f"{name} cannot be written: File too large" in err.decode() and len(err.splitlines()) == 1
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"what was there before"
    assert server.ended_with_finish == [True]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_who_is_stopped_before_the_answer_leaves_no_file_and_takes_no_place(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    async with serving(Script(silent=True)) as (address, server):
        process = await start("ask", "--text", "Where?", "-o", tmp_path / "a.mp4", "--size", "64", "--address", address)
        assert process.stdout
        while b"You: Where?" not in await process.stdout.readline():
            assert not process.stdout.at_eof()
        process.send_signal(number)
        _, err = await process.communicate()
        await server.ended.wait()
    assert (process.returncode, err) == (status, b"")
    assert names_in(tmp_path) == []


# --- the output ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["--text=Where?", "--json"])
async def test_whoever_reads_the_output_may_leave(form: str) -> None:
    async with serving() as (address, server):
        process = await start("ask", "--text", "Where?", form, "--address", address)
        assert process.stdout
        process.stdout._transport.close()  # type: ignore[attr-defined]  # there is no other way to close one end
        assert process.stderr
        err = await process.stderr.read()
        status = await process.wait()
        await server.ended.wait()
    assert (status, err) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("form", ["", "--json"])
async def test_an_output_that_cannot_be_written(form: str) -> None:
    async with serving() as (address, _):
        command = f'exec "{sys.executable}" -m vivant.cli ask --text Where? {form} --address {address} > /dev/full'
        process = await asyncio.create_subprocess_exec("sh", "-c", command, stderr=asyncio.subprocess.PIPE, env=environment())
        _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"vivant: the output cannot be written: No space left on device\n")


# --- an answer that does not come ---------------------------------------------------------------------------------------


async def test_a_reply_that_never_comes_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_REPLY_S", 0.2)
    async with serving(Script(silent=True)) as (address, server):
        with pytest.raises(Timeout, match="no answer came"):
            await run_ask(Question(text="Where?"), address, show_sources=False, as_json=True)
    assert server.ended_with_finish == [True]


async def test_an_apology_is_no_answer() -> None:
    async with serving(Script(apologises=True)) as (address, _):
        result = await vivant("ask", "--text", "Where?", "--address", address)
    assert (result.status, result.err) == (1, "vivant: no answer came: No reply came, twice.\n")


# --- a system that is not there yet -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("ask", "--text", "Where?"), ("chat",), ("info", "--wait", "60")])
async def test_services_that_load_are_waited_for(command: tuple[str, ...]) -> None:
    async with serving(Script(loading=3)) as (address, server):
        result = await vivant(*command, "--address", address, stdin="Where?\n")
    assert (result.status, result.err) == (0, "waiting for Vivant: llm is loading ...\n")
    assert command[0] == "info" or [item.text for item in server.seen["text"]] == ["Where?"]


async def test_they_are_waited_for_no_longer_than_was_asked() -> None:
    async with serving(Script(loading=10**6)) as (address, server):
        result = await vivant("ask", "--text", "Where?", "--wait", "0.2", "--address", address)
    assert result.status == 1
    assert result.err.splitlines()[-1].startswith("vivant: not ready after 0 s: llm is loading")
    assert not server.configs


async def test_info_does_not_wait() -> None:
    async with serving(Script(loading=10**6)) as (address, _):
        result = await vivant("info", "--address", address)
    assert (result.status, result.err) == (0, "")
    assert "llm: still loading" in result.out


async def test_a_system_that_is_started_later_is_waited_for_if_asked() -> None:
    with free_port() as port:
        process = await start("ask", "--text", "Where?", "--wait", "60", "--address", f"localhost:{port}")
        assert process.stderr
        assert await process.stderr.readline() == f"waiting for Vivant: nothing answers at localhost:{port} ...\n".encode()
        async with serving(port=port):
            out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"June: In a white house." in out


async def test_ctrl_c_while_waiting() -> None:
    async with serving(Script(loading=10**6)) as (address, server):
        process = await start("ask", "--text", "Where?", "--address", address)
        await server.asked.wait()
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    assert not server.configs


def rename(path: Path, name: str | bytes) -> None:
    path.rename(os.fsdecode(name))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def environment() -> dict[str, str]:
    assert shutil.which("sh")
    return {"PYTHONPATH": ":".join(sys.path), "COLUMNS": "140"}

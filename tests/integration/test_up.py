"""`python -m deploy.up` with scripted engines: ready, survives a kill, says why it cannot start, leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.addresses import NOTHING_KEPT, ROOT, CannotStart, environment, on_free_ports
from deploy.system import System, running, wait_ready

NAMES = ("asr", "tts")
FAKES = {"ASR_ENGINE": "fake", "TTS_ENGINE": "fake"}
READY_S = 60.0


@pytest.fixture
def env() -> Iterator[dict[str, str]]:
    """That of two services with scripted engines, on free ports."""
    with on_free_ports(environment() | NOTHING_KEPT | FAKES, NAMES) as made:
        yield made


@contextmanager
def up(env: dict[str, str], *services: str) -> Iterator[subprocess.Popen[str]]:
    """`deploy.up` as a process, killed at the end in case it is still there."""
    command = [sys.executable, "-u", "-m", "deploy.up", *services]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """The output up to the line that matches; fails when the process ends before."""
    assert process.stdout
    seen = ""
    for line in process.stdout:
        seen += line
        if re.search(pattern, line):
            return seen
    pytest.fail(f"ended before {pattern!r}:\n{seen}")


def is_listening(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_it_gets_ready_and_stops_cleanly_on_ctrl_c(env: dict[str, str]) -> None:
    with up(env, *NAMES) as process:
        read_until(process, r"asr, tts ready after")
        assert is_listening(env["ASR_PORT"])
        process.send_signal(signal.SIGINT)
        read_until(process, "All services have stopped")
        assert process.wait(10) == 0
    assert not any(is_listening(env[f"{name.upper()}_PORT"]) for name in NAMES)


def test_what_the_usual_system_goes_without_is_started_by_its_name(env: dict[str, str]) -> None:
    with on_free_ports(env | {"SPEECH_ENGINE": "fake"}, ["speech"]) as more, up(more, "asr", "speech") as process:
        read_until(process, r"asr, speech ready after")
        assert is_listening(more["SPEECH_PORT"])
        process.send_signal(signal.SIGINT)
        read_until(process, "All services have stopped")


def test_a_service_that_cannot_start_is_reported_in_its_own_words(env: dict[str, str], tmp_path: Path) -> None:
    with up(env | {"ASR_ENGINE": "whisper", "VIVANT_MODELS_DIR": str(tmp_path)}, *NAMES) as process:
        seen = read_until(process, "All services have stopped")
        assert process.wait(10) == 1
    assert re.search(rf"asr has failed: .*{re.escape(str(tmp_path))}.*run: make models", seen)


def test_a_port_in_use_is_reported_at_once(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(env["TTS_PORT"]))), up(env, *NAMES) as process:
        read_until(process, rf"tts: cannot listen on 127\.0\.0\.1:{env['TTS_PORT']}")
        assert process.wait(10) == 1


def test_a_killed_service_comes_back(env: dict[str, str], tmp_path: Path) -> None:
    with running(env, tmp_path, READY_S, NAMES) as system:
        before = system.pids["asr"]
        os.kill(before, signal.SIGKILL)
        states = [status.state for status in system.status()]
        while system.pids["asr"] == before:
            states += [status.state for status in system.status()]
        wait_ready(system, READY_S)
        assert system.pids["asr"] != before


def test_when_its_parent_is_killed_the_services_end_too(env: dict[str, str]) -> None:
    with up(env, *NAMES) as process:
        read_until(process, r"asr, tts ready after")
        with socket.create_connection(("127.0.0.1", int(env["TTS_PORT"]))) as connection:
            process.kill()
            # The other end closes when the service is gone; a service that stayed would run into the time limit of the test.
            while connection.recv(4096):
                pass


def test_a_system_that_does_not_get_ready_in_time_says_what_is_missing(env: dict[str, str], tmp_path: Path) -> None:
    system = System(env, tmp_path, NAMES)
    system.start()
    try:
        with pytest.raises(CannotStart, match=r"not ready after 0 s: asr \(starting\)"):
            wait_ready(system, 0)
    finally:
        system.stop()

"""Addresses and logs of a system on one machine."""

import json
import socket
from pathlib import Path

import pytest

from deploy import addresses
from deploy.addresses import CannotStart
from deploy.logs import last_error
from services.common.settings import ServiceSettings


def test_the_environment_outweighs_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ASR_PORT=1\nASR_ENGINE=fake\nEMPTY\n")
    monkeypatch.setenv("ASR_PORT", "2")
    found = addresses.environment(tmp_path)
    assert (found["ASR_PORT"], found["ASR_ENGINE"]) == ("2", "fake")
    assert "EMPTY" not in found


def test_the_orchestrator_follows_a_service_to_another_port() -> None:
    settings: dict[str, ServiceSettings] = {"asr": addresses.settings_of("asr", {"ASR_PORT": "6000", "ASR_HOST": "0.0.0.0"})}
    assert addresses.with_addresses({}, settings)["ORCHESTRATOR_ASR_ADDRESS"] == "127.0.0.1:6000"
    told = {"ORCHESTRATOR_ASR_ADDRESS": "gpu:50051"}
    assert addresses.with_addresses(told, settings)["ORCHESTRATOR_ASR_ADDRESS"] == "gpu:50051"


def test_free_ports_are_all_different() -> None:
    env = addresses.on_free_ports({"ORCHESTRATOR_TTS_ADDRESS": "gone:1", "OTHER": "kept"})
    ports = [value for name, value in env.items() if name.endswith("PORT")]
    assert len(ports) == len(set(ports)) == 2 * len(addresses.NAMES)
    assert "ORCHESTRATOR_TTS_ADDRESS" not in env
    assert env["OTHER"] == "kept"


def test_a_port_in_use_is_named_with_the_setting_to_change() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"tts: cannot listen on 127\.0\.0\.1:{port} .* set TTS_PORT"):
            addresses.require_free("tts", "127.0.0.1", port, "PORT")


def test_a_setting_that_cannot_be_used_is_named() -> None:
    with pytest.raises(CannotStart, match=r"TTS_PORT='abc' cannot be used: .*integer"):
        addresses.settings_of("tts", {"TTS_PORT": "abc"})


ERROR = json.dumps({"event": "cannot_start", "level": "error", "detail": "run: make models"})
INFO = json.dumps({"event": "listening", "level": "info"})
EXCEPTION = json.dumps({"event": "failed", "level": "error", "exception": "Traceback ...\nKeyError: 'x'"})


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        ([INFO], ""),
        ([ERROR, INFO], "run: make models"),
        ([ERROR, EXCEPTION], "KeyError: 'x'"),
        (["Traceback (most recent call last):", '  File "x"', "ImportError: no y"], "ImportError: no y"),
        ([ERROR, "a library's chatter"], "run: make models"),
    ],
)
def test_the_last_error_of_a_log(tmp_path: Path, lines: list[str], expected: str) -> None:
    log = tmp_path / "asr.log"
    log.write_text("\n".join(lines))
    assert last_error(log) == expected


def test_errors_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    log = tmp_path / "asr.log"
    assert last_error(log) == ""
    log.write_text(f"{ERROR}\n")
    start = log.stat().st_size
    with log.open("a") as stream:
        stream.write(f"{INFO}\n")
    assert last_error(log, start) == ""
    assert last_error(log, 10 * start) == "run: make models"

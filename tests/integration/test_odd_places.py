"""Odd but legal machines: where the repository lies, what the environment and `.env` say, how little there is of something."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.addresses import on_free_ports
from tests.harness.checkout import Checkout, needs_ipv6

ODD = 'it\'s 100% "odd" ;mine #1 %(here)s $HOME ünï`x`'
FAKES = {"ASR_ENGINE": "fake", "TTS_ENGINE": "fake"}
NAMES = ("asr", "tts")
NOWHERE = "http://127.0.0.1:9"
PROXIES = {
    name: NOWHERE for lower in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy") for name in (lower, lower.upper())
}


#: Starts its arguments as a shell does in which few files may be open.
FEW_FILES = ("/bin/sh", "-c", 'ulimit -n 256; exec "$@"', "sh")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / ODD)


@pytest.fixture
def ports() -> Iterator[dict[str, str]]:
    """What sets free ports for all services, and scripted engines for these two."""
    with on_free_ports(FAKES) as made:
        yield made


@contextmanager
def up(checkout: Checkout, changes: Mapping[str, str], *names: str) -> Iterator[str]:
    """`deploy.up` there until it is ready, and what it said; stopped cleanly at the end of the block."""
    with subprocess.Popen(
        [*FEW_FILES, *checkout.command("-m", "deploy.up", *names)],
        cwd=checkout.folder,
        env=checkout.environment(changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout
            said = ""
            for line in process.stdout:
                said += line
                if "ready after" in line:
                    break
            else:
                pytest.fail(said)
            yield said
            process.send_signal(signal.SIGINT)
            assert "All services have stopped" in process.stdout.read()
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_it_starts_wherever_it_lies_and_whatever_the_environment_says(
    checkout: Checkout, ports: dict[str, str], tmp_path: Path
) -> None:
    temporary = tmp_path / "x".join("100% ;" for _ in range(30))
    temporary.mkdir()
    odd = PROXIES | {
        "TMPDIR": str(temporary),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "TERM": "dumb",
        "VIVANT_MODELS_DIR": "my models",
    }
    with up(checkout, ports | odd, *NAMES):
        ready = httpx.get(f"http://127.0.0.1:{ports['ASR_METRICS_PORT']}/readyz", trust_env=False)
        assert ready.json()["ready"]
    assert sorted(path.name for path in temporary.iterdir()) == []
    assert {"asr.log", "tts.log", "supervisord.log"} <= {path.name for path in (checkout.folder / "out" / "logs").iterdir()}


@needs_ipv6
@pytest.mark.parametrize(("host", "near"), [("::1", "[::1]"), ("[::1]", "[::1]"), ("::", "[::1]"), ("::", "127.0.0.1")])
def test_it_listens_on_ipv6(checkout: Checkout, ports: dict[str, str], host: str, near: str) -> None:
    with up(checkout, ports | {"TTS_HOST": host, "GATEWAY_HOST": host}, "tts", "gateway"):
        for port in (ports["TTS_METRICS_PORT"], ports["GATEWAY_METRICS_PORT"], ports["GATEWAY_PORT"]):
            assert httpx.get(f"http://{near}:{port}/healthz", trust_env=False).status_code in (200, 404)
        probed = checkout.run("-m", "services.common.probe", f"{near}:{ports['TTS_PORT']}")
        assert probed.returncode == 0, probed.stderr


WRONG = [
    ("VIVANT_LOG_LEVEL=verbose", "VIVANT_LOG_LEVEL='verbose' cannot be used: it must be 'DEBUG', 'INFO'"),
    ("ASR_PORT=70000", "ASR_PORT='70000' cannot be used: it must be less than or equal to 65535"),
    ("ASR_CAPACITY=0", "ASR_CAPACITY='0' cannot be used: it must be greater than or equal to 1"),
    (
        "ASR_ENGINE=parrot",
        "ASR_ENGINE='parrot' cannot be used: it is not an engine of this service; choose one of: whisper, riva, fake",
    ),
    ('ASR_ENGINE=fake\nASR_FAKE_SCRIPT=["cut', "ASR_FAKE_SCRIPT='[\"cut' cannot be used: expected a list"),
    ("ASR_HOST=http://here", "ASR_HOST='http://here' cannot be used: expected a name or an address"),
    ("ASR_METRICS_PORT=50051", "ASR_METRICS_PORT='50051' cannot be used: ASR_PORT is the same"),
    ("no line of settings", ".env, line 1: 'no line of settings' cannot be used: expected NAME=value"),
]


@pytest.mark.parametrize(("line", "complaint"), WRONG)
def test_a_wrong_setting_is_one_line_and_status_2(checkout: Checkout, line: str, complaint: str) -> None:
    (checkout.folder / ".env").write_text(f"{line}\n")
    result = checkout.run("-m", "deploy.up", "asr")
    assert result.returncode == 2
    assert complaint in result.stdout
    assert len(result.stdout.splitlines()) == 1, result.stdout
    assert result.stderr == ""


def test_every_program_says_it_in_the_same_way(checkout: Checkout) -> None:
    (checkout.folder / ".env").write_text("VIVANT_MODELS_DIR=~nobody-of-this-name/x\n")
    complaint = "VIVANT_MODELS_DIR='~nobody-of-this-name/x' cannot be used: no home folder"
    for module in ("services.asr", "services.gateway", "models", "deploy.up", "deploy.demo", "bench.speakers"):
        result = checkout.run("-m", module, *(["list"] if module == "models" else []))
        assert result.returncode == 2, (module, result)
        said = (result.stdout + result.stderr).strip().splitlines()
        assert complaint in said[-1], (module, said)
        assert len(said) == (2 if module == "deploy.demo" else 1), said


@pytest.mark.parametrize("value", ["~/my models", "my models", "$HOME/my models", '"{absolute}"'])
def test_the_fetcher_and_the_services_read_one_folder(
    checkout: Checkout, ports: dict[str, str], tmp_path: Path, value: str
) -> None:
    wished = value.format(absolute=tmp_path / "my models")
    expected = checkout.folder / "my models" if value == "my models" else tmp_path / "my models"
    (checkout.folder / ".env").write_text(f"VIVANT_MODELS_DIR={wished}\n")
    services = "from services.common.settings import SharedSettings; print(SharedSettings().models_dir)"
    fetcher = "import environment; print(environment.models_dir(environment.read()))"
    for program in (services, fetcher):
        result = checkout.run("-c", program, HOME=str(tmp_path))
        assert result.stdout.strip() == str(expected), result
    source = tmp_path / "usb" / "silero-vad"
    source.mkdir(parents=True)
    refused = checkout.run("-m", "models", "fetch", "--from", str(source), "silero-vad", HOME=str(tmp_path))
    assert "has neither silero-vad" in refused.stderr
    missing = checkout.run("-m", "services.turn", HOME=str(tmp_path), **ports)
    assert missing.returncode == 1
    assert f"no model file {expected}" in json.loads(missing.stderr.splitlines()[-1])["detail"]


def test_a_misspelt_name_is_said_once(checkout: Checkout) -> None:
    (checkout.folder / ".env").write_text("ASR_ENGIN=fake\nVIVANT_PERSONA_DIR=x\nASR_PORT=0\n")
    said = checkout.run("-m", "deploy.up", "asr", TTS_PROT="1").stdout
    assert said.count("ASR_ENGIN in .env is read by nothing; did you mean ASR_ENGINE?") == 1
    assert "VIVANT_PERSONA_DIR in .env is read by nothing; did you mean VIVANT_PERSONAS_DIR?" in said
    assert "TTS_PROT in the environment is read by nothing; did you mean TTS_PORT?" in said


def test_logs_that_cannot_be_written_are_said(checkout: Checkout, ports: dict[str, str]) -> None:
    (checkout.folder / "out").write_text("a file")
    result = checkout.run("-m", "deploy.up", "tts", **ports)
    assert result.returncode == 1
    assert re.search(r"up: cannot write logs to out/logs \(.*\); run it as the owner", result.stdout)

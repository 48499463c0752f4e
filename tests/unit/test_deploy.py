"""Addresses and logs of a system on one machine."""

import json
import shlex
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from deploy import addresses, supervision
from deploy.addresses import CannotStart
from deploy.env_example import fields, settings_classes
from deploy.logs import last_error
from deploy.names import unread
from services.common.settings import ServiceSettings
from tests.harness.checkout import needs_ipv6

#: ip(7); Python's socket module does not name it.
_IP_LOCAL_PORT_RANGE = 51


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


@pytest.mark.parametrize(
    ("host", "address"),
    [("::1", "[::1]:6000"), ("[::1]", "[::1]:6000"), ("::", "[::1]:6000"), ("0.0.0.0", "127.0.0.1:6000"), ("gpu", "gpu:6000")],
)
def test_a_service_is_reached_where_it_listens(host: str, address: str) -> None:
    settings: dict[str, ServiceSettings] = {
        name: addresses.settings_of(name, {f"{name.upper()}_PORT": "6000", f"{name.upper()}_HOST": host})
        for name in ("tts", "orchestrator")
    }
    found = addresses.with_addresses({"ORCHESTRATOR_TTS_ADDRESS": ""}, settings)
    assert found["ORCHESTRATOR_TTS_ADDRESS"] == found["GATEWAY_ORCHESTRATOR_ADDRESS"] == address


def test_free_ports_are_all_different() -> None:
    with addresses.on_free_ports({"ORCHESTRATOR_TTS_ADDRESS": "gone:1", "OTHER": "kept"}) as env:
        ports = [value for name, value in env.items() if name.endswith("PORT")]
    assert len(ports) == len(set(ports)) == 2 * len(addresses.NAMES)
    assert "ORCHESTRATOR_TTS_ADDRESS" not in env
    assert env["OTHER"] == "kept"


def test_a_free_port_is_kept_for_the_server_that_is_told_its_number() -> None:
    with addresses.free_port() as port:
        for host in ("127.0.0.1", "0.0.0.0", "127.0.0.1"):
            addresses.require_free("tts", host, port, "PORT")
            socket.create_server((host, port)).close()


def test_a_free_port_is_given_to_nobody_who_wants_any_port() -> None:
    with addresses.free_port() as port, socket.create_server(("127.0.0.1", 0)) as other:
        with limited_to(port) as anybody, pytest.raises(OSError, match="in use"):
            anybody.bind(("127.0.0.1", 0))
        with limited_to(port) as anybody, pytest.raises(OSError, match="Cannot assign"):
            anybody.connect(other.getsockname())


def limited_to(port: int) -> socket.socket:
    """A socket for which this is the only one of any port."""
    made = socket.socket()
    try:
        made.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, struct.pack("=I", port << 16 | port))
    except OSError:
        made.close()
        pytest.skip("this system has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    return made


def test_a_port_in_use_is_named_with_the_setting_to_change() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"tts: cannot listen on 127\.0\.0\.1:{port} .* set TTS_PORT"):
            addresses.require_free("tts", "127.0.0.1", port, "PORT")


@pytest.mark.parametrize(("host", "place"), [("::1", r"\[::1\]"), ("::", r"\[::\]")])
@needs_ipv6
def test_a_port_in_use_is_seen_on_ipv6_too(host: str, place: str) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"tts: cannot listen on {place}:{port} "):
            addresses.require_free("tts", host, port, "PORT")
    addresses.require_free("tts", host, port, "PORT")


def test_an_address_of_another_machine_is_said_to_be_one() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1:6000 .*set TTS_HOST to an address of this machine"):
        addresses.require_free("tts", "192.0.2.1", 6000, "PORT")
    with pytest.raises(CannotStart, match=r"TTS_HOST='no-such-host\.invalid' cannot be used"):
        addresses.require_free("tts", "no-such-host.invalid", 6000, "PORT")


def test_all_that_can_be_started_together_have_ports_of_their_own() -> None:
    names = (*addresses.NAMES, *addresses.MORE_NAMES)
    addresses.require_different({name: addresses.settings_of(name, {}) for name in names})


def test_two_servers_do_not_share_a_port() -> None:
    env = {"ASR_PORT": "6000", "TTS_METRICS_PORT": "6000"}
    settings = {name: addresses.settings_of(name, env) for name in ("asr", "tts")}
    with pytest.raises(CannotStart, match="TTS_METRICS_PORT='6000' cannot be used: ASR_PORT is the same"):
        addresses.require_different(settings)
    elsewhere = {name: addresses.settings_of(name, env | {"TTS_HOST": "127.0.0.2"}) for name in ("asr", "tts")}
    addresses.require_different(elsewhere)


def test_what_supervisor_is_told_has_no_path_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read back by its own parser, in a folder with all that it could misread."""
    run = tmp_path / "100% ;#'\" %(here)s"
    (run / "logs").mkdir(parents=True)
    (run / "supervisord.conf").write_text(supervision.configuration(["asr", "tts"]))
    monkeypatch.chdir(run)
    options = ServerOptions()
    options.realize(["--configuration", str(run / "supervisord.conf")])
    assert options.logfile == str(run / "logs" / "supervisord.log")
    (server,) = options.server_configs
    assert server["file"] == str(run / "supervisor.sock")
    programs = [program for group in options.process_group_configs for program in group.process_configs]
    assert {program.name: program.stdout_logfile for program in programs} == {"asr": "logs/asr.log", "tts": "logs/tts.log"}
    root, python = tmp_path / "it's $HOME", tmp_path / 'my "python"'
    root.mkdir()
    python.write_text('#!/bin/sh\npwd\necho "$@"\n')
    python.chmod(0o755)
    places = {"SUPERVISED_ROOT": str(root), "SUPERVISED_PYTHON": str(python)}
    said = subprocess.run(shlex.split(programs[0].command), env=places, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [str(root), f"-m services.{programs[0].name}"]


@pytest.mark.parametrize("folder", ["short", "100 % and ; " + "long " * 40])
def test_the_path_of_a_socket_is_short(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))
    run = supervision.run_folder()
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(str(run / "supervisor.sock.4194304"))
    shutil.rmtree(run)
    assert list((tmp_path / folder).iterdir()) == []


def test_without_a_short_folder_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long " * 40)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr(supervision, "_SHORT", ())
    with pytest.raises(CannotStart, match=r"too long for the path of a socket.*set TMPDIR to a shorter"):
        supervision.run_folder()


def test_names_that_only_look_like_settings_are_told() -> None:
    assert unread([], ["ASR_ENGIN"]) == ["ASR_ENGIN in .env is read by nothing; did you mean ASR_ENGINE?"]
    assert unread([], ["LLM_PROVIDER"]) == ["LLM_PROVIDER in .env is read by nothing"]
    assert unread(["LLM_PROVIDER", "PATH", "GATEWAY_INTERFACE"], ["HF_TOKEN"]) == []
    assert unread(["VIVANT_MODEL_DIR"], []) == [
        "VIVANT_MODEL_DIR in the environment is read by nothing; did you mean VIVANT_MODELS_DIR?"
    ]
    known = [variable for _, settings in settings_classes() for variable, _, _ in fields(settings)]
    assert unread([*known, "VIVANT_ADDRESS"], known) == []
    assert unread([], ["VIVANT_ADDRESS"]) == [
        "VIVANT_ADDRESS in .env is read by nothing: the command line reads the environment alone"
    ]


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

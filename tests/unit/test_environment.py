"""`.env` and the environment: one reading, with the rules that people expect of such a file."""

import os
from pathlib import Path

import pytest

import environment
from environment import WrongSetting


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"ASR_PORT=6000\n", "6000"),
        (b"ASR_PORT=6000", "6000"),
        (b"export ASR_PORT=6000\n", "6000"),
        (b'ASR_PORT="6000"\n', "6000"),
        (b"ASR_PORT='6000'   # mine\n", "6000"),
        (b"ASR_PORT = 6000 # mine\n", "6000"),
        (b"# first\r\nASR_PORT=6000\r\nASR_HOST=::1\r\n", "6000"),
        (b"\xef\xbb\xbfASR_PORT=6000\n", "6000"),
        (b"ASR_PORT=5\nASR_PORT=6000\n", "6000"),
        (b"BASE=60\nASR_PORT=${BASE}00\n", "6000"),
        (b"ASR_PORT=\n", None),
        (b"ASR_PORT=''\n", None),
        (b"ASR_PORT\n", None),
        (b"#ASR_PORT=6000\n", None),
        (b"", None),
    ],
)
def test_a_line_is_read_as_it_is_meant(tmp_path: Path, content: bytes, value: str | None) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert environment.written(tmp_path).get("ASR_PORT") == value


def test_the_environment_outweighs_the_file_unless_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ASR_PORT=1\nTTS_PORT=2\nLLM_PORT=3\n")
    monkeypatch.setenv("ASR_PORT", "10")
    monkeypatch.setenv("TTS_PORT", "")
    monkeypatch.delenv("LLM_PORT", raising=False)
    found = environment.read(tmp_path)
    assert (found["ASR_PORT"], found["TTS_PORT"], found["LLM_PORT"]) == ("10", "2", "3")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"ASR_PORT=1\nASR_PORT: 6000\n", r"\.env, line 2: 'ASR_PORT: 6000' cannot be used: expected NAME=value"),
        (b"just a sentence\n", r"\.env, line 1: 'just a sentence' cannot be used: expected NAME=value"),
        (b"LLM_OPENAI_API_KEY='secret\n", r"\.env, line 1: 'LLM_OPENAI_API_KEY=\.\.\.' cannot be used: expected NAME=value"),
        ("ASR_PORT=1\n".encode("utf-16"), r"\.env cannot be read: it is not UTF-8 text"),
        ("ASR_PORT=1\n".encode("utf-16-le"), r"\.env cannot be read: it is not UTF-8 text"),
        (b"NAME=caf\xe9\n", r"\.env cannot be read: it is not UTF-8 text"),
    ],
)
def test_what_is_not_such_a_file_is_refused_with_the_place(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(WrongSetting, match=complaint):
        environment.read(tmp_path)


def test_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(WrongSetting, match=r"\.env cannot be read: Is a directory"):
        environment.read(tmp_path)


def test_paths_are_located_as_they_are_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert environment.located("~/models") == tmp_path / "models"
    assert environment.located("$HOME/models") == environment.located("${HOME}/models") == tmp_path / "models"
    assert environment.located("models dir/100%") == environment.ROOT / "models dir" / "100%"
    assert environment.located(tmp_path / "$UNKNOWN_NAME") == tmp_path / "$UNKNOWN_NAME"
    with pytest.raises(ValueError, match="write the whole path"):
        environment.located("~nobody-of-this-name/models")


def test_without_a_home_the_models_folder_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(WrongSetting, match=r"VIVANT_MODELS_DIR='~/\.cache/vivant/models' cannot be used: no home"):
        environment.models_dir({})

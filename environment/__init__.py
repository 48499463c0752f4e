"""Where settings come from: `.env` in the repository, outweighed by the environment of the process. One reading for all.

The services, the fetcher of models and the tools around them all read here, so that they find the same files. An empty value is
the same as none. A path may begin with ~ or contain $VARIABLES; a relative one is taken from the repository.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
#: Where model files are unless VIVANT_MODELS_DIR says otherwise.
MODELS_DIR: Final = Path("~/.cache/vivant/models")


class WrongSetting(Exception):
    """A setting cannot be used; the message is one line with its name, its value and the rule. Programs end with status 2."""

    @classmethod
    def of(cls, name: str, value: object, rule: str) -> WrongSetting:
        """`NAME='value' cannot be used: rule`."""
        return cls(f"{name}={value!r} cannot be used: {rule}")


def read(root: Path = ROOT) -> dict[str, str]:
    """The environment of this process and, for what is not set or empty there, `.env`. Raises WrongSetting."""
    given = dict(os.environ)
    return given | {name: value for name, value in written(root).items() if not given.get(name)}


def written(root: Path = ROOT) -> dict[str, str]:
    """What `.env` says; nothing when there is none. Raises WrongSetting when it is not what it should be."""
    file = root / ".env"
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        text = "\0"
    except OSError as exc:
        raise WrongSetting(f"{file} cannot be read: {exc.strerror}") from exc
    if "\0" in text:
        raise WrongSetting(f"{file} cannot be read: it is not UTF-8 text; save it as UTF-8")
    return _parsed(file, text)


def located(path: str | Path) -> Path:
    """The absolute path that somebody means; raises ValueError with the rule. Links are left as they are."""
    try:
        return ROOT / Path(os.path.expandvars(path) if isinstance(path, str) else path).expanduser()
    except RuntimeError as exc:
        raise ValueError("no home folder is known for ~; write the whole path") from exc


def models_dir(values: Mapping[str, str]) -> Path:
    """The folder of the model files, as the services find it too; raises WrongSetting."""
    wished = values.get("VIVANT_MODELS_DIR") or str(MODELS_DIR)
    try:
        return located(wished)
    except ValueError as exc:
        raise WrongSetting.of("VIVANT_MODELS_DIR", wished, str(exc)) from exc


def spare_this_machine() -> None:
    """Tells other people's libraries, which heed `no_proxy`, that no proxy leads to this machine."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "localhost", "127.0.0.1", "::1")))


def _parsed(file: Path, text: str) -> dict[str, str]:
    # Where there is no .env, as in the image that fetches models, this package is not needed.
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            # Without the value, which may be a secret.
            name, equals, _ = binding.original.string.strip().partition("=")
            line = f"{name}{equals}..." if equals else name
            raise WrongSetting(f"{file}, line {binding.original.line}: {line!r} cannot be used: expected NAME=value")
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value}

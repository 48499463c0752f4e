"""Renders `.env.example` from the settings classes of all services: `python -m deploy.env_example [--check]`."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.common.settings import Frozen, SharedSettings

ROOT: Final = Path(__file__).parent.parent
TARGET: Final = ROOT / ".env.example"
_WIDTH: Final = 110
_HEAD: Final = """\
# All settings of Vivant with their defaults, rendered from the settings classes (make env-example).
# Copy this file to .env and take the # away from what you change. `make up`, `docker compose` and everything else here read
# .env; a variable of the environment outweighs it, and an empty value is the same as none. Lists are written one,two or as
# JSON: ["one", "two"]. Paths may begin with ~; relative ones are taken from the repository.
"""


def settings_classes() -> Iterator[tuple[str, type[Frozen]]]:
    """Every settings class that reads variables of its own, under the name of its service."""
    for path in sorted(ROOT.glob("services/*/settings.py")):
        module = importlib.import_module(f"services.{path.parent.name}.settings")
        for _, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__ and issubclass(found, Frozen) and found.model_config.get("env_prefix"):
                yield path.parent.name, found


def fields(settings: type[Frozen]) -> Iterator[tuple[str, FieldInfo, str]]:
    """Variable, field and description of each setting; raises LookupError for one that nobody has described."""
    for name, field in settings.model_fields.items():
        # A subclass that only changes a default inherits the description.
        bases = [base for base in settings.__mro__ if issubclass(base, Frozen) and name in base.model_fields]
        description = next((text for base in bases if (text := base.model_fields[name].description)), None)
        if description is None:
            raise LookupError(f"{settings.__name__}.{name} has no docstring under it")
        yield settings.variable(name), field, description


def render() -> str:
    """The whole file."""
    lines = [_HEAD]
    for service, settings in sorted(settings_classes(), key=lambda found: _order(*found)):
        prefix = settings.model_config.get("env_prefix", "")
        heading = "all services" if settings is SharedSettings else service
        lines.append(f"# --- {heading}: {prefix}* ---\n")
        for variable, field, description in fields(settings):
            choices = _choices(field)
            text = f"{description} One of: {choices}." if choices else description
            lines += textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"#{variable}={_default(field)}\n")
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Writes the file, or with --check says whether it is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m deploy.env_example", description="Render .env.example.")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 when the file is out of date")
    checking = parser.parse_args(arguments).check
    text = render()
    if not checking:
        TARGET.write_text(text, "utf-8")
        print(f"{TARGET.name} is written.")
    elif not TARGET.exists() or TARGET.read_text("utf-8") != text:
        print(f"{TARGET.name} does not match the settings classes; run: make env-example", file=sys.stderr)
        return 1
    return 0


def _order(service: str, settings: type[Frozen]) -> tuple[bool, str, bool, str]:
    """The shared ones first, then by service, each service before its engines."""
    return settings is not SharedSettings, service, "port" not in settings.model_fields, settings.__name__


def _choices(field: FieldInfo) -> str:
    if get_origin(field.annotation) is not Literal:
        return ""
    return ", ".join(str(choice) for choice in get_args(field.annotation))


def _default(field: FieldInfo) -> str:
    """The default as it is written in an environment variable; empty where there is none."""
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list | dict):
        return json.dumps(value)
    return str(value)


if __name__ == "__main__":
    sys.exit(main())

"""Consent to use what is a person's own: nobody's face or voice is taken without an entry in the persona's `consent.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from services.common.texts import read_text
from vivant.errors import NotFound, Unusable


def require(folder: Path, what: str, rule: str) -> None:
    """Raises NotFound without such a persona, Unusable without consent to use its `what`, or when it was withdrawn.

    `rule` is what does not happen without it: "nobody's picture is animated without consent".
    """
    if not folder.is_dir():
        raise NotFound(f"there is no persona {folder.name!r}: no folder {folder}", reason="unknown_persona")
    entry = f'[[consent]] with what = "{what}", by = (who agreed), date = (when)'
    example = f"{entry} and basis = (what was agreed, and where the proof is)"
    path = folder / "consent.toml"
    if not path.is_file():
        raise Unusable(f"{folder.name!r} has no consent.toml, and {rule}; write one with {example}", reason="no_consent")
    try:
        entries = tomllib.loads(read_text(path, "no_consent")).get("consent", [])
    except tomllib.TOMLDecodeError as exc:
        raise Unusable(f"{path} cannot be read: {exc}", reason="no_consent") from exc
    listed = entries if isinstance(entries, list) else []
    given = [entry for entry in listed if isinstance(entry, dict) and entry.get("what") == what]
    if not given:
        raise Unusable(f"{path} does not mention the {what}; add {example}", reason="no_consent")
    if any(entry.get("withdrawn") for entry in given):
        raise Unusable(f"{path} says that consent to the {what} was withdrawn", reason="no_consent")

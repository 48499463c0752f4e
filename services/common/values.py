"""What somebody means who writes a value into an environment: lists, paths, and words in any case."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator

from environment import located


def meant(annotation: Any, value: Any) -> Any:
    """`value` for a field of this type: text made into what the type needs, anything else as it is. Raises ValueError."""
    kinds = _kinds(annotation)
    if Path in kinds and isinstance(value, str | Path):
        return located(value)
    if not isinstance(value, str):
        return value
    if any(get_origin(kind) is tuple for kind in kinds):
        return listed(value)
    if any(get_origin(kind) is dict for kind in kinds):
        return mapped(value)
    for kind in kinds:
        if get_origin(kind) is Literal:
            words = {str(word).casefold(): word for word in get_args(kind)}
            return words.get(value.strip().casefold(), value)
    return value.strip() if kinds & {int, float, bool} else value


def listed(text: str) -> list[Any]:
    """A list written as JSON, or as items with commas between them; raises ValueError."""
    if not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    try:
        items = json.loads(text)
    except ValueError as exc:
        raise ValueError('expected a list: one, two or ["one", "two"]') from exc
    assert isinstance(items, list)
    return items


def mapped(text: str) -> dict[str, Any]:
    """An object of JSON; raises ValueError."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError('expected an object of JSON: {"name": "value"}')
    return found


def like(pattern: str, rule: str) -> AfterValidator:
    """Holds a text to a pattern, and says the rule when it does not fit."""

    def held(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(rule)
        return text

    return AfterValidator(held)


def _kinds(annotation: Any) -> set[Any]:
    return set(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else {annotation}

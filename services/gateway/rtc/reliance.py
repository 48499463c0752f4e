"""Finds out as soon as it is imported whether aiortc and aioice still have the private parts that are used here."""

from __future__ import annotations

from types import ModuleType


def require(owner: type | ModuleType, *names: str) -> None:
    """Raises ImportError unless `owner` has each of `names`, or gives it to what is made of it."""
    given = _mentioned(owner, "__init__")
    _refuse(owner.__name__, [name for name in names if not hasattr(owner, name) and name not in given])


def require_use(owner: type, method: str, *names: str) -> None:
    """Raises ImportError unless the code of `owner`'s `method` uses each of `names`."""
    _refuse(f"{owner.__name__}.{method}", sorted(set(names) - _mentioned(owner, method)))


def _mentioned(owner: type | ModuleType, method: str) -> set[str]:
    code = getattr(getattr(owner, method, None), "__code__", None)
    return set(code.co_names) if code else set()


def _refuse(where: str, missing: list[str]) -> None:
    if missing:
        raise ImportError(f"{where} has changed: {', '.join(missing)} is gone; the gateway needs the version of its lock")

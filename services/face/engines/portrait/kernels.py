"""How the loops over pixels are compiled: one core, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compiles `function` with numba on its first call; the result is kept beside the source (or in NUMBA_CACHE_DIR)."""
    options: dict[str, Any] = {"fastmath": True, "nogil": True, "boundscheck": False, "error_model": "numpy"}
    try:
        return cast(Function, numba.njit(cache=True, **options)(function))
    except RuntimeError as exc:
        if "cannot cache function" not in str(exc):
            raise
        # Neither the folder of the source nor a home can be written: it is compiled again at every start.
        return cast(Function, numba.njit(**options)(function))

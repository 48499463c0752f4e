"""How the loops over pixels are compiled: one core, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compiles `function` with numba on its first call; the result is kept beside the source (or in NUMBA_CACHE_DIR)."""
    return cast(Function, numba.njit(cache=True, fastmath=True, nogil=True, boundscheck=False, error_model="numpy")(function))

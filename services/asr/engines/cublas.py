"""cuBLAS from its package. CTranslate2 asks the system's loader for it by name, and that does not look into Python packages."""

from __future__ import annotations

import ctypes
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

_PACKAGE: Final = "nvidia-cublas-cu12"
#: In the order in which one needs the other.
_LIBRARIES: Final = ("libcublasLt.so.12", "libcublas.so.12")


def preload() -> None:
    """Loads what the package has, if it is installed (requirements/cuda.txt): from then on the loader knows it by name.

    Without it the system's own is used, or CTranslate2 says what it misses. Raises OSError when a library is damaged.
    """
    try:
        package = distribution(_PACKAGE)
    except PackageNotFoundError:
        return
    for library in _LIBRARIES:
        ctypes.CDLL(str(package.locate_file(f"nvidia/cublas/lib/{library}")), ctypes.RTLD_GLOBAL)

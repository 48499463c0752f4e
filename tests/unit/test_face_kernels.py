"""Compiling where nothing can be kept."""

import pytest
from numba.core.caching import CacheImpl

from services.face.engines.portrait.kernels import kernel


def twice(number: float) -> float:
    return 2 * number


def test_without_a_folder_to_keep_it_in_a_kernel_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for somebody who owns neither the repository nor a home."""
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert kernel(twice)(21.0) == 42.0

"""The one error of this package."""

from __future__ import annotations


class FetchError(Exception):
    """A model file could not be had. The message says which one, why, and what to do."""

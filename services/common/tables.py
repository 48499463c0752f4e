"""Small tables written as lines of text."""

from __future__ import annotations


def words(text: str) -> list[str]:
    """The words of a line."""
    return text.split()


def word_set(text: str) -> frozenset[str]:
    """The same, to look words up in."""
    return frozenset(text.split())


def pairs(text: str) -> dict[str, str]:
    """ "a Alpha, b Beta gamma" as a mapping."""
    return {key: value for key, _, value in (entry.strip().partition(" ") for entry in text.split(","))}

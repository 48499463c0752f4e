"""Who reads which language. Another reader of a language takes the place of the one that is named here."""

from __future__ import annotations

from functools import cache
from typing import Final

from services.common.reading.by_lists import ListReader
from services.common.reading.lists import lists
from services.common.reading.reading import LIKELY, Reader

#: BCP 47, without a region.
LANGUAGES: Final = ("en",)


def reader(language: str) -> Reader | None:
    """The reader of a BCP 47 language, "en-GB" too; None: nobody reads it."""
    primary = language.split("-", maxsplit=1)[0].lower()
    return _by_lists(primary) if primary in LANGUAGES else None


def english() -> Reader:
    """For what is in English whatever is spoken: weights that were fitted on English words, a story that is written in it."""
    return _by_lists("en")


def asks(text: str) -> bool:
    """Whether English words ask something of somebody who talks; a command may be for anybody who is there."""
    reading = english().read(text)
    return min(reading.asks, reading.demands) >= LIKELY


@cache
def _by_lists(language: str) -> Reader:
    return ListReader(lists(language))

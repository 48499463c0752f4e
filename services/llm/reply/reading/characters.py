"""Characters as they may be passed on: no halves of a character, nothing that cannot be seen, one kind of line end."""

from __future__ import annotations

import re
from typing import Final

_INVISIBLE: Final = (
    *range(0x09),
    *range(0x0B, 0x0D),
    *range(0x0E, 0x20),
    *range(0x7F, 0x85),
    *range(0x86, 0xA0),
    0xAD,  # soft hyphen
    0x200B,
    *range(0x200E, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0x10000),  # among them what stands for bytes that are no character
    *range(0xE000, 0xF900),
)
_SPACES: Final = (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
_LINE_ENDS: Final = (0x85, 0x2028, 0x2029)
_TABLE: Final = (
    dict.fromkeys(_INVISIBLE) | dict.fromkeys(_SPACES, " ") | dict.fromkeys(_LINE_ENDS, "\n") | {0x0B: "\n", 0x0C: "\n"}
)
_HALVES: Final = re.compile(r"[\ud800-\udfff]")


def printable(text: str) -> str:
    """A text as it may be sent on and shown; for words that came from elsewhere."""
    return Characters().push(text + "\n").rstrip("\n")


class Characters:
    """Takes pieces of a text that was cut anywhere, gives them cleaned. The two halves of a character may come apart."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, text: str) -> str:
        if text.isascii() and text.isprintable() and not self._held:
            return text
        text, self._held = self._held + text, ""
        if text[-1:] == "\r" or "\ud800" <= text[-1:] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        if _HALVES.search(text):
            whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            text = _HALVES.sub("", whole)
        return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)

"""What can be typed and named: one rule for both sides of the wire. No I/O."""

from __future__ import annotations

import unicodedata
from typing import Final

from vivant.errors import InvalidRequest

MAX_TEXT_CHARACTERS: Final = 4000


def require_text(text: str) -> str:
    """What is said by typing `text`, without the space around it. Raises InvalidRequest with the rule that it breaks.

    At least one character can be seen, there are at most 4000, and all of them are Unicode.
    """
    text = text.strip()
    require_unicode("text", text)
    if all(map(_unseen, text)):
        raise InvalidRequest("there is nothing in this text; type at least one word", reason="empty_text")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidRequest(
            f"a text holds at most {MAX_TEXT_CHARACTERS} characters, this one has {len(text)}; say it in several",
            reason="text_too_long",
        )
    return text


def require_unicode(what: str, value: str) -> None:
    """Raises InvalidRequest (`bad_unicode`) for characters that no message can carry, or that end a text for many programs.

    Python makes a lone surrogate of a byte of the command line that is no UTF-8, and JSON can spell one.
    """
    for position, character in enumerate(value, start=1):
        if "\ud800" <= character <= "\udfff":
            raise InvalidRequest(
                f"{what}: character {position} is not Unicode (a byte that is no UTF-8, or half a surrogate pair)",
                reason="bad_unicode",
            )
        if character == "\0":
            raise InvalidRequest(f"{what}: character {position} is NUL, which no text holds", reason="bad_unicode")


def _unseen(character: str) -> bool:
    """Space, a control character, or one that only formats, such as a zero-width space."""
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")

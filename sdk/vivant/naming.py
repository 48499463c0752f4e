"""How a persona is called: by the name of its folder, the same on both sides of the wire."""

from __future__ import annotations

import re
from typing import Final

from vivant.errors import InvalidRequest

#: What names can be, for messages.
RULE: Final = (
    "a persona's folder has a name of 1 to 64 letters, digits, spaces, '.', '_' and '-' that begins with a letter or digit "
    "and does not end with a space or '.'"
)
_NAME: Final = re.compile(r"[^\W_](?:[\w .-]{0,62}[\w-])?")


def is_persona(name: str) -> bool:
    """Whether a persona can be called so. No such name leads out of the folder with the personas."""
    return _NAME.fullmatch(name) is not None


def require_persona(name: str) -> str:
    """`name`, when a persona can be called so; raises InvalidRequest with the rule."""
    if not is_persona(name):
        raise InvalidRequest(f"{name[:80]!r} is no persona: {RULE}", reason="invalid_persona")
    return name

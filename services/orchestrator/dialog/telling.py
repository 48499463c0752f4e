"""Whether somebody is telling something: who tells pauses after whole sentences, and wants a listener, not an answer.

From the words alone, as nothing in the sound of a finished sentence says that another one follows.
"""

from __future__ import annotations

import re
from typing import Final

#: So many words in one turn are no question and no remark any more.
_LONG: Final = 30
_OPENING: Final = re.compile(
    r"""\b(
        let \s me \s tell \s you
        | i (['’]ll | \s will | ['’]ve \s got \s to | \s (have|want|wanted|need) \s to | \s must) \s tell \s you
        | (guess|you['’]ll \s never \s guess|you \s won['’]t \s believe) \s what
        | (here['’]s|this \s is) \s what \s happened
        | (something|the) \s (funny|strange|odd|weird|funniest|strangest|oddest|weirdest) \s (thing \s)? happened
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


def telling(text: str) -> bool:
    """Whether the turn so far is a story that may go on; one that ends in a question is over."""
    if text.rstrip().endswith("?"):
        return False
    return bool(_OPENING.search(text)) or len(text.split()) >= _LONG

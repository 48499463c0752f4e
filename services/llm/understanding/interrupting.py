"""What people say to take the floor, and to give it back: "Hold on, ...", "Sorry, you were saying?"."""

from __future__ import annotations

import re
from typing import Final

_MOMENT: Final = r"(?:a|one|just a) (?:second|sec|moment|minute)"
#: Each of these asks for the floor and says nothing else.
_ASKING: Final = (
    rf"(?:no|nope|hey|oh|ah|um+|uh|but|well|ok|okay|alright|actually|please|yes|yeah|sorry|enough|hush|quiet|{_MOMENT})",
    rf"wait(?: {_MOMENT}| up)?",
    rf"(?:hold|hang) on(?: {_MOMENT})?",
    r"stop(?: there| it| right there)?",
    r"(?:i['’]m sorry|excuse me|pardon(?: me)?|that['’]s enough|sorry to interrupt(?: you)?|one (?:thing|question))",
    r"let me (?:say something|ask you|ask you something|interrupt|interrupt you|stop you|stop you there)",
    r"can i (?:say|ask|interrupt)(?: you)?(?: something)?",
)
_PREFACE: Final = re.compile(rf"^(?:(?:{'|'.join(_ASKING)})\b[\s,.!?…—-]*)+", re.IGNORECASE)
_GO_ON: Final = re.compile(
    r"\b(go on|go ahead|keep going|carry on|continue|you were saying|what were you saying"
    r"|(?:tell|give) (?:me|us) the rest|finish (?:your|the|that) (?:story|sentence|thought)|then what"
    r"|what (?:happened|came) (?:then|next)|i['’]m listening)\b|\bwhere (?:were (?:we|you)|was i)\W*$",
    re.IGNORECASE,
)
_MOST_GO_ON_WORDS: Final = 9


def asks_to_go_on(text: str) -> bool:
    """Whether somebody wants to hear the rest: "Sorry, you were saying?" """
    return len(text.split()) <= _MOST_GO_ON_WORDS and _GO_ON.search(text) is not None


def without_preface(text: str) -> str:
    """A text without what only asks for the floor: the question of "Hold on, where is that?", nothing of "No, wait."."""
    return _PREFACE.sub("", text).strip()

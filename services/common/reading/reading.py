"""What a reading of words is, and what reads: the words alone go in, probabilities come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

#: What is read is acted on from this probability on. A reader that knows no degrees says 0 or 1.
LIKELY: Final = 0.5


@dataclass(frozen=True)
class Reading:
    """Of what somebody has said so far; each value is 0 to 1."""

    asks: float = 0.0
    """The last sentence is a question or a request that sounds whole: an answer is awaited."""
    looks_for_words: float = 0.0
    """They end in what people say while the next word does not come, or are only what people say before more."""
    tells_a_story: float = 0.0
    """A story that may go on; one that ends in a question is over."""
    begins: float = 0.0
    """A single sentence, and a short one: the first of a turn is often only the beginning."""
    demands: float = 0.0
    """Somewhere in them something is asked of one who talks, whole or not: "tell me", but not "go forward"."""
    says_nothing: float = 0.0
    """No words, or those that recognition makes of a cough."""
    acknowledges: float = 0.0
    """Nothing but "mm-hm" or "oh, really": said over somebody's voice, it takes no floor."""
    wants_floor: float = 0.0
    """Said over somebody's voice, it takes the floor however short it is: "stop", "what?"."""


class Reader(Protocol):
    """Reads one language. Shared by all who read, and by threads."""

    def read(self, text: str) -> Reading:
        """Of all that was said in the turn so far, or of any part that is asked about."""

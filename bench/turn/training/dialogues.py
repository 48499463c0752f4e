"""What the reader is trained on: turns of meetings as they were spoken, and chats as somebody says them who thinks meanwhile.

Each turn becomes words without punctuation, what was said before it, and three kinds of labels for each of its words: whether
the turn is over there, what follows the word, and two things of the turn as a whole (see
`bench.turn.candidate.reader.OUTPUTS`).

Of the meetings, an end is where another goes on; a stop inside is where the transcript has punctuation, a hesitation or a
break. A turn that the same speaker continues has no label at its end, and is joined over little words of the others. Of the
chats, the end of a message is an end; the pauses that `texts.hesitating` puts into every second one are stops. What else is
the end of a sentence in them has no label: people write on where they would stop to speak.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.turn.candidate.reader import BEFORE_WORDS, FOLLOWING, NUMBER
from bench.turn.training.texts import contributions, hesitating, spoken
from services.common.reading.readers import english
from services.common.reading.reading import LIKELY

#: Labels of the end: not known, certainly inside, a stop inside, an end, and an end that is not measured: an answer like
#: "yeah".
UNKNOWN: Final = -1
INSIDE: Final = -2
STOP: Final = 0
END: Final = 1
SHORT_ANSWER: Final = 2
#: Words that acknowledge; turns of one or two of them are not measured.
ACKNOWLEDGING: Final = frozenset(
    ["mm", "mm-hmm", "mhm", "uh-huh", "yeah", "okay", "ok", "yep", "right", "hmm", "yes", "mmm", "oh", "huh", "sure"]
)
_LONGEST_ACKNOWLEDGEMENT: Final = 2
#: What the transcripts of the meetings write for a hesitation, and what is said for one in the chats.
_HESITATION: Final = ("um", "uh")
_FILLED: Final = frozenset(["um", "uh", "er", "erm", "hmm", "hm"])
#: A turn of so many words or more is a story.
_STORY: Final = 30
_LONGEST_MESSAGE: Final = 60
#: Every second message is said with hesitations.
_HESITATING: Final = 0.5
#: So many texts of the made turns are left out: the weights of the hazard are fitted on them.
_MADE: Final = 1_000
_MADE_SEED: Final = 1
#: So often numbers are written in digits.
_NUMBERED: Final = 0.3
_NUMBERS: Final = frozenset(
    (
        *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        *("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand"),
    )
)
_TOKEN: Final = re.compile(r"<[a-z]+>|[a-z]+(?:['’-][a-z]+)*|\d+|[,.?!]|\.\.\.")
_MARKS: Final = {",": "comma", ".": "full_stop", "!": "full_stop", "?": "question_mark", "...": "break",
                 "<disfmarker>": "break", "<p>": "another_voice"}  # fmt: skip


@dataclass
class Turn:
    """One turn; labels are one for each word."""

    before: list[str]
    """The end of what the other said."""
    asked: bool
    """It was a question."""
    words: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    following: list[int] = field(default_factory=list)
    """Places in `FOLLOWING`."""
    asks: list[int] = field(default_factory=list)
    """The sentence up to here asks, or asks for, something: 1, 0, or -1 where nobody stops."""
    acknowledges: bool = False

    @property
    def tells_a_story(self) -> bool:
        return len(self.words) >= _STORY

    def say(self, word: str, end: int, *, hesitation: bool) -> None:
        """One more word."""
        self.words.append(word)
        self.ends.append(end)
        self.following.append(FOLLOWING.index("hesitation" if hesitation else "nothing"))


def meetings(file: Path) -> Iterator[list[Turn]]:
    """Of each meeting of `spoken_*.jsonl.gz` the turns, in order."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            turns = _joined([(who, _TOKEN.findall(text.lower())) for who, text in json.loads(line)["turns"]])
            yield [_with_asks(turn) for turn in _of_meeting(turns)]


def messages(folder: Path, count: int) -> list[Turn]:
    """So many messages of the chats, drawn at random from conversations that no test uses."""
    taken = set(spoken(folder, "train", _MADE, _MADE_SEED))
    rng = np.random.default_rng(7)
    pool = [
        (before, text)
        for before, text in contributions(folder, "train")
        if text and text not in taken and len(text.split()) < _LONGEST_MESSAGE
    ]
    random.Random(5).shuffle(pool)
    return [_of_message(before, text, rng) for before, text in pool[:count]]


def cleaned(turn: Turn) -> Turn:
    """As a recogniser may write it: without hesitations and repetitions; what they said of the words before stays."""
    kept = Turn(turn.before, turn.asked, acknowledges=turn.acknowledges)
    numbers = random.random() < _NUMBERED
    for at, (word, end, following) in enumerate(zip(turn.words, turn.ends, turn.following, strict=True)):
        again = at + 1 < len(turn.words) and word == turn.words[at + 1] and end < END
        if at + 1 < len(turn.words) and (word in _HESITATION or again):
            if word in _HESITATION and kept.words:
                kept.ends[-1] = max(kept.ends[-1], STOP)
                if kept.following[-1] == FOLLOWING.index("nothing"):
                    kept.following[-1] = FOLLOWING.index("hesitation")
            continue
        kept.words.append(NUMBER if numbers and word in _NUMBERS else word)
        kept.ends.append(end)
        kept.following.append(following)
        kept.asks.append(turn.asks[at])
    return kept


def _joined(turns: Sequence[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Turns that go on after a little word of somebody else are one, with "<p>" where it was."""
    merged: list[tuple[str, list[str]]] = []
    at = 0
    while at < len(turns):
        who, tokens = turns[at]
        while at + 2 < len(turns) and turns[at + 2][0] == who != turns[at + 1][0] and _acknowledges(_words(turns[at + 1][1])):
            tokens = [*tokens, "<p>", *turns[at + 2][1]]
            at += 2
        merged.append((who, tokens))
        at += 1
    return merged


def _of_meeting(turns: Sequence[tuple[str, list[str]]]) -> Iterator[Turn]:
    before: list[str] = []
    for at, (who, tokens) in enumerate(turns):
        asked = at > 0 and "?" in turns[at - 1][1][-3:]
        turn = Turn(before[-BEFORE_WORDS:], asked)
        for token in tokens:
            if token[0].isalnum():
                hesitation = token in _HESITATION
                if hesitation and turn.words:
                    turn.ends[-1] = STOP
                    if turn.following[-1] == FOLLOWING.index("nothing"):
                        turn.following[-1] = FOLLOWING.index("hesitation")
                turn.say(_word(token), STOP if hesitation and turn.words else INSIDE, hesitation=hesitation)
            elif turn.words:
                turn.ends[-1] = STOP
                if token in _MARKS and (token == "<p>" or turn.words[-1] not in _HESITATION):
                    turn.following[-1] = FOLLOWING.index(_MARKS[token])
        if not turn.words:
            continue
        before = turn.words
        goes_on = at + 1 < len(turns) and turns[at + 1][0] == who
        turn.acknowledges = _acknowledges(turn.words)
        if turn.acknowledges:
            turn.ends = [UNKNOWN] * len(turn.words)
            turn.ends[-1] = SHORT_ANSWER if asked and not goes_on else UNKNOWN
        elif goes_on:
            turn.ends[-1] = UNKNOWN
        else:
            turn.ends[-1] = STOP if tokens[-1] == "<disfmarker>" else END
        yield turn


def _of_message(before: str, text: str, rng: np.random.Generator) -> Turn:
    turn = Turn(_words(_TOKEN.findall(before.lower()))[-BEFORE_WORDS:], before.rstrip().endswith("?"))
    pieces = hesitating(text, rng) if rng.random() < _HESITATING else []
    for said, kind in [(piece.text, piece.kind) for piece in pieces] or [(text, "")]:
        for token in _TOKEN.findall(said.lower()):
            if token[0].isalnum():
                turn.say(_word(token), STOP if token in _FILLED else INSIDE, hesitation=token in _FILLED)
            elif turn.words and token in ",.?!":
                turn.ends[-1] = STOP if token == "," else UNKNOWN
                if turn.words[-1] not in _FILLED:
                    turn.following[-1] = FOLLOWING.index(_MARKS[token])
        if kind:
            turn.ends[-1] = STOP
            if kind != "sentence":
                turn.following[-1] = FOLLOWING.index("break" if kind == "restart" else "hesitation")
    turn.ends[-1] = END
    return _with_asks(turn)


def _with_asks(turn: Turn) -> Turn:
    """What asks is told by question marks, and by the dialog manager's rules, which know it by the words, requests too."""
    sentence: list[str] = []
    for at, (word, following) in enumerate(zip(turn.words, turn.following, strict=True)):
        sentence.append(word)
        mark = FOLLOWING[following]
        if mark in ("hesitation", "break"):
            turn.asks.append(0)
        elif mark == "nothing" and at + 1 < len(turn.words):
            turn.asks.append(-1)
        else:
            said = " ".join(sentence) + ("?" if mark == "question_mark" else "")
            turn.asks.append(int(english().read(said).asks >= LIKELY))
        if mark in ("full_stop", "question_mark"):
            sentence = []
    return turn


def _acknowledges(words: Sequence[str]) -> bool:
    return len(words) <= _LONGEST_ACKNOWLEDGEMENT and ACKNOWLEDGING.issuperset(words)


def _words(tokens: Sequence[str]) -> list[str]:
    return [_word(token) for token in tokens if token[0].isalnum()]


def _word(token: str) -> str:
    return NUMBER if token.isdigit() else token.replace("’", "'")


def vocabulary_counts(turns: Sequence[Turn]) -> dict[str, int]:
    """How often each word is said."""
    counts: dict[str, Any] = {}
    for turn in turns:
        for word in turn.words:
            counts[word] = counts.get(word, 0) + 1
    return counts

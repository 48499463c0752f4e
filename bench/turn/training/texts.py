"""What is said in the made turns: messages of people chatting, and where somebody who speaks them would hesitate.

The messages are those of the Chit-Chat challenge (PyPI `chitchat-dataset`, MIT). Conversations are dealt out to training and
test by their name, so that no text is in both.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

Split = Literal["train", "test"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9 ,.!?'-]+")
#: Marks that stand alone, and drawn-out spelling.
_ODD: Final = re.compile(r"(^| )[.,!?'-]|([a-zA-Z])\2\2")
_LONGEST_WORDS: Final = 24
_SHORTEST_WORDS: Final = 3
_TEST_SHARE: Final = 0.2


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CONJUNCTIONS: Final = _set("and but because so that when if or which who where while then since although")
_FUNCTION_WORDS: Final = _set(
    "the a an to of in on at for with my your his her our their is was are were and but or so because that this "
    "i we they it i'm it's have has had can would about from very really just"
)
_FILLERS: Final = ("um", "uh", "um", "uh", "er", "well", "like", "you know", "I mean", "let me see", "hmm")
_LINKING: Final = ("and so", "and", "so", "but", "because", "and then")


#: People who type leave out apostrophes.
_TYPED: Final = {
    "i": "I", "im": "I'm", "ive": "I've", "id": "I'd", "dont": "don't", "doesnt": "doesn't", "didnt": "didn't", "cant": "can't",
    "wont": "won't", "isnt": "isn't", "wasnt": "wasn't", "whats": "what's", "thats": "that's", "youre": "you're", "u": "you",
    "couldnt": "couldn't", "wouldnt": "wouldn't", "havent": "haven't", "theres": "there's", "lets": "let's", "hes": "he's",
    "shes": "she's", "theyre": "they're", "ur": "your", "ya": "you", "gonna": "going to", "wanna": "want to",
}  # fmt: skip
_NOT_SAID: Final = _set(
    "lol haha hahaha hehe omg idk btw lmao tbh ok ha md fuck shit sex sexy porn ass bitch damn hell crap stupid"
)


@dataclass(frozen=True)
class Piece:
    """Words said in one go."""

    text: str
    pause_s: float
    """Silence after them; 0 at the end of the turn."""
    drawn: float = 1.0
    """How much longer the last sound is held."""
    kind: str = ""
    """Why the speaker pauses: "sentence", "clause", "word", "restart"."""


def messages(folder: Path, split: Split) -> Iterator[str]:
    """Every contribution of the conversations of one split that can be said as it is written, in a fixed order.

    What one person wrote in several lines before the other answered is one contribution.
    """
    return (said for _, said in contributions(folder, split) if said)


def contributions(folder: Path, split: Split) -> Iterator[tuple[str, str]]:
    """The same, each with what the other wrote before it; empty where it cannot be said as it is written."""
    conversations: dict[str, Any] = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    for name, conversation in sorted(conversations.items()):
        if (_share(name) < _TEST_SHARE) == (split == "test"):
            before = ""
            for lines in conversation["messages"]:
                said = [_cleaned(line["text"]) for line in lines]
                yield before, " ".join(said) if said and all(said) else ""
                before = " ".join(line["text"] for line in lines)


def spoken(folder: Path, split: Split, count: int, seed: int, without: Collection[str] = ()) -> list[str]:
    """Messages of a length that somebody says in one turn, no two with the same beginning, drawn at random."""
    found: dict[str, str] = {}
    for text in messages(folder, split):
        words = text.split()
        if _SHORTEST_WORDS <= len(words) <= _LONGEST_WORDS and text not in without:
            found.setdefault(" ".join(words[:3]).lower(), text)
    texts = list(found.values())
    weights = np.array([min(12, len(text.split())) for text in texts], float)
    chosen = np.random.default_rng(seed).choice(len(texts), count, replace=False, p=weights / weights.sum())
    return [texts[index] for index in chosen]


def hesitating(text: str, rng: np.random.Generator) -> list[Piece]:
    """The text as somebody says it who thinks while speaking: up to three pauses, where people make them.

    Lengths are log-normal with a median of 0.7 s inside and 0.5 s between sentences, kept within 0.3 to 2.5 s.
    """
    words = text.split()
    sites = _sites(words, rng)
    pieces: list[Piece] = []
    begin, before = 0, ""
    for at, kind in sites:
        said = " ".join([before, *words[begin:at]]).strip()
        pause_s = _length(0.5 if kind == "sentence" else 0.7, rng)
        piece, before = _broken(said, kind, pause_s, rng)
        if kind == "restart":
            before = " ".join(words[max(begin, at - 2) : at])
        pieces.append(piece)
        begin = at
    return [*pieces, Piece(" ".join([before, *words[begin:]]).strip(), 0.0)]


def _broken(said: str, kind: str, pause_s: float, rng: np.random.Generator) -> tuple[Piece, str]:
    """The words before a pause, and what is said right after it."""
    drawn = float(rng.uniform(1.2, 1.9)) if rng.random() < 0.5 else 1.0
    bare = said.rstrip(",")
    if kind == "sentence":
        return Piece(said, pause_s, 1.0, kind), str(rng.choice(["", "", "", "And", "So", "Um,"]))
    if kind == "restart":
        return Piece(bare + "—", pause_s, 1.0, kind), ""
    filler = str(rng.choice(_LINKING if kind == "clause" and rng.random() < 0.3 else _FILLERS))
    match rng.choice(["after", "before", "none"], p=[0.4, 0.2, 0.4]):
        case "after":
            return Piece(f"{bare}, {filler}{rng.choice(['…', ',', ''])}", pause_s, drawn, kind), ""
        case "before":
            return Piece(said, pause_s, drawn, kind), f"{filler},"
        case _:
            return Piece(f"{bare}{rng.choice(['…', ',', '', ''])}", pause_s, drawn, kind), ""


def _sites(words: list[str], rng: np.random.Generator) -> list[tuple[int, str]]:
    """Where to pause, as numbers of words said before, and why."""
    weights: dict[int, tuple[float, str]] = {}
    for at in range(1, len(words)):
        word, following = words[at - 1], words[at].lower()
        if word[-1] in ".!?":
            weights[at] = (1.0, "sentence")
        elif at == 1:
            continue
        elif word[-1] == "," or following in _CONJUNCTIONS:
            weights[at] = (1.2, "clause")
        elif word.lower() in _FUNCTION_WORDS:
            weights[at] = (0.7, "word")
        elif at > 2:
            weights[at] = (0.15, "restart" if rng.random() < 0.6 else "word")
    kinds: dict[int, str] = {}
    wanted = int(rng.choice(4, p=[0.2, 0.4, 0.28, 0.12]))
    chosen: list[int] = []
    while len(chosen) < wanted and weights:
        places = list(weights)
        shares = np.array([weights[at][0] for at in places])
        at = int(rng.choice(places, p=shares / shares.sum()))
        chosen.append(at)
        kinds[at] = weights[at][1]
        weights = {other: value for other, value in weights.items() if abs(other - at) > 1}
    return [(at, kinds[at]) for at in sorted(chosen)]


def _length(median_s: float, rng: np.random.Generator) -> float:
    return float(np.clip(median_s * np.exp(0.55 * rng.standard_normal()), 0.3, 2.5))


def _cleaned(text: str) -> str:
    text = " ".join(text.replace("’", "'").split())
    if not text or not _PLAIN.fullmatch(text) or _ODD.search(text) or not any(letter.isalpha() for letter in text):
        return ""
    words = text.split()
    if not _NOT_SAID.isdisjoint(word.lower().strip(".,!?") for word in words):
        return ""
    text = " ".join(_TYPED.get(word.lower(), word) for word in words)
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else text.rstrip(",-") + "."


def _share(name: str) -> float:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32

"""Words as retrieval and grounding compare them: lower case, without endings, without the little words."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?")

STOP_WORDS: Final = frozenset(
    [
        "a",
        "about",
        "above",
        "after",
        "again",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "aren't",
        "as",
        "at",
        "be",
        "because",
        "been",
        "before",
        "being",
        "below",
        "between",
        "both",
        "but",
        "by",
        "can",
        "can't",
        "could",
        "couldn't",
        "did",
        "didn't",
        "do",
        "does",
        "doesn't",
        "doing",
        "don't",
        "down",
        "during",
        "each",
        "else",
        "ever",
        "few",
        "for",
        "from",
        "further",
        "get",
        "gets",
        "getting",
        "got",
        "had",
        "hadn't",
        "has",
        "hasn't",
        "have",
        "haven't",
        "having",
        "he",
        "he'd",
        "he'll",
        "he's",
        "her",
        "here",
        "hers",
        "herself",
        "him",
        "himself",
        "his",
        "how",
        "how's",
        "i",
        "i'd",
        "i'll",
        "i'm",
        "i've",
        "if",
        "in",
        "into",
        "is",
        "isn't",
        "it",
        "it'd",
        "it'll",
        "it's",
        "its",
        "itself",
        "just",
        "let's",
        "like",
        "me",
        "more",
        "most",
        "much",
        "my",
        "myself",
        "no",
        "nor",
        "not",
        "of",
        "off",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "ours",
        "ourselves",
        "out",
        "over",
        "own",
        "please",
        "quite",
        "really",
        "same",
        "say",
        "she",
        "she'd",
        "she'll",
        "she's",
        "should",
        "shouldn't",
        "so",
        "some",
        "such",
        "tell",
        "than",
        "that",
        "that's",
        "the",
        "their",
        "theirs",
        "them",
        "themselves",
        "then",
        "there",
        "there's",
        "these",
        "they",
        "they'd",
        "they'll",
        "they're",
        "they've",
        "thing",
        "things",
        "this",
        "those",
        "through",
        "to",
        "too",
        "under",
        "until",
        "up",
        "us",
        "very",
        "was",
        "wasn't",
        "we",
        "we'd",
        "we'll",
        "we're",
        "we've",
        "well",
        "were",
        "weren't",
        "what",
        "what's",
        "when",
        "when's",
        "where",
        "where's",
        "which",
        "while",
        "who",
        "who's",
        "whom",
        "whose",
        "why",
        "why's",
        "will",
        "with",
        "won't",
        "would",
        "wouldn't",
        "you",
        "you'd",
        "you'll",
        "you're",
        "you've",
        "your",
        "yours",
        "yourself",
        "yes",
        "yeah",
        "oh",
        "okay",
        "ok",
        "um",
        "uh",
        "er",
        "hm",
        "so",
    ]
)
_NUMBERS: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS: Final = dict(
    zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10), strict=True)
)
_ORDINALS: Final = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11,
    "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18,
    "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_SMALL: Final = {word: value for value, word in enumerate(_NUMBERS)} | _ORDINALS

#: Words that ask for or say the same in a life story.
_SAME: Final = {
    "mom": "mother", "mum": "mother", "mama": "mother", "dad": "father", "papa": "father", "kid": "child", "children": "child",
    "girls": "daughter", "boys": "son", "grandma": "grandmother", "granny": "grandmother", "grandpa": "grandfather",
    "hometown": "town", "home": "house", "job": "work", "occupation": "work", "profession": "work", "career": "work", "living": "work",
    "husband": "marry", "wife": "marry", "married": "marry", "marriage": "marry", "spouse": "marry", "wedding": "marry",
    "boyfriend": "love", "girlfriend": "love", "partner": "love", "born": "birth", "birthday": "birth", "died": "die", "dead": "die",
    "death": "die", "passed": "die", "favourite": "favorite", "film": "movie", "films": "movie", "automobile": "car", "puppy": "dog",
    "siblings": "sibling", "learnt": "learn", "taught": "teach", "bought": "buy", "grew": "grow", "went": "go", "made": "make",
    "met": "meet", "knit": "knit", "knitting": "knit", "afraid": "fear", "scared": "fear", "frightened": "fear",
}  # fmt: skip


def words(text: str) -> list[str]:
    """All words in lower case, with a plain apostrophe."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower().replace("’", "'"))]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without possessive, plural and tense, roughly: both sides of a comparison are cut alike."""
    word = word.removesuffix("'s")
    word = _SAME.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s"):
        if len(word) - len(ending) >= 3 and word.endswith(ending) and not word.endswith("ss"):
            word = word.removesuffix(ending)
            if ending in ("ing", "ed") and len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return _SAME.get(word, word.removesuffix("e") if len(word) > 3 else word)


def content(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def same_words(first: str, second: str) -> bool:
    """Whether two texts are the same but for case, punctuation and spaces."""
    return words(first) == words(second)


def numbers(text: str) -> set[int]:
    """The numbers in a text, in digits or words; "nineteen eighty-eight" is 1988, "two thousand nineteen" 2019."""
    found: set[int] = set()
    tokens = re.findall(r"[a-z]+|\d[\d,]*", text.lower())
    index = 0
    while index < len(tokens):
        value, used = _number(tokens[index:])
        if used:
            found.add(value)
        index += max(used, 1)
    return found


def _number(tokens: list[str]) -> tuple[int, int]:
    """The number at the start of `tokens` and how many of them it takes; (0, 0) when there is none."""
    if re.fullmatch(r"\d[\d,]*", tokens[0]):
        return int(tokens[0].replace(",", "")), 1
    total, used = _below_hundred(tokens)
    if not used:
        return 0, 0
    if 10 <= total <= 20 and used < len(tokens):
        # A year in two halves: nineteen eighty-eight.
        rest, more = _below_hundred(tokens[used:])
        if more and rest >= 10:
            return total * 100 + rest, used + more
    for name, factor in (("hundred", 100), ("thousand", 1000)):
        if used < len(tokens) and tokens[used] in (name, name + "s"):
            used += 1
            used += used + 1 < len(tokens) and tokens[used] == "and"
            rest, more = _number(tokens[used:]) if used < len(tokens) else (0, 0)
            return total * factor + (rest if rest < factor else 0), used + (more if rest < factor else 0)
    return total, used


def _below_hundred(tokens: list[str]) -> tuple[int, int]:
    if tokens[0] in _TENS:
        if len(tokens) > 1 and 0 < _SMALL.get(tokens[1], 0) < 10:
            return _TENS[tokens[0]] + _SMALL[tokens[1]], 2
        return _TENS[tokens[0]], 1
    if tokens[0] in _SMALL:
        return _SMALL[tokens[0]], 1
    return 0, 0

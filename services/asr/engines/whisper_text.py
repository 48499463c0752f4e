"""Whisper's tokens as words, and the signs that a decoding has run away."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

#: What the multilingual models were trained on, as they call it.
_LANGUAGES: Final = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk
te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo
ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su
"""
LANGUAGES: Final = tuple(_LANGUAGES.split())
#: Written without spaces between words: every character group is a word of its own.
_UNSPACED: Final = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
_REPLACEMENT: Final = "\ufffd"
_SPACE: Final = "\u0120"

_MAX_WORDS_PER_S: Final = 4.5
_MAX_COMPRESSION: Final = 1.9
_MIN_COMPRESSED_BYTES: Final = 40
#: Fewer are said twice by many: "I think, I think", "no, no".
_REPEATED_WORDS: Final = 4
_MARKS: Final = ".,!?…;:—-\"'"


@dataclass(frozen=True)
class TokenWord:
    """A word with the space before it, if it has one, and its tokens."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class TimedWord(TokenWord):
    """A word and where it was said, in columns: of the stretch from the decoder, of the stream in a session."""

    start: float
    end: float
    confidence: float


class Vocabulary:
    """The tokenizer of one Whisper model."""

    def __init__(self, path: Path, *, multilingual: bool) -> None:
        self._multilingual = multilingual
        self._tokenizer = Tokenizer.from_file(str(path))
        self.end_of_text = self._id("<|endoftext|>")
        self._transcribe = self._id("<|transcribe|>")
        self._start = self._id("<|startoftranscript|>")
        self._previous = self._id("<|startofprev|>")
        self._no_timestamps = self._id("<|notimestamps|>")

    def _id(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"the tokenizer has no token {token}")
        return int(number)

    def start(self, language: str, previous: Sequence[int] = ()) -> list[int]:
        """The tokens before the text, without the one that switches timestamps off; `previous` was said before this audio.

        English-only models want no language.
        """
        before = [self._previous, *previous] if previous else []
        if not self._multilingual:
            return [*before, self._start]
        return [*before, self._start, self._id(f"<|{language}|>"), self._transcribe]

    def prompt(self, language: str, previous: Sequence[int], prefix: Sequence[int]) -> list[int]:
        """What the decoder is given: text before this audio, the start, and words of this audio that stand already."""
        return [*self.start(language, previous), self._no_timestamps, *prefix]

    def tokens(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def without_marks(self, tokens: Sequence[int]) -> list[int]:
        """As far as the last one that has a letter or a digit."""
        count = len(tokens)
        while count and not any(sign.isalnum() for sign in self.text(tokens[count - 1 : count])):
            count -= 1
        return list(tokens[:count])

    def text(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text

    def words(self, tokens: Sequence[int], language: str) -> list[TokenWord]:
        """Groups text tokens into words; punctuation stays with the word it is written to."""
        groups: list[list[int]] = []
        spaced = language not in _UNSPACED
        for token in tokens:
            if token >= self.end_of_text:
                continue
            broken = bool(groups) and self.text(groups[-1]).endswith(_REPLACEMENT)
            starts = (self._tokenizer.id_to_token(token) or "").startswith(_SPACE) if spaced else True
            if groups and (broken or not starts):
                groups[-1].append(token)
            else:
                groups.append([token])
        return [TokenWord(self.text(group), tuple(group)) for group in groups]


def looks_looped(text: str, seconds: float) -> bool:
    """More words than anyone can say in the time, or a text that repeats itself, or that ends in the same words twice.

    People do say things twice; it costs them a second look.
    """
    said = [word.strip(_MARKS).casefold() for word in text.split()]
    if len(said) > max(2.0, _MAX_WORDS_PER_S * seconds):
        return True
    if any(said[-count:] == said[-2 * count : -count] for count in range(_REPEATED_WORDS, len(said) // 2 + 1)):
        return True
    raw = text.encode()
    return len(raw) > _MIN_COMPRESSED_BYTES and len(raw) / len(zlib.compress(raw)) > _MAX_COMPRESSION

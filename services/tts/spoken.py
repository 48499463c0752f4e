"""What of a written word is spoken: emoji, markup and addresses are taken out or put into words a reader would say.

The written word stays as it was; it is what the word times are reported for.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.tts.romanize import romanized, script_of

#: Longer runs of letters and digits are codes, hashes or noise; nobody reads them aloud.
MAX_WORD_CHARS: Final = 60
#: Longer digit strings are read digit by digit.
MAX_NUMBER_DIGITS: Final = 12

#: Most words: letters and one mark. They need no closer look.
_EVERYDAY = re.compile(rf"[A-Za-z]{{1,{MAX_WORD_CHARS // 2}}}(?:['’-][A-Za-z]{{1,{MAX_WORD_CHARS // 2 - 1}}})?[.,;:!?]?")
_LINK = re.compile(r"\]\([^)\s]*\)?")
_TAG = re.compile(r"</?[a-zA-Z][^<>\s]*>|/?>$")
_OPEN_TAG = re.compile(r"</?[a-zA-Z][^<>]*$")
_FENCE = re.compile(r"(?:```|~~~)\w*")
_EMOTICON = re.compile(r"[:;=][-^o']?[)(\[\]DPpOo/\\|3*]+[.,!?]*|<3+[.,!?]*")
_URL = re.compile(r"^(?:(?:https?|ftp)://|www\.)+([^/\s?#:]+)\S*?([.,;:!?…]*)$", re.IGNORECASE)
_MAIL = re.compile(r"([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)")
_HOST = re.compile(
    r"(?<![\w.@])(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|uk|de|fr|info|biz|ca|au|tv|me|ai|dev|eu|ch|nl|txt|md|py|pdf|html?|jpe?g|png|"
    r"gif|mp[34]|wav|json|csv|docx?|zip|exe)(?![\w@]|\.\w)",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"\*+|__+|~~+|`+|^_+|_+(?=\W*$)")
_HASHTAG = re.compile(r"^#(?=[^\W\d])")
_LEFTOVERS = re.compile(r"[\[\]{}|\\<>^]+(?!\d)")
_LONG_NUMBER = re.compile(rf"\d[\d,]{{{MAX_NUMBER_DIGITS},}}(?!\.\d)")
_REPEATED_MARK = re.compile(r"([!?,;:—–-])\1+")
_MANY_MARKS = re.compile(r"(?<=[!?])[!?]+")
_DOTS = re.compile(r"\.{2,}|…+\.*")
_REPEATED_LETTER = re.compile(r"([^\W\d_])\1{3,}")
_RUN = re.compile(rf"[0-9A-Za-zÀ-ɏ]{{{MAX_WORD_CHARS + 1},}}")
#: Between the parts of a long compound.
_JOINT = re.compile(r"(?<=\w)[-–./,:;+&@=](?=\w)")
_OPERAND = re.compile(r"[(-]?(?:\d[\d.,]*|[a-zA-Z])\)?")
_OPERATORS: Final = {"*": "×", "-": "−", "−": "−", "^": "^", "/": "/"}
#: Symbols of the category "other symbol" that the pronunciation knows how to read.
_READ_SYMBOLS = frozenset("°§¶±×÷½¼¾⅓⅔⅛⅜⅝⅞⅕²³©→")
_MARKS: Final = {"。": ".", "、": ",", "،": ",", "؛": ";", "؟": "?", "।": ".", "۔": ".", "․": ".", "ʼ": "'", "´": "'"}
#: An invisible place where a line may break: words end there.
_BREAKS: Final = "\u200b"
#: Languages that are not written in Latin letters: voices of theirs get words as they stand.
_OTHER_LETTERS: Final = frozenset({"ar", "bg", "el", "he", "hi", "ja", "ko", "ru", "th", "uk", "zh"})
#: What stands for a word that the voice has no sounds for.
_SHORT_PAUSE: Final = "—"


@dataclass(frozen=True)
class SpokenWord:
    """A written word and how it is to be said; `spoken` has no letter or digit when nothing is."""

    text: str
    spoken: str
    foreign: bool = False
    """It is in a script that the voice has no sounds for: a short pause stands for it."""
    unspoken_script: str = ""
    """Of the letters in it that are left out."""

    @property
    def audible(self) -> bool:
        return any(char.isalnum() or char in "&%@+=°½¼¾−×" for char in self.spoken)


class ReplyText:
    """The text of one reply, piece by piece. Pieces without any word, only symbols, are kept for the front of the next one."""

    def __init__(self) -> None:
        self._symbols = ""
        self._any = False

    def words(self, piece: str) -> list[SpokenWord]:
        """The words of a piece, with what was kept; none when it has none."""
        text = f"{self._symbols} {piece}".strip()
        words = spoken_words(text)
        wordy = any(word.audible or word.foreign for word in words)
        self._symbols = "" if wordy else text
        self._any = self._any or wordy
        return words if wordy else []

    @property
    def rest(self) -> str:
        """Symbols behind the last word, which belong to the text of the reply; empty where it has no word at all."""
        return self._symbols if self._any else ""


def spoken_words(piece: str) -> list[SpokenWord]:
    """The words of a piece of text. Marks and symbols that stand alone belong to the word before them, or else to the next one.

    The texts joined with spaces are the piece with its white space evened out.
    """
    words: list[SpokenWord] = []
    waiting = ""
    for word in _each(piece.split()):
        if word.audible or word.foreign:
            words.append(replace(word, text=f"{waiting} {word.text}".strip()))
            waiting = ""
        elif words:
            before = words[-1]
            spoken = f"{before.spoken} {word.spoken}".strip()
            words[-1] = replace(before, text=f"{before.text} {word.text}", spoken=spoken)
        else:
            waiting = f"{waiting} {word.text}".strip()
    if waiting:
        words.append(SpokenWord(waiting, ""))
    return words


def in_letters_of(language: str, words: Sequence[SpokenWord]) -> Sequence[SpokenWord]:
    """The words for a voice of a language, as a BCP 47 tag: where it has other letters than Latin ones, in those."""
    if language.partition("-")[0].lower() not in _OTHER_LETTERS:
        return words
    return [SpokenWord(word.text, " ".join(map(spoken_form, word.text.split()))) for word in words]


def _each(texts: Sequence[str]) -> Iterator[SpokenWord]:
    """Each written word by itself, but tags over several words and signs between numbers are seen as a whole."""
    closing = max((at for at, text in enumerate(texts) if ">" in text), default=-1)
    inside_tag = False
    for at, text in enumerate(texts):
        rest = text
        if inside_tag:
            _, inside_tag, rest = "", ">" not in text, text.partition(">")[2]
        opened = _OPEN_TAG.search(rest) if at < closing else None
        if opened:
            rest, inside_tag = rest[: opened.start()], True
        if rest in _OPERATORS and 0 < at < len(texts) - 1 and _sum(texts, at):
            yield SpokenWord(text, _OPERATORS[rest])
        else:
            yield _word(text, rest)


def _sum(texts: Sequence[str], at: int) -> bool:
    """The sign stands between two numbers, and it is no dash between them."""
    around = bool(_OPERAND.fullmatch(texts[at - 1]) and _OPERAND.fullmatch(texts[at + 1].rstrip(".,;?!")))
    return around and (texts[at] != "-" or "=" in texts)


def _word(text: str, rest: str) -> SpokenWord:
    form = spoken_form(rest)
    latin = romanized(form)
    if latin is not None:
        return SpokenWord(text, latin)
    known = "".join(char for char in form if romanized(char) is not None and not unicodedata.combining(char))
    script = next((script_of(char) for char in form if romanized(char) is None), "")
    if any(char.isalnum() for char in known):
        return SpokenWord(text, known, unspoken_script=script)
    mark = known[-1:] if known[-1:] in tuple(".,;:!?…") else _SHORT_PAUSE
    return SpokenWord(text, mark, foreign=True, unspoken_script=script)


def spoken_form(word: str) -> str:
    """One written word (no white space) as it should be read; may be empty, or several words."""
    if _EVERYDAY.fullmatch(word) and not _REPEATED_LETTER.search(word):
        return word
    if _FENCE.fullmatch(word) or _EMOTICON.fullmatch(word):
        return ""
    text = _LINK.sub("", _TAG.sub("", word))
    text = html.unescape(text) if "&" in text else text
    text = "".join(_character(char) for char in unicodedata.normalize("NFC", text))
    text = _EMPHASIS.sub("", text)
    text = _addresses(text)
    text = _LEFTOVERS.sub(" ", _HASHTAG.sub("", text)).replace("_", " ")
    text = _DOTS.sub("…", _MANY_MARKS.sub("", _REPEATED_MARK.sub(r"\1", text)))
    text = _REPEATED_LETTER.sub(r"\1\1\1", text)
    text = _RUN.sub("", text)
    if len(text) > MAX_WORD_CHARS:
        text = _JOINT.sub(" ", text)
    text = _LONG_NUMBER.sub(lambda match: " ".join(match.group().replace(",", "")), text)
    if set(text) <= {"#", " ", "-", "*", "+", ">"}:
        return "—" if text in {"-", "--"} else "plus" if word == "+" else ""
    return " ".join(text.split())


def _addresses(text: str) -> str:
    """ "example dot org" for an address on the web, of mail or of a file."""
    url = _URL.match(text)
    if url:
        return _dotted(url.group(1).removeprefix("www.")) + url.group(2)
    text = _MAIL.sub(lambda match: f"{_dotted(match[1])} at {_dotted(match[2])}", text) if "@" in text else text
    return _HOST.sub(lambda match: _dotted(match.group()), text)


def _dotted(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").replace(".", " dot ")


def _character(char: str) -> str:
    """Letters in fancy alphabets become plain ones; pictures, joiners and control characters become nothing."""
    if char.isascii() and char.isprintable():
        return char
    if char in _BREAKS:
        return " "
    if char in _MARKS or char in _READ_SYMBOLS:
        return _MARKS.get(char, char)
    category = unicodedata.category(char)
    plain = unicodedata.normalize("NFKC", char)
    if plain.isascii() and ((category[0] in "LN" and plain.isalnum()) or 0xFF01 <= ord(char) <= 0xFF5E):
        return plain
    if category in ("So", "Sk", "Cf", "Cc", "Co", "Cn", "Cs", "Me") or 0xFE00 <= ord(char) <= 0xFE0F or char in "•·‣◦":
        return plain if plain.isascii() and plain.isalnum() else ""
    return char

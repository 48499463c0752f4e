"""Letters of other scripts in Latin ones, where a table can do it: Greek and Cyrillic by sound, Latin without rare marks.

Scripts that need a dictionary or leave out their vowels (Chinese, Japanese, Arabic, Hebrew, ...) are not attempted.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from services.common.tables import pairs

#: Latin letters up to here are pronounced with their marks; beyond, the marks are taken off: "Nguyễn".
_LAST_MARKED: Final = 0x17F
_GREEK: Final = pairs("α a,β v,γ g,δ d,ε e,ζ z,η i,θ th,ι i,κ k,λ l,μ m,ν n,ξ x,ο o,π p,ρ r,σ s,ς s,τ t,υ y,φ f,χ ch,ψ ps,ω o")
_GREEK_PAIRS: Final = {"ου": "ou", "αι": "e", "ει": "i", "οι": "i", "μπ": "b", "ντ": "d", "γκ": "g", "γγ": "ng", "τσ": "ts"} | {
    "αυ": "av",
    "ευ": "ev",
}
#: The hard and the soft sign have no sound.
_CYRILLIC: Final = {"ъ": "", "ь": ""} | pairs(
    "а a,б b,в v,г g,д d,е e,ж zh,з z,и i,й y,к k,л l,м m,н n,о o,п p,р r,с s,т t,у u,ф f,х kh,ц ts,ч ch,ш sh,щ shch,ы y,э e,"
    "ю yu,я ya,ё yo,і i,ї yi,є ye,ґ g,ў w,ј y,љ ly,њ ny,ћ ch,ђ j,џ j"
)


def romanized(word: str) -> str | None:
    """The word with Latin letters only, everything else kept; None when it has letters that cannot be put into them."""
    if word.isascii():
        return word
    out = ""
    plain = word
    if any(_script(char) == "GREEK" for char in word):
        plain = _without_marks(word)
        for pair, latin in _GREEK_PAIRS.items():
            plain = plain.replace(pair, latin).replace(pair.capitalize(), latin.capitalize())
    for char in plain:
        latin_char = _latin(char)
        if latin_char is None:
            return None
        out += latin_char
    return out


def _latin(char: str) -> str | None:
    if not char.isalpha() and unicodedata.category(char) not in ("Mn", "Mc"):
        return char
    script = _script(char)
    if script in ("LATIN", "MODIFIER"):
        return char if ord(char) <= _LAST_MARKED else _without_marks(char)
    table = {"GREEK": _GREEK, "CYRILLIC": _CYRILLIC}.get(script)
    if table is None:
        return "" if script == "COMBINING" else None
    low = char.lower()
    latin = table.get(low, table.get(_without_marks(low)))
    if latin is None:
        return None
    return latin if char == low else latin.capitalize()


def script_of(char: str) -> str:
    """The English name of the script of a letter: "Han", "Arabic", "Hiragana", ..."""
    name = _script(char).split("-", 1)[0]
    return "Han" if name in ("CJK", "IDEOGRAPHIC") else name.capitalize()


def _script(char: str) -> str:
    """The first word of its Unicode name: LATIN, GREEK, CYRILLIC, CJK, ..."""
    return unicodedata.name(char, "").split(" ", 1)[0] if char.isalpha() or unicodedata.combining(char) else ""


def _without_marks(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))

"""Shortened words, each only where its neighbours show that it is one: "No. 5" is a number, "no." is a word."""

from __future__ import annotations

import re
from typing import Final

from services.tts.english.numerals import attached_unit
from services.tts.english.tables import pairs
from services.tts.english.token import FUNCTION_WORDS, Place, Token, is_word
from services.tts.english.units import UNIT_PREFIXES, UNITS

#: Before a name, a capital: with or without the full stop.
TITLES: Final = {
    "mr": "Mister",
    "mrs": "Mrs",
    "ms": "Miz",
    "dr": "Doctor",
    "prof": "Professor",
    "st": "Saint",
    "ste": "Saint",
    "mt": "Mount",
    "ft": "Fort",
    "capt": "Captain",
    "lt": "Lieutenant",
    "sgt": "Sergeant",
    "cpl": "Corporal",
    "cmdr": "Commander",
    "messrs": "messers",
}
#: Before a name, and with the full stop only: without it they are words or names.
DOTTED_TITLES: Final = {
    "gen": "General",
    "gov": "Governor",
    "sen": "Senator",
    "rep": "Representative",
    "col": "Colonel",
    "rev": "Reverend",
    "hon": "Honorable",
    "pres": "President",
    "supt": "Superintendent",
    "maj": "Major",
    "adm": "Admiral",
    "fr": "Father",
    "sr": "Sister",
    "br": "Brother",
    "pvt": "Private",
    "msgr": "Monsignor",
    "atty": "Attorney",
    "insp": "Inspector",
}
#: Before a number, or the Roman or lettered kind of one.
NUMBERED: Final = {
    "no": "number",
    "nos": "numbers",
    "fig": "figure",
    "figs": "figures",
    "vol": "volume",
    "vols": "volumes",
    "ch": "chapter",
    "chap": "chapter",
    "p": "page",
    "pp": "pages",
    "pg": "page",
    "sec": "section",
    "art": "article",
    "pt": "part",
    "par": "paragraph",
    "eq": "equation",
    "ex": "example",
    "op": "opus",
    "bk": "book",
    "apt": "apartment",
    "ste": "suite",
    "rm": "room",
    "bldg": "building",
    "hwy": "highway",
    "rte": "route",
    "rt": "route",
    "ext": "extension",
    "ps": "Psalm",
    "gen": "Genesis",
    "rev": "Revelation",
    "ex.": "Exodus",
    "matt": "Matthew",
    "cor": "Corinthians",
    "rom": "Romans",
    "prov": "Proverbs",
    "isa": "Isaiah",
    "c": "circa",
    "ca": "circa",
    "b": "born",
    "d": "died",
    "est": "established",
    "tel": "telephone",
}
#: These dates of a life or a thing stand before years only.
_BEFORE_YEARS: Final = frozenset(["c", "ca", "b", "d", "est"])
#: After a name or a number with "th": streets and places.
STREETS: Final = {
    "st": "Street",
    "ave": "Avenue",
    "av": "Avenue",
    "blvd": "Boulevard",
    "rd": "Road",
    "ln": "Lane",
    "dr": "Drive",
    "ct": "Court",
    "pl": "Place",
    "sq": "Square",
    "hwy": "Highway",
    "pkwy": "Parkway",
    "ter": "Terrace",
    "bldg": "Building",
    "mt": "Mountain",
    "mts": "Mountains",
    "is": "Island",
    "co": "Company",
    "corp": "Corporation",
    "inc": "Incorporated",
    "ltd": "Limited",
    "bros": "Brothers",
    "assn": "Association",
    "assoc": "Association",
    "univ": "University",
    "jr": "Junior",
    "sr": "Senior",
    "esq": "Esquire",
}
#: These are no words and no names, so they are always short for something.
ALWAYS: Final = {
    "mr": "Mister",
    "mrs": "Mrs",
    "ms": "Miz",
    "dr": "Doctor",
    "prof": "Professor",
    "jr": "Junior",
    "blvd": "Boulevard",
    "pkwy": "Parkway",
    "hwy": "highway",
    "bldg": "building",
    "dept": "department",
    "univ": "university",
    "assn": "association",
    "govt": "government",
    "approx": "approximately",
    "etc": "et cetera",
    "vs": "versus",
    "cf": "compare",
    "viz": "namely",
    "incl": "including",
    "excl": "excluding",
    "esp": "especially",
    "apt": "apartment",
    "capt": "captain",
    "lt": "lieutenant",
    "sgt": "sergeant",
    "cpl": "corporal",
    "atty": "attorney",
    "supt": "superintendent",
    "msgr": "monsignor",
    "gov": "governor",
    "sen": "senator",
    "tbsp": "tablespoon",
    "tsp": "teaspoon",
    "ltd": "limited",
    "inc": "incorporated",
    "corp": "corporation",
    "bros": "brothers",
}
#: Without a full stop too.
_PLAIN: Final = {
    "etc": "et cetera",
    "vs": "versus",
    "aka": "also known as",
    "mr": "Mister",
    "mrs": "Mrs",
    "ms": "Miz",
    "dr": "Doctor",
    "w/": "with",
    "w/o": "without",
    "b/c": "because",
    "c/o": "care of",
    "n/a": "not applicable",
    "btw": "by the way",
    "imo": "in my opinion",
    "tbd": "to be determined",
}
_LATIN: Final = {"e.g": "for example", "eg": "for example", "i.e": "that is", "a.k.a": "also known as"} | {
    "p.s": "P.S",
    "et al": "and others",
}
#: After "Boston," they are states.
_STATES: Final = pairs(
    "Ala Alabama,Ariz Arizona,Ark Arkansas,Calif California,Colo Colorado,Conn Connecticut,Del Delaware,Fla Florida,Ga Georgia,"
    "Ill Illinois,Ind Indiana,Kan Kansas,Ky Kentucky,La Louisiana,Mass Massachusetts,Md Maryland,Mich Michigan,Minn Minnesota,"
    "Miss Mississippi,Mo Missouri,Mont Montana,Neb Nebraska,Nev Nevada,Okla Oklahoma,Ore Oregon,Pa Pennsylvania,Tenn Tennessee,"
    "Tex Texas,Va Virginia,Vt Vermont,Wash Washington,Wis Wisconsin,Wyo Wyoming"
)
_POSTAL: Final = pairs(
    "AL Alabama,AK Alaska,AZ Arizona,AR Arkansas,CA California,CO Colorado,CT Connecticut,DE Delaware,FL Florida,GA Georgia,"
    "HI Hawaii,ID Idaho,IL Illinois,IN Indiana,IA Iowa,KS Kansas,KY Kentucky,LA Louisiana,ME Maine,MD Maryland,"
    "MA Massachusetts,MI Michigan,MN Minnesota,MS Mississippi,MO Missouri,MT Montana,NE Nebraska,NV Nevada,NH New Hampshire,"
    "NJ New Jersey,NM New Mexico,NY New York,NC North Carolina,ND North Dakota,OH Ohio,OK Oklahoma,OR Oregon,PA Pennsylvania,"
    "RI Rhode Island,SC South Carolina,SD South Dakota,TN Tennessee,TX Texas,UT Utah,VT Vermont,VA Virginia,WA Washington,"
    "WV West Virginia,WI Wisconsin,WY Wyoming"
)
_INITIALS: Final = re.compile(r"[A-Za-z](?:\.[A-Za-z]{1,2})+")
_MERIDIEM: Final = re.compile(r"[ap]\.?m", re.IGNORECASE)
_NUMBER_LIKE: Final = re.compile(r"#?\d.*|[IVXLC]+|[A-Z]\d*")

_NUMBER_AHEAD: Final = re.compile(r"#?\d|[IVXLC]+\b")
_FIRST_WORD: Final = re.compile(r"[A-Z]\w*")


def read(place: Place) -> bool:
    """Says a shortened word in full."""
    token = place.token
    if not token.core[0].isalpha() and token.core not in UNITS:
        return False
    return any(rule(place) for rule in _RULES)


def _meridiem(place: Place) -> bool:
    """ "a.m." after a time; "am" and "AM" are that after a number only."""
    token, before = place.token, place.before
    if not _MERIDIEM.fullmatch(token.core):
        return False
    if before.count is None or before.closed or (token.core == "am" and place.after.core == "I"):
        return "." in token.core and place.spell(token.core.upper())
    return place.spell(f"{token.core[0].upper()}.M")


def _measure(place: Place) -> bool:
    token = place.token
    if token.low in UNIT_PREFIXES and place.before.count is not None and place.after.core in UNITS:
        token.count = place.before.count
        return place.expand(UNIT_PREFIXES[token.low]) and _keep(token, place.before.count)
    return attached_unit(place)


def _keep(token: Token, count: float) -> bool:
    token.count = count
    return True


def _numbered(place: Place) -> bool:
    token, after = place.token, place.after
    words = NUMBERED.get(token.low)
    if (
        not words
        or token.trail not in (".", "")
        or (not token.dotted and token.low not in ("apt", "rm", "rte", "hwy", "ext", "pp"))
    ):
        return False
    if not _NUMBER_LIKE.fullmatch(after.core) or (not after.core[-1].isdecimal() and (after.core == "I" or len(token.low) < 2)):
        return False
    if not after.core[0].isdecimal() and token.low in (
        "no",
        "gen",
        "rev",
        "ps",
        "matt",
        "cor",
        "rom",
        "prov",
        "art",
        "ste",
        "est",
    ):
        return False
    if token.low in _BEFORE_YEARS and not re.fullmatch(r"\d{3,4}(?:[-–]\d+)?s?", after.core):
        return False
    token.trail = ""
    return place.say(words)


def _title(place: Place) -> bool:
    token, after = place.token, place.after
    words = TITLES.get(token.low) if token.trail in ("", ".") else None
    if token.dotted and token.trail == ".":
        words = words or DOTTED_TITLES.get(token.low)
    named = after.name or (len(after.core) == 1 and after.core.isupper() and after.dotted)
    if not words or not token.capital or not named or after.lead.strip("\"'“‘("):
        return False
    if token.low in STREETS and place.before.core[-2:] in ("st", "nd", "rd", "th") and place.before.core[0].isdecimal():
        return False
    if token.low in ("sr", "jr") and place.before.name and not place.opens and not place.before.closed:
        return False
    token.trail = ""
    return place.say(words)


def _street(place: Place) -> bool:
    token, before = place.token, place.before
    words = STREETS.get(token.low)
    if (
        not words
        or not token.capital
        or (not token.dotted and (token.closed or token.low in ("is", "pl", "co", "ter", "mt", "av")))
    ):
        if (
            not words
            or token.low not in ("st", "ave", "rd", "blvd", "ln", "jr", "sr", "inc", "ltd", "corp")
            or not token.capital
        ):
            return False
    numbered = before.core[:1].isdecimal() and before.core[-2:] in ("st", "nd", "rd", "th")
    named = (before.name or before.core in ("&", "and")) and before.low not in ("the", "my")
    opening = (
        Place(place.tokens, place.index - 1).opens and not before.core[:1].isdecimal() and token.low in ("dr", "st", "is", "pl")
    )
    if not (numbered or named) or (opening and place.index < 2 and not place.last):
        return False
    return place.expand(words)


def _state(place: Place) -> bool:
    token, before = place.token, place.before
    if not before.name or not before.trail.startswith(",") or before.low in ("yes", "no", "well", "thanks", "oh", "sorry"):
        return False
    opening = Place(place.tokens, place.index - 1).opens
    if token.core in _POSTAL and token.core.isupper():
        coded = bool(re.fullmatch(r"\d{5}(?:-\d{4})?", place.after.core))
        if coded or not opening or token.core not in ("OK", "HI", "OH", "PA", "MA", "IN", "OR", "ME", "ID", "LA", "AL"):
            return place.expand(_POSTAL[token.core])
    words = _STATES.get(token.core) if token.dotted else None
    if not words or (opening and token.core in ("Miss", "Pa", "Mass", "Ill", "Mo", "Wash")):
        return False
    return place.expand(words)


def _edition(place: Place) -> bool:
    """ "2nd ed."; "est. cost"."""
    token, before = place.token, place.before
    if token.core == "ed" and token.dotted and before.core[:1].isdecimal() and before.core[-2:] in ("st", "nd", "rd", "th"):
        return place.expand("edition")
    if token.core == "est" and token.dotted and is_word(place.after):
        return place.expand("estimated")
    return False


def _always(place: Place) -> bool:
    token = place.token
    words = ALWAYS.get(token.low) if token.dotted else None
    words = words or (_PLAIN.get(token.low) if not token.core.isupper() or len(token.core) > 2 else None)
    if token.low == "al" and token.dotted and place.before.low == "et":
        place.before.said = "and"
        return place.expand("others")
    if token.low == "w" and token.core == "w/":
        words = "with"
    return bool(words) and place.expand(words or "")


def _initials(place: Place) -> bool:
    """ "U.S.", "Ph.D.", "J. K."; the full stop of a single letter ends no sentence in a name."""
    token = place.token
    latin = _LATIN.get(token.low)
    if latin and (token.dotted or token.low == "eg"):
        token.trail = token.trail.removeprefix(".")
        return place.say(latin)
    if _INITIALS.fullmatch(token.core) and token.dotted:
        return place.spell(token.core)
    if len(token.core) == 1 and token.dotted and (place.last or not place.after.capital):
        token.trail = f" {token.trail}"
        return place.say(token.core.upper() if token.core != "a" else "A")
    return False


_RULES: Final = (_meridiem, _measure, _numbered, _title, _street, _state, _edition, _always, _initials)


def goes_on(word: str, after: str) -> bool:
    """True when the full stop behind `word` is that of an abbreviation to which `after` belongs, or may when nothing has come."""
    low = word.lower()
    following = after.lstrip("\"'“‘(")
    if low in NUMBERED and len(low) > 1:
        if _NUMBER_AHEAD.match(following):
            return True
        if not following and low != "no":
            return True
    titled = word[:1].isupper() and (low in TITLES or low in DOTTED_TITLES)
    name = _FIRST_WORD.match(following)
    return titled and (not following or (name is not None and name.group().lower() not in FUNCTION_WORDS))

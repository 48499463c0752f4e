"""English words that are written short, by what follows them: that tells whether their full stop ends a sentence too."""

from __future__ import annotations

from typing import Final

from services.common.tables import word_set

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
    "v": "verse",
    "vv": "verses",
    "ps": "Psalm",
    "c": "circa",
    "ca": "circa",
    "b": "born",
    "d": "died",
    "est": "established",
    "tel": "telephone",
}
#: Titles that stand before a name, whatever it is ("Dr. Who"), unless an article or a name is before them: "the Dr.", "Elm Dr."
BEFORE_NAMES_ONLY: Final = word_set("dr mr mrs ms prof")
ARTICLES: Final = word_set("the a my your our his her their this that")
#: Before anything: their full stop never ends a sentence.
NEVER_LAST: Final = word_set("mr mrs messrs vs cf viz e.g i.e")
#: They end a sentence as often: a capital letter after them shows it, a small one or a digit shows the opposite.
OFTEN_LAST: Final = word_set(
    "etc approx dept est inc ltd co corp jr ft ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m"
)
#: Days and measures are short before digits only: "Sat. 5 June", "8 lb. 4 oz." The case counts.
BEFORE_DIGITS: Final = word_set("Mon Tue Tues Wed Thu Thurs Fri Sat Sun in lb lbs oz st hr hrs min yd sq cu ca")
#: Words that begin sentences and are no names: after "St." they show that a street, and a sentence, has ended.
FUNCTION_WORDS: Final = word_set(
    "a about after all also always an and another any are as at be because been before but by can could did do does each "
    "even every everybody everyone few for from had has have he her here hers his how i if in is it its just let many me mine "
    "most my never no nobody not nothing now of oh on once one only or other our out over perhaps please she should since so "
    "some somebody someone sometimes soon still such than that the their them then there these they this those though through "
    "till to too under until up us very was we well were what when where which while who whose why will with without would yes "
    "yet you your"
)

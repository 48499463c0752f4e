"""What is written short, and what it is short for. Where each is meant is decided by the rules that use these tables."""

from __future__ import annotations

from typing import Final

from services.common.tables import pairs, word_set

#: Before anything of a sentence: a full stop with a small letter behind it is an abbreviation's.
INSIDE: Final = pairs(
    "temp temperature,max maximum,min minimum,avg average,gen general,col colonel,rev reverend,rep representative,fig figure,"
    "vol volume,co company,corp corporation,univ university,asst assistant,mgr manager,hosp hospital,ref reference,st street,"
    "ave avenue,rd road,ed edition,misc miscellaneous,orig original,prob probably,poss possibly,tel telephone,pop population,"
    "admin administration,exec executive,sec second,sgt sergeant,maj major"
)
#: Given names, as old papers have them.
GIVEN: Final = pairs(
    "Wm William,Chas Charles,Geo George,Jas James,Jos Joseph,Thos Thomas,Robt Robert,Edw Edward,Benj Benjamin,Saml Samuel,"
    "Danl Daniel,Alex Alexander,Fredk Frederick,Jno John,Eliz Elizabeth,Margt Margaret"
)
#: Books of the Bible, before chapter and verse.
BOOKS: Final = pairs(
    "gen Genesis,ex Exodus,exod Exodus,lev Leviticus,num Numbers,deut Deuteronomy,josh Joshua,judg Judges,sam Samuel,kgs Kings,"
    "chr Chronicles,neh Nehemiah,ps Psalm,pss Psalms,prov Proverbs,eccl Ecclesiastes,isa Isaiah,jer Jeremiah,lam Lamentations,"
    "ezek Ezekiel,dan Daniel,hos Hosea,mic Micah,hab Habakkuk,zech Zechariah,mal Malachi,matt Matthew,mk Mark,lk Luke,jn John,"
    "rom Romans,cor Corinthians,gal Galatians,eph Ephesians,phil Philippians,col Colossians,thess Thessalonians,tim Timothy,"
    "heb Hebrews,pet Peter,rev Revelation"
)
#: These are numbered without a full stop too.
NUMBERED_BARE: Final = word_set("apt rm rte hwy ext pp vol")
#: These are words as well, and so can end a sentence.
NUMBERED_WORDS: Final = word_set("no fig figs art par ex op pt sec ch ext p v c b d ps est")
#: A digit must follow these (or a Roman numeral of several letters): a capital letter may begin a sentence.
DIGITS_ONLY: Final = word_set("no ps art ste est tel v vv")
#: These dates of a life or a thing stand before years only.
BEFORE_YEARS: Final = frozenset(["c", "ca", "b", "d", "est"])
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
#: After a name these need no full stop.
STREETS_BARE: Final = word_set("st ave rd blvd ln dr hwy pkwy jr sr inc ltd corp")
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
    "doz": "dozen",
    "wk": "week",
    "wks": "weeks",
    "yr": "year",
    "yrs": "years",
    "hr": "hour",
    "hrs": "hours",
    "lb": "pound",
    "lbs": "pounds",
    "ltd": "limited",
    "inc": "incorporated",
    "corp": "corporation",
}
#: Without a full stop too.
PLAIN: Final = {
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
LATIN: Final = {"e.g": "for example", "eg": "for example", "i.e": "that is", "a.k.a": "also known as", "p.a": "per annum"}
#: After "Boston," they are states.
STATES: Final = pairs(
    "Ala Alabama,Ariz Arizona,Ark Arkansas,Calif California,Colo Colorado,Conn Connecticut,Del Delaware,Fla Florida,Ga Georgia,"
    "Ill Illinois,Ind Indiana,Kan Kansas,Ky Kentucky,La Louisiana,Mass Massachusetts,Md Maryland,Mich Michigan,Minn Minnesota,"
    "Miss Mississippi,Mo Missouri,Mont Montana,Neb Nebraska,Nev Nevada,Okla Oklahoma,Ore Oregon,Pa Pennsylvania,Tenn Tennessee,"
    "Tex Texas,Va Virginia,Vt Vermont,Wash Washington,Wis Wisconsin,Wyo Wyoming"
)
POSTAL: Final = pairs(
    "AL Alabama,AK Alaska,AZ Arizona,AR Arkansas,CA California,CO Colorado,CT Connecticut,DE Delaware,FL Florida,GA Georgia,"
    "HI Hawaii,ID Idaho,IL Illinois,IN Indiana,IA Iowa,KS Kansas,KY Kentucky,LA Louisiana,ME Maine,MD Maryland,"
    "MA Massachusetts,MI Michigan,MN Minnesota,MS Mississippi,MO Missouri,MT Montana,NE Nebraska,NV Nevada,NH New Hampshire,"
    "NJ New Jersey,NM New Mexico,NY New York,NC North Carolina,ND North Dakota,OH Ohio,OK Oklahoma,OR Oregon,PA Pennsylvania,"
    "RI Rhode Island,SC South Carolina,SD South Dakota,TN Tennessee,TX Texas,UT Utah,VT Vermont,VA Virginia,WA Washington,"
    "WV West Virginia,WI Wisconsin,WY Wyoming"
)

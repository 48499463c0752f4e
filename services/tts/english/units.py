"""Measures: how a unit is said after a number, and money."""

from __future__ import annotations

from typing import Final

from services.common.tables import words

#: As written to (singular, plural). The spelling counts: "m" are meters, "M" is a letter.
UNITS: Final[dict[str, tuple[str, str]]] = {
    written: (name, plural or f"{name}s")
    for spellings, name, plural in (
        ("km kms", "kilometer", ""),
        ("m", "meter", ""),
        ("dm", "decimeter", ""),
        ("cm", "centimeter", ""),
        ("mm", "millimeter", ""),
        ("µm μm", "micrometer", ""),
        ("nm", "nanometer", ""),
        ("in", "inch", "inches"),
        ("ft", "foot", "feet"),
        ("yd yds", "yard", ""),
        ("mi", "mile", ""),
        ("kg kgs", "kilogram", ""),
        ("g gm", "gram", ""),
        ("mg", "milligram", ""),
        ("mcg µg μg", "microgram", ""),
        ("lb lbs Lb Lbs", "pound", ""),
        ("oz Oz", "ounce", ""),
        ("st", "stone", "stone"),
        ("l L", "liter", ""),
        ("dl", "deciliter", ""),
        ("cl", "centiliter", ""),
        ("ml mL", "milliliter", ""),
        ("cc", "cubic centimeter", ""),
        ("tsp tsps", "teaspoon", ""),
        ("tbsp tbsps Tbsp Tbsps tbs", "tablespoon", ""),
        ("c", "cup", ""),
        ("pt", "pint", ""),
        ("pts", "point", ""),
        ("qt qts", "quart", ""),
        ("gal gals", "gallon", ""),
        ("pkg pkgs", "package", ""),
        ("doz", "dozen", "dozen"),
        ("ac", "acre", ""),
        ("ha", "hectare", ""),
        ("ms", "millisecond", ""),
        ("s", "second", ""),
        ("sec secs", "second", ""),
        ("min mins", "minute", ""),
        ("h hr hrs", "hour", ""),
        ("wk wks", "week", ""),
        ("mo mos", "month", ""),
        ("yr yrs", "year", ""),
        ("mph", "mile per hour", "miles per hour"),
        ("kph kmh km/h", "kilometer per hour", "kilometers per hour"),
        ("m/s", "meter per second", "meters per second"),
        ("mpg", "mile per gallon", "miles per gallon"),
        ("rpm", "R.P.M", "R.P.M"),
        ("hp", "horsepower", "horsepower"),
        ("Hz", "hertz", "hertz"),
        ("kHz", "kilohertz", "kilohertz"),
        ("MHz", "megahertz", "megahertz"),
        ("GHz", "gigahertz", "gigahertz"),
        ("dB", "decibel", ""),
        ("kB KB", "kilobyte", ""),
        ("MB", "megabyte", ""),
        ("GB", "gigabyte", ""),
        ("TB", "terabyte", ""),
        ("Mbps", "megabit per second", "megabits per second"),
        ("Gbps", "gigabit per second", "gigabits per second"),
        ("fps", "frame per second", "frames per second"),
        ("W", "watt", ""),
        ("kW", "kilowatt", ""),
        ("MW", "megawatt", ""),
        ("GW", "gigawatt", ""),
        ("kWh", "kilowatt hour", ""),
        ("mAh", "milliamp hour", ""),
        ("V", "volt", ""),
        ("kV", "kilovolt", ""),
        ("cal", "calorie", ""),
        ("kcal", "kilocalorie", ""),
        ("deg", "degree", ""),
        ("°", "degree", ""),
        ("°C", "degree Celsius", "degrees Celsius"),
        ("°F", "degree Fahrenheit", "degrees Fahrenheit"),
        ("%", "percent", "percent"),
        ("pct", "percent", "percent"),
        ("¢", "cent", ""),
        ("p", "penny", "pence"),
        ("€", "euro", ""),
        ("$", "dollar", ""),
        ("£", "pound", ""),
        ("USD", "dollar", ""),
        ("EUR", "euro", ""),
        ("GBP", "pound", ""),
        ("m² m2", "square meter", ""),
        ("km² km2", "square kilometer", ""),
        ("m³ m3", "cubic meter", ""),
        ("cm³ cm3", "cubic centimeter", ""),
        ("ft² ft2 sqft", "square foot", "square feet"),
    )
    for written in words(spellings)
}
#: These are units only when written to the number, or with a full stop: "5 h" may be anything.
ATTACHED_ONLY: Final = frozenset(["p", "h", "c", "st", "$", "£", "V", "W"])
#: Before a unit: "sq. ft.".
UNIT_PREFIXES: Final = {"sq": "square", "cu": "cubic", "fl": "fluid"}
#: After "per": "$5/hr".
PER: Final = {
    "hr": "hour",
    "h": "hour",
    "yr": "year",
    "mo": "month",
    "wk": "week",
    "lb": "pound",
    "oz": "ounce",
    "kg": "kilogram",
} | {
    "ft": "foot",
    "gal": "gallon",
    "s": "second",
    "min": "minute",
}
MONEY: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
}
MAGNITUDES: Final = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "b": "billion", "B": "billion"} | {
    "mn": "million",
    "bn": "billion",
    "tn": "trillion",
}
MAGNITUDE_WORDS: Final = frozenset(["hundred", "thousand", "million", "billion", "trillion"])


def unit(written: str, count: float, *, singular: bool = False) -> str:
    """The unit said after `count`; `singular` where it stands before what it measures: "a five foot pole"."""
    one, many = UNITS[written]
    return one if singular or 0 < abs(count) <= 1 else many

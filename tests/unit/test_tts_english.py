"""Written English is read as a person would read it aloud: a word is an abbreviation only where its neighbours say so."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.english import read
from services.tts.spoken import spoken_words

_WORDS_THAT_ARE_ALSO_SHORT_FOR_SOMETHING = [
    "I was too polite to say no.",
    "My mother said no. Then she laughed.",
    "Would you? No.",
    "I told him no, and he left.",
    '"No." That was all he said.',
    "My sister is called Jan.",
    "I confided in Jan. She kept it.",
    "I ate a fig.",
    "We sat in the Sun.",
    "We sat. Then it rained.",
    "They wed in June.",
    "Her name is Dec, and his is Jun.",
    "It will mar the wood.",
    "He is in. Come in.",
    "Yes, Miss. I did.",
    "The Mass was in Latin.",
    "That was apt. I liked it.",
    "I am. Am I?",
    "Tell us, and it is done.",
    "The part I like best, and Part I liked less.",
    "Did I mix it?",
    "Malcolm X and the letter X, too.",
    "It was art. Miss it or not.",
    "Turn the vol down and rev it up.",
]


@pytest.mark.parametrize("text", _WORDS_THAT_ARE_ALSO_SHORT_FOR_SOMETHING)
def test_this_is_said_as_it_is_written(text: str) -> None:
    assert said(text) == text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("May 5 boats come in?", "May five boats come in?"),
        ("I said no. 5 of them left.", "I said no. five of them left."),
        ("No. 5 is alive. No. I said no.", "number five is alive. No. I said no."),
        ("hymn no. 312, nos. 3 and 4", "hymn number three hundred twelve, numbers three and four"),
        ("See fig. 3 and vol. 2, pp. 5-9.", "See figure three and volume two, pages five to nine."),
        ("I have Jan. 5 free.", "I have January fifth free."),
        ("In Jan. we left, last Jan.", "In January we left, last January."),
        ("Sat., Jan. 5, 1957, was cold.", "Saturday, January fifth, nineteen fifty seven, was cold."),
        ("Open Mon.–Fri. from 9 a.m. to 5 p.m.", "Open Monday to Friday from nine A.M. to five P.M. ."),
        ("She came on Sat. and left on Sun.", "She came on Saturday and left on Sunday."),
        ("In March 3 of us left. On March 3 we left.", "In March three of us left. On March third we left."),
        ("5 May 1920, the 5th of May", "the fifth of May nineteen twenty, the fifth of May"),
        (
            "On 2026-11-30, or 11/30/2026, or 30.11.2026.",
            "On " + " or ".join(["November thirtieth, twenty twenty six,"] * 3)[:-1] + ".",
        ),
        (
            "In 1905 boats came. We had 1905 boats.",
            "In nineteen oh five boats came. We had one thousand nine hundred five boats.",
        ),
        ("the 1890s, mid-1950s, '60s, back in '05", "the eighteen nineties, mid nineteen fifties, sixties, back in oh five"),
        ("1914–18, 5-6 days, 50-50", "nineteen fourteen to eighteen, five to six days, fifty fifty"),
        ("10:30, 10:05, 12:00 and 5 am", "ten thirty, ten oh five, twelve o'clock and five A.M."),
        ("At 5 am I wake.", "At five am I wake."),
        ("24/7, 3/4 cup, 3/4 time, on 3/4", "twenty four seven, three quarters cup, three four time, on March fourth"),
        ("1 1/2 cups, 1½ cups, half of ½ mile", "one and a half cups, one and a half cups, half of one half mile"),
        ("Dr. King lived on King Dr. in Memphis.", "Doctor King lived on King Drive in Memphis."),
        ("St. John St. in Washington, D.C.", "Saint John Street in Washington, D.C. ."),
        ("We live on Main St. The house is blue.", "We live on Main Street. The house is blue."),
        ("Lt. Col. Brown, Jr., met Gov. Smith.", "Lieutenant Colonel Brown, Junior, met Governor Smith."),
        (
            "1204 Oak St., Gary, IN 46401",
            "twelve oh four Oak Street, Gary, Indiana four six four zero one",
        ),
        (
            "the temp. was 4°, the Rev. Wm. Pike read 2 Sam. 12:7",
            "the temperature was four degrees, the Reverend William Pike read two Samuel twelve seven",
        ),
        ("Sat. was market day. Bus no. 9 goes by.", "Saturday was market day. Bus number nine goes by."),
        ("My tel. no. is short, $1.20 a doz.", "My telephone number is short, one dollar and twenty cents a dozen."),
        (
            "1/2–3/4 cup, 50 cents/hr, fig. 3 shows it",
            "one half to three quarters cup, fifty cents per hour, figure three shows it",
        ),
        ("at 3% p.a. It grew.", "at three percent per annum. It grew."),
        ("It was cold in Jan. I never liked Dr. No. Did you?", "It was cold in January. I never liked Doctor No. Did you?"),
        ("Boston, Mass., was cold.", "Boston, Massachusetts, was cold."),
        ("2 c. flour, 1 tsp. salt, a 12 oz. steak", "two cups flour, one teaspoon salt, a twelve ounce steak"),
        ("6 ft. 2 in. tall, 5'11\", a 6-in. nail", "six feet two inches tall, five foot eleven, a six inch nail"),
        ("25°C, 1 kg, 60 mph, 50%", "twenty five degrees Celsius, one kilogram, sixty miles per hour, fifty percent"),
        (
            "$1,234.56, $0.99, $5 million, a $20 bill",
            "one thousand two hundred thirty four dollars and fifty six cents, ninety nine cents, five million dollars, "
            "a twenty dollar bill",
        ),
        (
            "$5-10, £5, 20€, ¥500, $40k",
            "five to ten dollars, five pounds, twenty euros, five hundred yen, forty thousand dollars",
        ),
        ("3.14, 2.0, v2.3.1", "three point one four, two point zero, version two point three point one"),
        ("Call 911 or (231) 555-0147.", "Call nine one one or (two three one) five five five, zero one four seven."),
        (
            "Henry VIII, World War II, Chapter IV, Queen Elizabeth I.",
            "Henry the eighth, World War two, Chapter four, Queen Elizabeth the first.",
        ),
        ("B12, H2O, F-16, US-131", "B twelve, H two O, F sixteen, US one thirty one"),
        ("e.g. this, i.e. that, etc.", "for example this, that is that, et cetera."),
        ("Write to ann.b@example.org or example.com.", "Write to ann dot b at example dot org or example dot com."),
        ("x = 3 + 4 * 2 - 1", "x equals three plus four times two minus one"),
        ("a 9 x 13 in. pan", "a nine by thirteen inch pan"),
        ("his/her, A/B, R&B", "his or her, A B, R and B"),
        ("<speak>Hi <break time='1s'/> there</speak>", "Hi there"),
        ("&lt;ok&gt; :-) ```python", "ok"),
    ],
)
def test_this_is_said_otherwise(written: str, spoken: str) -> None:
    assert said(written) == spoken


def said(text: str) -> str:
    parts = [part for word in spoken_words(text) for part in word.spoken.split()]
    return " ".join(filter(None, read(parts)))


@given(st.lists(st.text(alphabet="0123456789.,:;/-–$€%°'\"()#+=&@amps xIVNoJnMyDrSt½", min_size=1, max_size=12), max_size=6))
def test_every_word_is_said_and_no_digit_is_left(parts: list[str]) -> None:
    words = " ".join(parts).split()
    spoken = read(words)
    assert len(spoken) == len(words)
    assert not re.search(r"\d", " ".join(spoken))

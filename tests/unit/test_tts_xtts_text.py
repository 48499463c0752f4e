"""What XTTS is given to say of a clause, and where the words of it are placed in its sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.tts.engine import Word
from services.tts.engines.xtts.clause import Call, Clause, clause_of
from services.tts.engines.xtts.placing import USUAL_PACE, Pace, Placing
from services.tts.spoken import SpokenWord, spoken_words


class Reader:
    """Says at most so many characters at once, and reads no figures but those it knows."""

    def __init__(self, most: int = 1_000, figures: str = "") -> None:
        self._most, self._figures = most, figures

    def fits(self, text: str, language: str) -> bool:
        return len(text) <= self._most

    def can_read(self, word: str, language: str) -> bool:
        return not any(char.isdigit() and (len(word) > 1 or char not in self._figures) for char in word)


def clause(written: str, language: str = "en", reader: Reader | None = None) -> Clause:
    return clause_of(spoken_words(written), language, reader or Reader())


# --- what is said -----------------------------------------------------------------------------------------------------


def test_english_figures_and_abbreviations_are_read_as_for_every_english_voice() -> None:
    [call] = clause("Dr. Smith paid $9.99 in 1998.").calls
    assert call.text == "Doctor Smith paid nine dollars and ninety nine cents in nineteen ninety eight."
    assert [index for _, index in call.tokens] == [0, 1, 2, *[3] * 6, 4, *[5] * 3]
    assert call.told == range(6)


def test_other_languages_keep_their_letters_and_leave_figures_to_the_package() -> None:
    assert clause("Здравствуй, Łukasz!", "ru").calls[0].text == "Здравствуй, Łukasz!"
    assert clause("Grüß Gott, Αθήνα!", "de").calls[0].text == "Grüß Gott, Athina!"
    assert clause("Es kostet 12,5 Mark", "de", Reader(figures="125")).calls[0].text == "Es kostet 1 2 5 Mark"


def test_figures_that_cannot_be_read_are_left_out_but_told() -> None:
    [call] = clause("Es kostet 12,5 Mark", "de", Reader(figures="1")).calls
    assert call.text == "Es kostet Mark"
    assert call.told == range(4)


def test_words_without_sounds_are_told_and_not_said() -> None:
    found = clause("Well, 你好 there.")
    assert found.calls[0].text == "Well, there."
    assert found.calls[0].told == range(3)
    assert found.unspoken_scripts == ("Han",)
    assert clause("你好 世界").calls == []


def test_what_is_too_long_is_said_in_several_calls_behind_a_mark_if_there_is_one() -> None:
    written = "one two three four, five six seven eight nine"
    calls = clause(written, reader=Reader(30)).calls
    assert [call.text for call in calls] == ["one two three four,", "five six seven eight nine"]
    assert [call.told for call in calls] == [range(4), range(4, 9)]
    assert [call.text for call in clause("a bb cc dd", reader=Reader(6)).calls] == ["a bb", "cc dd"]


def test_a_word_may_be_said_by_several_calls_and_is_told_once() -> None:
    calls = clause("a one-two-three-four-five-six-seven-eight-nine-ten-eleven-twelve-thirteen b", reader=Reader(40)).calls
    assert len(calls) == 3
    assert [index for call in calls for index in call.told] == [0, 1, 2]


def test_one_word_that_does_not_fit_is_said_all_the_same() -> None:
    assert [call.text for call in clause("abcdef", reader=Reader(3)).calls] == ["abcdef"]


# --- where its words are ----------------------------------------------------------------------------------------------

#: A letter or gap takes 100 samples.
STEP = 100


def tone(samples: int, silence: int = 0) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(silence), np.full(samples, 0.5)]).astype(np.float32)


def placing(written: str, *, first_sample: int = 0, speed: float = 1.0) -> Placing:
    pace = Pace()
    pace.samples = STEP
    [call] = clause(written).calls
    return Placing(spoken_words(written), call, pace, speed, first_sample)


def spans(words: list[Word]) -> list[tuple[str, int, int]]:
    return [(word.text, word.start_sample, word.end_sample) for word in words]


def test_words_come_with_the_chunk_in_which_they_begin_and_those_left_share_the_last() -> None:
    call = placing("abc defg hi", first_sample=1_000)
    assert call.expected_samples == 12 * STEP
    assert spans(call.place(tone(500, 50), is_last=False)) == [("abc", 1_050, 1_450), ("defg", 1_450, 1_550)]
    assert call.place(tone(300), is_last=False) == []
    assert spans(call.place(tone(200), is_last=True)) == [("hi", 1_550, 2_050)]


def test_a_chunk_that_is_the_only_one_is_shared_from_the_first_sound_to_the_last() -> None:
    audio = np.concatenate([tone(120, 30), np.zeros(40, np.float32)])
    assert spans(placing("abc defg hi").place(audio, is_last=True)) == [("abc", 30, 70), ("defg", 70, 120), ("hi", 120, 150)]


def test_at_double_speed_words_are_half_as_long() -> None:
    assert spans(placing("abc defg hi", speed=2).place(tone(300), is_last=False)) == [("abc", 0, 200), ("defg", 200, 300)]


def test_a_call_that_is_silent_is_shared_when_there_is_no_more() -> None:
    call = placing("abc defg hi")
    assert call.place(tone(0, 400), is_last=False) == []
    assert spans(call.place(tone(0, 400), is_last=True)) == [("abc", 0, 267), ("defg", 267, 600), ("hi", 600, 800)]


def test_all_words_that_were_told_are_no_trouble_at_the_end() -> None:
    call = placing("abc")
    assert spans(call.place(tone(900), is_last=False)) == [("abc", 0, 400)]
    assert call.place(tone(900), is_last=True) == []


def test_the_rest_of_a_word_that_was_told_before_takes_its_time() -> None:
    words = [SpokenWord("abc-def", "abc def"), SpokenWord("hi", "hi")]
    pace = Pace()
    pace.samples = STEP
    call = Placing(words, Call([("def", 0), ("hi", 1)], range(1, 2)), pace, 1.0, 0)
    assert spans(call.place(tone(600), is_last=False)) == [("hi", 400, 600)]
    again = Placing(words, Call([("def", 0), ("hi", 1)], range(1, 2)), pace, 1.0, 0)
    assert spans(again.place(tone(700), is_last=True)) == [("hi", 400, 700)]


def test_the_pace_of_a_voice_is_learnt_within_bounds() -> None:
    pace = Pace()
    assert pace.samples == USUAL_PACE
    for _ in range(40):
        pace.heard(1_200)
    assert abs(pace.samples - 1_200) < 1
    for _ in range(40):
        pace.heard(90_000)
    assert 2.9 * USUAL_PACE / 1.5 < pace.samples <= 2 * USUAL_PACE


def test_what_a_call_took_goes_into_the_pace_at_speed_1() -> None:
    pace = Pace()
    [call] = clause("abc defg hi").calls
    Placing(spoken_words("abc defg hi"), call, pace, 2.0, 0).place(tone(12 * 600), is_last=True)
    assert pace.samples == USUAL_PACE + 0.3 * (1_200 - USUAL_PACE)

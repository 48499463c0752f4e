"""Words of other scripts are put into Latin letters where a table can do it, and a pause stands for the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.romanize import romanized
from services.tts.spoken import SpokenWord, spoken_words


@pytest.mark.parametrize(
    ("written", "latin"),
    [
        ("harbour", "harbour"),
        ("café", "café"),
        ("Łódź", "Łódź"),
        ("Nguyễn", "Nguyen"),
        ("Huế", "Hue"),
        ("Αθήνα", "Athina"),
        ("Привет,", "Privet,"),
        ("Київ", "Kiyiv"),
        ("寿司", None),
        ("مرحبا", None),
    ],
)
def test_letters_become_latin_or_are_given_up(written: str, latin: str | None) -> None:
    assert romanized(written) == latin


def test_a_word_without_sounds_is_a_word_of_its_own() -> None:
    sushi = SpokenWord("寿司, 👍", ",", foreign=True, unspoken_script="Han")
    assert spoken_words("I like 寿司, 👍 you know.")[2] == sushi


@pytest.mark.parametrize(
    ("written", "spoken", "script"),
    [
        ("Privet", "Privet", ""),
        ("Привет,", "Privet,", ""),
        ("مرحبا.", ".", "Arabic"),
        ("こんにちは", "—", "Hiragana"),
        ("안녕", "—", "Hangul"),
        ("iPhone手机", "iPhone", "Han"),
    ],
)
def test_the_script_of_what_is_left_out_is_known(written: str, spoken: str, script: str) -> None:
    [word] = spoken_words(written)
    assert (word.spoken, word.unspoken_script) == (spoken, script)


@given(st.text(max_size=30))
def test_what_is_romanized_has_latin_letters_only(text: str) -> None:
    latin = romanized(text)
    assert latin is None or all(not char.isalpha() or romanized(char) is not None for char in latin)

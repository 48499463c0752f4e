"""What was said, piece by piece, and what a contribution is made of."""

from __future__ import annotations

from services.orchestrator.dialog.events import Contribution, ms
from services.orchestrator.hearing.utterances import Utterances


def utterances() -> Utterances:
    """The session began at 1,000,000 us."""
    return Utterances("s", lambda at: 1_000_000 + at * 1_000_000 // 16_000)


def test_the_partials_and_the_final_of_the_same_words_have_one_id() -> None:
    said = utterances()
    assert said.begun("ann") == said.begun("ann") == said.ended("ann", "where did you", 0, ms(900))
    assert said.begun("ann") != said.begun("ben")


def test_a_contribution_with_a_pause_is_made_of_two_utterances_and_has_the_id_of_the_last() -> None:
    said = utterances()
    first = said.ended("ann", "where did you", ms(100), ms(900), "en")
    second = said.ended("ann", "grow up", ms(1500), ms(2000), "en")
    whole = Contribution("ann", "where did you grow up", ended_at=ms(2000))
    assert [part.id for part in said.of(whole)] == [first, second]
    message = said.message(whole)
    assert (message.id, message.participant_id, message.language) == (second, "ann", "en")
    assert (message.started_unix_us, message.ended_unix_us) == (1_100_000, 3_000_000)


def test_what_was_said_before_belongs_to_the_contribution_before() -> None:
    said = utterances()
    said.ended("ann", "where did you grow up", 0, ms(900))
    later = said.ended("ann", "and your brother", ms(5000), ms(6000))
    assert [part.id for part in said.of(Contribution("ann", "and your brother"))] == [later]


def test_a_little_word_that_was_no_contribution_is_left_out() -> None:
    said = utterances()
    first = said.ended("ann", "I was walking to the harbour", 0, ms(900))
    said.ended("ann", "mm-hm", ms(1000), ms(1200))
    last = said.ended("ann", "when it began to rain", ms(2000), ms(3000))
    whole = Contribution("ann", "I was walking to the harbour when it began to rain")
    assert [part.id for part in said.of(whole)] == [first, last]


def test_who_was_told_by_voice_is_found_by_the_microphone() -> None:
    said = utterances()
    heard = said.ended("ann", "hello there", 0, ms(900))
    assert [part.id for part in said.of(Contribution("ben", "hello there", microphone="ann"))] == [heard]


def test_silence_and_what_is_not_known_have_nothing_behind_them() -> None:
    said = utterances()
    said.ended("ann", "", 0, ms(900))
    assert said.of(Contribution("ann", "hello")) == []
    message = said.message(Contribution("ann", "hello", "ben"))
    assert message.id and not message.HasField("language") and not message.HasField("started_unix_us")
    assert [addressee.participant_id for addressee in message.addressees] == ["ben"]


def test_a_typed_text_is_one_utterance() -> None:
    said = utterances()
    typed = said.typed("ann", "How old are you?", ms(500))
    assert [part.id for part in said.of(Contribution("ann", "How old are you?", typed=True))] == [typed]

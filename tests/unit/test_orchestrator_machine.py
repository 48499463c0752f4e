"""Whole conversations in virtual time: events in, effects out, no sockets and no clock."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.reading.reading import Reading
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog import machine
from services.orchestrator.dialog.events import Contribution, OverlapKind, Phase, PlaybackState, ms
from services.orchestrator.dialog.state import Style
from tests.harness.virtual_talk import Talk


def test_a_question_is_answered_and_the_floor_returns() -> None:
    talk = Talk()
    talk.say("where did you grow up", 0, 1500)
    assert talk.state.phase is Phase.THINKING
    (commit,) = talk.of(fx.Commit)
    assert commit.contribution.text == "where did you grow up"
    assert commit.contribution.ended_at == ms(1500)
    turn_id = talk.answered(1900)
    assert turn_id == commit.turn_id
    assert talk.state.phase is Phase.SPEAKING
    talk(ev.PlaybackChanged, 3000, turn_id, PlaybackState.FINISHED)
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(turn_id, interrupted=False)]
    assert talk.state.phase is Phase.LISTENING
    assert [show.phase for show in talk.of(fx.Show)] == [Phase.THINKING, Phase.SPEAKING, Phase.LISTENING]


def test_the_persona_thinks_along_under_the_turn_that_is_committed() -> None:
    talk = Talk()
    talk.say("where did you grow up", 0, 1500)
    prefills = talk.of(fx.Prefill)
    assert [prefill.draft for prefill in prefills] == [False, True]
    assert {prefill.turn_id for prefill in prefills} == {talk.of(fx.Commit)[0].turn_id}


@pytest.mark.parametrize(("p", "silence"), [(0.9, 401), (0.1, 2501)])
def test_an_end_that_is_not_sure_is_waited_for(p: float, silence: float) -> None:
    talk = Talk()
    talk.say("I was thinking", 0, 1000, p=p)
    if silence > 401:
        talk.until(1000 + silence - 2)
        assert not talk.of(fx.Commit)
    talk.until(1000 + silence)
    assert len(talk.of(fx.Commit)) == 1


def test_the_sound_of_a_draft_is_prepared_only_while_it_may_be_wanted() -> None:
    talk = Talk()
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.SpeechStopped, 1200, "Spk1", last_speech_at=ms(1000))
    talk(ev.WordsFinal, 1300, "Spk1", talk.state.flushes, "where were you born")
    drafted = talk.of(fx.Prefill)[-1]
    assert drafted.draft
    assert talk(ev.Drafted, 1320, drafted.turn_id, "On a rock. ") == [fx.Prepare(drafted.turn_id, "On a rock. ")]
    assert talk(ev.Drafted, 1330, drafted.turn_id - 1, "Late. ") == []
    talk.told(1350, "Spk1", 0.9)
    talk.until(1500)
    assert talk.state.phase is Phase.THINKING
    assert talk(ev.Drafted, 1510, drafted.turn_id, "On a rock. ") == []


def test_a_story_is_listened_to_through_its_pauses() -> None:
    talk = Talk()
    parts = ("So let me tell you what happened last winter.", "I was driving home from the lake.", "And there was a moose.")
    for number, text in enumerate(parts):
        at = number * 3000
        talk(ev.SpeechStarted, at, "Spk1")
        talk(ev.SpeechStopped, at + 1800, "Spk1", last_speech_at=ms(at + 1600))
        talk(ev.WordsFinal, at + 1900, "Spk1", talk.state.flushes, text)
        talk.told(at + 2000, "Spk1", 0.95)
    talk.until(9599)
    assert not talk.of(fx.Commit)
    talk.until(9601)
    assert [commit.contribution.text for commit in talk.of(fx.Commit)] == [" ".join(parts)]


@pytest.mark.parametrize(
    ("parts", "drafted"),
    [
        (("Let me tell you something.", "It was cold."), [False, False]),
        (("I saw a, let me see.", "A moose."), [False, True]),
        (("One is.", "Two is.", "Three is.", "Four is.", "Five is."), [True, True, True, False, False]),
        (("One is.", "Two is.", "Three is.", "Four is.", "What is five?"), [True, True, True, False, True]),
    ],
)
def test_replies_are_drafted_where_the_turn_may_be_over_and_not_often(parts: tuple[str, ...], drafted: list[bool]) -> None:
    talk = Talk()
    for number, text in enumerate(parts):
        at = number * 1000
        talk(ev.SpeechStarted, at, "Spk1")
        talk(ev.SpeechStopped, at + 700, "Spk1", last_speech_at=ms(at + 500))
        talk(ev.WordsFinal, at + 750, "Spk1", talk.state.flushes, text)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == drafted


def test_a_pause_inside_a_sentence_does_not_split_it() -> None:
    talk = Talk()
    talk.say("I grew up in", 0, 1000, p=0.05)
    talk.say("a little town", 1700, 2500)
    (commit,) = talk.of(fx.Commit)
    assert commit.contribution.text == "I grew up in a little town"


def test_words_that_come_after_the_end_of_turn_are_waited_for() -> None:
    talk = Talk()
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.SpeechStopped, 1200, "Spk1", last_speech_at=ms(1000))
    talk.told(1240, "Spk1", 0.95)
    assert not talk.of(fx.Commit)
    talk(ev.WordsFinal, 1500, "Spk1", talk.state.flushes, "hello there")
    assert len(talk.of(fx.Commit)) == 1


def test_noise_without_words_is_not_a_contribution() -> None:
    talk = Talk()
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.SpeechStopped, 400, "Spk1", last_speech_at=ms(200))
    talk(ev.WordsFinal, 450, "Spk1", talk.state.flushes, "")
    talk.until(10_000)
    assert not talk.of(fx.Commit)
    assert talk.state.phase is Phase.LISTENING


def test_going_on_before_anything_is_audible_drops_the_reply_and_keeps_the_words() -> None:
    talk = Talk()
    talk.say("tell me about", 0, 1000)
    first = talk.of(fx.Commit)[0].turn_id
    talk.say("your brother", 1400, 1900)
    assert talk.of(fx.Cancel) == [fx.Cancel(first)]
    assert talk.of(fx.Commit)[1].contribution.text == "tell me about your brother"
    assert talk.of(fx.Commit)[1].turn_id > first


def interrupting(style: Style | None = None) -> tuple[Talk, int]:
    talk = Talk(style)
    talk.say("tell me a story", 0, 1000)
    turn_id = talk.answered(1500, "Well, once upon a time. ")
    talk(ev.SpeechStarted, 3000, "Spk1")
    return talk, turn_id


def test_speaking_over_it_pauses_it_at_once_and_an_interruption_stops_it() -> None:
    talk, turn_id = interrupting()
    assert talk.state.phase is Phase.PAUSED
    assert talk.of(fx.Hold) == [fx.Hold()]
    talk(ev.Overlapped, 3300, "Spk1", OverlapKind.INTERRUPTION)
    assert talk.of(fx.Silence) == [fx.Silence(turn_id, turn_id + 1)]
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(turn_id, interrupted=True)]
    assert talk.state.phase is Phase.LISTENING
    talk(ev.SpeechStopped, 4200, "Spk1", last_speech_at=ms(4000))
    talk(ev.WordsFinal, 4250, "Spk1", talk.state.flushes, "no wait where was that")
    talk.told(4260, "Spk1", 0.9)
    talk.until(4401)
    assert talk.of(fx.Commit)[1].contribution.text == "no wait where was that"


def broken_in_on(after_ms: float) -> Talk:
    """The persona answers in a pause, and so long after its first sound the speaker goes on."""
    talk = Talk()
    talk.say("do you still play", 0, 1000)
    talk.answered(1460, "I play every day. ")
    talk(ev.SpeechStarted, 1500 + after_ms, "Spk1")
    return talk


@pytest.mark.parametrize(
    ("after_ms", "answered"), [(200, "do you still play your grandmother's piano"), (900, "your grandmother's piano")]
)
def test_who_was_not_done_yet_is_answered_to_all_that_was_said(after_ms: float, answered: str) -> None:
    talk = broken_in_on(after_ms)
    assert talk.state.phase is Phase.PAUSED
    talk(ev.Overlapped, 2600, "Spk1", OverlapKind.INTERRUPTION)
    assert talk.state.phase is Phase.LISTENING
    talk(ev.SpeechStopped, 3200, "Spk1", last_speech_at=ms(3000))
    talk(ev.WordsFinal, 3250, "Spk1", talk.state.flushes, "your grandmother's piano")
    talk.told(3260, "Spk1", 0.9)
    talk.until(3500)
    assert talk.of(fx.Commit)[-1].contribution.text == answered


def test_a_cough_into_the_first_words_does_not_bring_the_question_back() -> None:
    talk = broken_in_on(200)
    turn_id = talk.state.turn_id
    talk(ev.Overlapped, 2100, "Spk1", OverlapKind.BACKCHANNEL)
    talk(ev.SpeechStopped, 2200, "Spk1", last_speech_at=ms(2000))
    talk(ev.WordsFinal, 2250, "Spk1", talk.state.flushes, "yeah")
    talk(ev.PlaybackChanged, 2400, turn_id, PlaybackState.FINISHED)
    talk.until(20_000)
    assert [commit.contribution.text for commit in talk.of(fx.Commit)] == ["do you still play", "yeah"]


@pytest.mark.parametrize("kind", [OverlapKind.BACKCHANNEL, OverlapKind.NOT_SPEECH])
def test_a_backchannel_lets_it_go_on_and_is_not_answered_later(kind: OverlapKind) -> None:
    talk, turn_id = interrupting()
    talk(ev.Overlapped, 3300, "Spk1", kind)
    assert talk.of(fx.Release) == [fx.Release()]
    assert talk.state.phase is Phase.SPEAKING
    talk(ev.SpeechStopped, 3500, "Spk1", last_speech_at=ms(3300))
    talk(ev.WordsFinal, 3550, "Spk1", talk.state.flushes, "mm-hm")
    talk(ev.PlaybackChanged, 6000, turn_id, PlaybackState.FINISHED)
    talk.until(20_000)
    assert len(talk.of(fx.Commit)) == 1
    assert not talk.of(fx.Silence)


def test_undecided_overlap_is_decided_by_whether_it_goes_on() -> None:
    talk, _ = interrupting()
    talk.until(5001)
    assert talk.of(fx.Silence)
    talk, _ = interrupting()
    talk(ev.SpeechStopped, 3400, "Spk1", last_speech_at=ms(3200))
    talk.until(5001)
    assert talk.of(fx.Release)
    assert not talk.of(fx.Silence)


@pytest.mark.parametrize("kind", [OverlapKind.INTERRUPTION, OverlapKind.BACKCHANNEL])
def test_on_a_guess_it_stays_held(kind: OverlapKind) -> None:
    talk, _ = interrupting()
    talk(ev.Overlapped, 3450, "Spk1", kind, 0.5)
    assert talk.state.phase is Phase.PAUSED
    assert not talk.of(fx.Release) + talk.of(fx.Silence)


def test_a_little_word_that_goes_on_after_all_holds_it_again() -> None:
    talk, _ = interrupting()
    talk(ev.Overlapped, 3300, "Spk1", OverlapKind.BACKCHANNEL, 0.9)
    talk(ev.Overlapped, 3700, "Spk1", OverlapKind.INTERRUPTION, 0.5)
    assert talk.state.phase is Phase.PAUSED
    assert len(talk.of(fx.Hold)) == 2
    talk(ev.Overlapped, 4000, "Spk1", OverlapKind.INTERRUPTION, 0.75)
    assert talk.of(fx.Silence)


@pytest.mark.parametrize(("ends_ms", "answers"), [(3900, 2), (4600, 1)])
def test_a_yes_over_the_last_words_is_an_answer_and_one_before_is_not(ends_ms: int, answers: int) -> None:
    talk, turn_id = interrupting()
    talk(ev.SpeechStopped, 3500, "Spk1", last_speech_at=ms(3300))
    talk(ev.Overlapped, 3550, "Spk1", OverlapKind.BACKCHANNEL, 0.9)
    talk(ev.WordsFinal, 3650, "Spk1", talk.state.flushes, "yes")
    talk(ev.PlaybackChanged, ends_ms, turn_id, PlaybackState.FINISHED)
    talk.until(20_000)
    assert len(talk.of(fx.Commit)) == answers


def test_a_little_word_that_it_went_on_over_is_no_part_of_what_is_said_next() -> None:
    talk, _ = interrupting()
    talk(ev.SpeechStopped, 3500, "Spk1", last_speech_at=ms(3300))
    talk(ev.Overlapped, 3550, "Spk1", OverlapKind.BACKCHANNEL, 0.9)
    talk(ev.WordsFinal, 3650, "Spk1", talk.state.flushes, "mm-hm")
    talk(ev.Interrupted, 4000)
    talk.until(10_000)
    assert len(talk.of(fx.Commit)) == 1
    talk.say("where was that", 11_000, 12_000)
    assert talk.of(fx.Commit)[1].contribution.text == "where was that"


def test_the_first_suspicion_lowers_the_voice_and_no_more() -> None:
    talk, _ = interrupting()
    talk(ev.Overlapped, 3300, "Spk1", OverlapKind.NOT_SPEECH)
    assert talk(ev.SpeechSuspected, 4000, "Spk1") == [fx.Duck()]
    assert talk.state.phase is Phase.SPEAKING
    deaf, _ = interrupting(Style(interruptible=False))
    assert deaf(ev.SpeechSuspected, 4000, "Spk1") == []


def test_without_the_turn_service_two_words_over_it_are_an_interruption() -> None:
    talk, _ = interrupting()
    talk(ev.WordsHeard, 3200, "Spk1", "I don't know")
    assert talk.state.phase is Phase.PAUSED
    talk(ev.AbilityChanged, 3210, "turn", available=False)
    talk(ev.WordsHeard, 3220, "Spk1", "no")
    assert talk.state.phase is Phase.PAUSED
    talk(ev.WordsHeard, 3250, "Spk1", "no wait")
    assert talk.state.phase is Phase.LISTENING


def test_half_duplex_is_not_interrupted_by_voice_but_by_the_button() -> None:
    talk, turn_id = interrupting(Style(interruptible=False))
    assert talk.state.phase is Phase.SPEAKING
    talk(ev.Overlapped, 3300, "Spk1", OverlapKind.INTERRUPTION)
    assert talk.state.phase is Phase.SPEAKING
    talk(ev.Interrupted, 3500)
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(turn_id, interrupted=True)]


def test_output_of_a_turn_that_is_over_is_stale() -> None:
    talk, turn_id = interrupting()
    talk(ev.Overlapped, 3300, "Spk1", OverlapKind.INTERRUPTION)
    effects = talk(ev.ReplyText, 3400, turn_id, "there was a boat. ")
    assert effects == [fx.DropStale(turn_id, "text")]
    assert talk(ev.PlaybackChanged, 3500, turn_id, PlaybackState.FINISHED) == []


def typed(text: str, at_ms: float, addressee: str = "") -> Contribution:
    return Contribution("Spk1", text, addressee, typed=True, ended_at=ms(at_ms))


def test_typed_text_is_answered_at_once_and_stops_what_is_being_said() -> None:
    talk = Talk()
    talk(ev.TextTyped, 0, typed("hello", 0))
    first = talk.answered(300)
    talk(ev.TextTyped, 900, typed("how old are you", 900))
    kinds = [type(effect) for effect in talk.effects[-5:]]
    assert kinds.index(fx.Silence) < kinds.index(fx.CloseTurn) < kinds.index(fx.Commit)
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(first, interrupted=True)]
    assert talk.of(fx.Commit)[1].contribution.text == "how old are you"


def test_a_typed_question_that_was_overtaken_stays_in_the_history() -> None:
    talk = Talk()
    talk(ev.TextTyped, 0, typed("my name is Ana", 0))
    talk(ev.TextTyped, 100, typed("what is my name", 100))
    assert [note.contribution.text for note in talk.of(fx.Note)] == ["my name is Ana"]


def test_what_is_said_to_somebody_else_is_remembered_and_not_answered() -> None:
    talk = Talk()
    talk(ev.TextTyped, 0, typed("are you hungry", 0, addressee="Spk2"))
    assert talk.of(fx.Note)
    assert not talk.of(fx.Commit)
    talk(ev.SpeechStarted, 1000, "Spk2")
    talk(ev.SpeechStopped, 2200, "Spk2", last_speech_at=ms(2000))
    talk(ev.WordsFinal, 2250, "Spk2", talk.state.flushes, "yes very", addressee="Spk1")
    talk.until(5000)
    assert [note.contribution.speaker for note in talk.of(fx.Note)] == ["Spk1", "Spk2"]
    assert not talk.of(fx.Commit)


def test_a_failed_reply_is_tried_once_more_then_apologised_for() -> None:
    talk = Talk()
    talk(ev.TextTyped, 0, typed("hello", 0))
    first = talk.state.turn_id
    talk(ev.ReplyFailed, 100, first, retryable=True)
    assert [commit.turn_id for commit in talk.of(fx.Commit)] == [first, first + 1]
    talk(ev.ReplyFailed, 200, first + 1, retryable=True)
    assert talk.of(fx.Apologise) == [fx.Apologise(first + 1)]
    assert talk.of(fx.Notify) == [fx.Notify("llm_failed")]


def test_a_reply_that_takes_long_begins_with_a_filler() -> None:
    talk = Talk()
    talk.say("what do you make of the weather", 0, 1500)
    talk.until(1500 + 640)
    assert not talk.of(fx.Fill)
    talk.until(1500 + 660)
    turn_id = talk.state.turn_id
    assert talk.of(fx.Fill) == [fx.Fill(turn_id)]
    talk(ev.PlaybackChanged, 2250, turn_id, PlaybackState.STARTED)
    talk(ev.ReplyText, 2900, turn_id, "It is fine. ")
    talk(ev.ReplyDone, 2910, turn_id)
    talk(ev.PlaybackChanged, 4000, turn_id, PlaybackState.FINISHED)
    assert len(talk.of(fx.Fill)) == 1
    assert talk.of(fx.Commit)[-1].turn_id == turn_id
    assert talk.of(fx.SayEnd) == [fx.SayEnd(turn_id)]
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(turn_id, interrupted=False)]


def test_a_reply_in_time_has_no_filler_and_a_late_commit_gets_its_chance() -> None:
    talk = Talk()
    talk.say("where did you grow up", 0, 1500)
    talk.answered(2000)
    talk.until(4000)
    assert not talk.of(fx.Fill)
    talk = Talk()
    talk.say("and so it was", 0, 1500, p=0.01)
    talk.until(1500 + 2690)
    assert talk.state.phase is Phase.THINKING
    assert not talk.of(fx.Fill)
    talk.until(1500 + 2710)
    assert len(talk.of(fx.Fill)) == 1


def test_a_reply_that_fails_after_a_filler_is_apologised_for_and_not_tried_again() -> None:
    talk = Talk()
    talk.say("where did you grow up", 0, 1500)
    talk.until(2300)
    talk(ev.ReplyFailed, 2400, talk.state.turn_id, retryable=True)
    assert len(talk.of(fx.Commit)) == 1
    assert talk.of(fx.Apologise) == [fx.Apologise(talk.state.turn_id)]


def test_a_persona_without_fillers_says_none() -> None:
    talk = Talk(Style(filler_after=None))
    talk.say("where did you grow up", 0, 1500)
    talk.until(5000)
    assert not talk.of(fx.Fill)


def test_with_manual_turns_only_the_speaker_ends_a_turn() -> None:
    talk = Talk(Style(manual_turns=True, interruptible=False))
    talk.say("where did you", 0, 1500, p=1.0)
    talk.until(9000)
    assert not talk.of(fx.Commit)
    talk(ev.SpeechStarted, 9000, "Spk1")
    talk(ev.TurnEnded, 10_000, "Spk1")
    assert not talk.of(fx.Commit)
    talk(ev.WordsFinal, 10_050, "Spk1", talk.state.flushes, "grow up")
    (commit,) = talk.of(fx.Commit)
    assert commit.contribution.text == "where did you grow up"
    turn_id = talk.answered(10_300)
    talk(ev.SpeechStarted, 10_500, "Spk1")
    assert talk.state.phase is Phase.SPEAKING
    talk(ev.TurnEnded, 11_000, "Spk1")
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(turn_id, interrupted=True)]
    talk(ev.WordsFinal, 11_050, "Spk1", talk.state.flushes, "")
    assert len(talk.of(fx.Commit)) == 1
    assert not talk.state.people["Spk1"].closing


def test_a_reply_that_never_comes_fails_by_the_watchdog() -> None:
    talk = Talk(Style(filler_after=None))
    talk(ev.TextTyped, 0, typed("hello", 0))
    talk.until(6001)
    assert len(talk.of(fx.Commit)) == 2
    talk.until(12_010)
    assert len(talk.of(fx.Apologise)) == 1


def test_a_reply_that_stops_coming_while_it_is_spoken_is_cut_short() -> None:
    talk = Talk()
    talk(ev.TextTyped, 0, typed("hello", 0))
    turn_id = talk.state.turn_id
    talk(ev.ReplyText, 100, turn_id, "Hello there, ")
    talk(ev.PlaybackChanged, 150, turn_id, PlaybackState.STARTED)
    talk(ev.ReplyText, 3000, turn_id, "my friend. ")
    talk.until(8900)
    assert not talk.of(fx.SayEnd)
    talk.until(9010)
    assert talk.of(fx.Notify) == [fx.Notify("reply_cut_short")]
    assert talk.of(fx.SayEnd) == [fx.SayEnd(turn_id)]
    talk(ev.PlaybackChanged, 9100, turn_id, PlaybackState.FINISHED)
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(turn_id, interrupted=False)]


def test_a_voice_that_never_comes_ends_the_turn_with_a_notice() -> None:
    talk = Talk()
    talk(ev.TextTyped, 0, typed("hello", 0))
    turn_id = talk.state.turn_id
    talk(ev.ReplyText, 100, turn_id, "Hello there. ")
    talk(ev.ReplyDone, 120, turn_id)
    talk.until(6200)
    assert talk.of(fx.Notify) == [fx.Notify("voice_stuck")]
    assert talk.state.phase is Phase.LISTENING


def test_without_the_turn_service_the_rhythm_of_the_words_ends_a_turn() -> None:
    talk = Talk()
    talk(ev.AbilityChanged, 0, "turn", available=False)
    talk(ev.WordsHeard, 500, "Spk1", "where did")
    talk(ev.WordsHeard, 900, "Spk1", "where did you live")
    talk.until(2090)
    assert not talk.of(fx.Flush)
    talk.until(2110)
    assert len(talk.of(fx.Flush)) == 1
    talk(ev.WordsFinal, 2200, "Spk1", talk.state.flushes, "where did you live")
    assert len(talk.of(fx.Commit)) == 1


def test_without_recognition_nothing_waits_for_words() -> None:
    talk = Talk()
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.AbilityChanged, 500, "asr", available=False)
    talk(ev.SpeechStopped, 1000, "Spk1", last_speech_at=ms(800))
    assert not talk.of(fx.Flush)
    talk(ev.TextTyped, 1500, typed("hello", 1500))
    assert len(talk.of(fx.Commit)) == 1


def test_finish_lets_the_reply_in_hand_be_played_out() -> None:
    talk = Talk()
    talk(ev.TextTyped, 0, typed("hello", 0))
    talk(ev.Finished, 10)
    turn_id = talk.answered(300)
    assert not talk.of(fx.End)
    talk(ev.PlaybackChanged, 2000, turn_id, PlaybackState.FINISHED)
    assert talk.of(fx.End) == [fx.End()]


def test_finish_in_the_middle_of_speech_answers_it_first() -> None:
    talk = Talk()
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.WordsHeard, 600, "Spk1", "where did you")
    talk(ev.Finished, 900)
    (flush,) = talk.of(fx.Flush)
    talk(ev.WordsFinal, 1000, "Spk1", flush.flush_id, "where did you grow up")
    assert talk.of(fx.Commit)[0].contribution.text == "where did you grow up"


def test_finish_with_nothing_in_hand_ends_at_once() -> None:
    talk = Talk()
    assert talk(ev.Finished, 0) == [fx.End()]


def test_the_greeting_is_spoken_once_and_can_be_interrupted() -> None:
    talk = Talk()
    talk(ev.Greeted, 0, "Hello, I'm June.")
    assert talk.of(fx.Say) == [fx.Say(1, "Hello, I'm June.")]
    talk(ev.PlaybackChanged, 50, 1, PlaybackState.STARTED)
    talk(ev.Interrupted, 500)
    assert talk.of(fx.CloseTurn) == [fx.CloseTurn(1, interrupted=True)]


_SPEAKERS = st.sampled_from(["Spk1", "Spk2"])
_TURNS = st.integers(0, 12)
_WORDS = st.sampled_from(["", "mm-hm", "no wait", "where did you grow up"])
_READINGS = st.sampled_from([None, Reading(asks=1.0), Reading(tells_a_story=1.0), Reading(looks_for_words=1.0)])


@st.composite
def _events(draw: st.DrawFn) -> list[tuple[type[ev.Event], tuple[Any, ...], int]]:
    kinds: dict[type[ev.Event], tuple[st.SearchStrategy[Any], ...]] = {
        ev.SpeechStarted: (_SPEAKERS,),
        ev.SpeechStopped: (_SPEAKERS, st.just(0)),
        ev.EndOfTurn: (_SPEAKERS, st.floats(0, 1), st.sampled_from([0.0, 1.0, 9.0, math.inf]), _WORDS, _READINGS),
        ev.Overlapped: (_SPEAKERS, st.sampled_from(OverlapKind)),
        ev.WordsHeard: (_SPEAKERS, _WORDS),
        ev.WordsFinal: (_SPEAKERS, _TURNS, _WORDS, st.sampled_from(["", "Spk2"])),
        ev.TextTyped: (st.builds(Contribution, _SPEAKERS, st.just("hello"), st.sampled_from(["", "Spk2"])),),
        ev.Interrupted: (),
        ev.Greeted: (st.just("Hi."),),
        ev.ReplyText: (_TURNS, st.just("Yes. ")),
        ev.ReplyDone: (_TURNS,),
        ev.ReplyFailed: (_TURNS, st.booleans()),
        ev.VoiceFailed: (_TURNS,),
        ev.PlaybackChanged: (_TURNS, st.sampled_from(PlaybackState)),
        ev.AbilityChanged: (st.sampled_from(["asr", "turn", "llm", "tts", "face"]), st.booleans()),
    }
    made = []
    for kind in draw(st.lists(st.sampled_from(list(kinds)), max_size=40)):
        made.append((kind, tuple(draw(part) for part in kinds[kind]), draw(st.integers(1, 3000))))
    return made


@given(_events())
@settings(max_examples=300, deadline=None)
def test_no_order_of_events_breaks_the_rules(script: list[tuple[type[ev.Event], tuple[Any, ...], int]]) -> None:
    """Turn ids never fall, nothing is said for an old turn, ticks make progress and leave nothing hanging."""
    talk = Talk()
    at = 0
    newest = 0
    for kind, args, delay in script:
        at += delay
        before = talk.state.turn_id
        for effect in talk(kind, at, *args):
            if isinstance(effect, fx.Silence):
                newest = max(newest, effect.newest_turn_id)
            if isinstance(effect, fx.Say | fx.Commit | fx.Apologise):
                assert effect.turn_id >= newest
        assert talk.state.turn_id >= before
    ticks = talk.until(at + 60_000)
    assert len(ticks) < 100
    assert talk.state.phase is not Phase.PAUSED
    assert talk.state.phase is not Phase.THINKING


def test_every_event_has_a_rule_and_only_one() -> None:
    everywhere = set(machine.ALWAYS)
    by_phase = [set(rules) for rules in machine.PHASES.values()]
    assert everywhere | set().union(*by_phase) == set(ev.Event.__subclasses__())
    assert not any(everywhere & rules for rules in by_phase)


def test_one_word_again_and_again_is_no_interruption_by_its_number() -> None:
    talk, _ = interrupting()
    talk(ev.AbilityChanged, 3010, "turn", available=False)
    talk(ev.WordsHeard, 3200, "Spk1", "Right. Right. Right.")
    assert talk.state.phase is Phase.PAUSED
    talk(ev.WordsHeard, 3300, "Spk1", "Right. But where")
    assert talk.state.phase is Phase.LISTENING


# --- several people -----------------------------------------------------------------------------------------------------


def test_the_persona_keeps_quiet_while_two_people_talk_to_each_other() -> None:
    talk = Talk(Style(names=("June Merrow", "june")))
    for speaker in ("Ann", "Bob"):
        talk(ev.Named, 0, speaker, speaker)
        talk(ev.Joined, 0, speaker)
    talk.say("Bob, did you lock the front door?", 0, 1500, "Ann")
    talk.say("Yes, before we left.", 3000, 4500, "Bob")
    assert [(note.contribution.speaker, note.contribution.addressee) for note in talk.of(fx.Note)] == [
        ("Ann", "Bob"),
        ("Bob", "Ann"),
    ]
    assert not talk.of(fx.Commit)
    talk.say("June, do you have any pets?", 6000, 7500, "Bob")
    assert [commit.contribution.speaker for commit in talk.of(fx.Commit)] == ["Bob"]


def test_on_a_shared_microphone_the_voice_is_the_speaker() -> None:
    talk = Talk(Style(names=("June Merrow", "june")))
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.SpeechStopped, 1700, "Spk1", last_speech_at=ms(1500))
    talk(ev.WordsFinal, 1730, "Spk1", talk.state.flushes, "Where do you live?", voice="Spk2")
    talk.told(1740, "Spk1", 0.9)
    talk.until(2000)
    (commit,) = talk.of(fx.Commit)
    assert (commit.contribution.speaker, commit.contribution.came_from) == ("Spk2", "Spk1")
    talk(ev.SpeechStarted, 2100, "Spk1")
    assert talk.state.people["Spk1"].heard == "Where do you live?", (
        "who goes on speaking is the same, whatever the voice is called"
    )


def test_what_somebody_types_to_another_person_does_not_take_the_floor() -> None:
    talk = Talk(Style(names=("June Merrow", "june")))
    talk(ev.Named, 0, "Bob", "Bob")
    talk(ev.Joined, 0, "Bob")
    talk.say("tell me a story", 0, 1500, "Ann")
    turn_id = talk.answered(1900)
    talk(ev.TextTyped, 2500, Contribution("Ann", "Bob, is she always like this?", typed=True, ended_at=ms(2500)))
    assert talk.state.phase is Phase.SPEAKING and talk.state.turn_id == turn_id

"""When a question counts as answered, in virtual time."""

from __future__ import annotations

from vivant.cli import asking
from vivant.cli.asking import Asking
from vivant.events import Metrics, Notice, Passage, Severity, Stage, State, StateChanged, Transcript, Turn, Unit


def turn(turn_id: int, heard: str = "In a house.", *, interrupted: bool = False, sources: tuple[str, ...] = ()) -> Turn:
    return Turn(turn_id, heard, heard, interrupted, tuple(Passage(source, None, "") for source in sources))


def state(value: State) -> StateChanged:
    return StateChanged(value, 1, 0, 0)


def transcript(text: str, *, final: bool = True) -> Transcript:
    return Transcript(final, text, text, "p1", (), (), 0, 0, typed=False, utterance_id="u1")


def test_while_the_question_runs_nothing_ends() -> None:
    one = Asking()
    one.on(turn(1), 5.0)
    assert one.settles_at() is None


def test_an_answer_ends_shortly_after_its_last_syllable() -> None:
    one = Asking()
    one.asked(1.0)
    one.on(state(State.THINKING), 1.5)
    one.on(state(State.SPEAKING), 2.0)
    assert one.settles_at() == 2.0 + asking.STUCK_S
    one.on(turn(1), 6.0)
    one.on(state(State.LISTENING), 6.0)
    assert one.settles_at() == 6.0 + asking.TAIL_S


def test_a_reply_into_a_pause_of_the_recording_is_not_the_end() -> None:
    one = Asking()
    one.on(turn(1), 3.0)
    one.asked(4.0)
    assert one.settles_at() == 4.0 + asking.NEXT_REPLY_S
    one.on(state(State.THINKING), 5.0)
    one.on(turn(2), 8.0)
    one.on(state(State.LISTENING), 8.0)
    assert one.settles_at() == 8.0 + asking.TAIL_S


def test_an_interrupted_reply_waits_for_the_next() -> None:
    one = Asking()
    one.asked(1.0)
    one.on(turn(1, interrupted=True), 3.0)
    assert one.settles_at() == 3.0 + asking.NEXT_REPLY_S


def test_without_any_reply_patience_ends() -> None:
    one = Asking()
    one.asked(1.0)
    assert one.settles_at() == 1.0 + asking.FIRST_REPLY_S


def test_a_long_reply_is_listened_to_and_idle_pictures_count_for_nothing() -> None:
    one = Asking()
    one.asked(1.0)
    one.on(state(State.SPEAKING), 2.0)
    one.on(Unit(0, 0, b"", None, 1, 0), 50.0)
    assert one.settles_at() == 50.0 + asking.STUCK_S
    one.on(Unit(1, 0, b"", None, 0, 0), 70.0)
    one.on(Notice(Severity.INFO, "x", "y", None, retryable=False), 71.0)
    assert one.settles_at() == 50.0 + asking.STUCK_S


def test_what_came_of_it() -> None:
    one = Asking()
    one.on(transcript("where", final=False), 0.5)
    one.on(transcript("Hello."), 1.0)
    one.on(transcript("Where did you grow up?"), 2.0)
    one.on(turn(1, "In a", interrupted=True, sources=("story#1", "story#2")), 3.0)
    one.on(turn(2, "By the sea.", sources=("story#2",)), 5.0)
    one.on(Metrics(1, (Stage("end_of_turn", 1.0),)), 5.0)
    one.on(Metrics(2, (Stage("end_of_turn", 2.0),)), 5.0)
    assert one.question == "Hello. Where did you grow up?"
    assert one.reply == "In a By the sea."
    assert one.sources == ["story#1", "story#2"]
    assert one.last_metrics == Metrics(2, (Stage("end_of_turn", 2.0),))


def test_an_apology_is_no_answer_and_a_reply_after_it_is_one() -> None:
    one = Asking()
    one.asked(1.0)
    one.on(Notice(Severity.WARNING, "llm_failed", "No reply came.", "llm", retryable=True), 2.0)
    one.on(turn(1, "Sorry, what was that?"), 3.0)
    one.on(turn(1, "Sorry,"), 3.1)
    assert one.turns and not one.answered
    one.on(turn(2), 4.0)
    assert one.answered


def test_a_reply_of_which_nothing_was_heard_is_none() -> None:
    one = Asking()
    one.on(turn(1, "", interrupted=True), 2.0)
    assert not one.answered


def test_a_reply_without_end_ends() -> None:
    one = Asking()
    one.asked(1.0)
    one.on(state(State.SPEAKING), 2.0)
    one.on(Unit(0, 0, b"", None, 1, 0), 2000.0)
    assert one.settles_at() == 1.0 + asking.LONGEST_S

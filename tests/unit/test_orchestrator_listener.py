"""What a microphone tells the turn service of the words, and what of its answers it passes on. Links that note what is sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.common.audio import pcm_format
from services.common.reading.reading import Reading
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.state import SpeakerState, words_of
from services.orchestrator.hearing.listener import Company, Listener
from services.orchestrator.hearing.microphones import Microphones
from services.orchestrator.hearing.utterances import Utterances
from services.orchestrator.links.clients import Peers
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.opening import Opening
from vivant.asr.v1 import asr_pb2
from vivant.common.v1 import common_pb2
from vivant.session.v1 import session_pb2
from vivant.turn.v1 import turn_pb2


class Links:
    """In place of the services' streams."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def link(self, ability: str, config: Callable[[], Any]) -> Links:
        return self

    def send(self, **payload: Any) -> None:
        self.sent += payload.items()

    @property
    def turn_words(self) -> list[tuple[str, int]]:
        return [(each.text, each.words_id) for kind, each in self.sent if kind == "turn_words"]

    @property
    def words(self) -> list[turn_pb2.HeardWords]:
        return [each for kind, each in self.sent if kind == "words"]


class Heard:
    """A microphone, what it has fed, and what it has sent."""

    def __init__(self) -> None:
        self.links, self.events = Links(), list[ev.Event]()
        self.listener = Listener(
            "ann",
            pcm_format(16_000),
            pcm_format(24_000),
            cast(Peers, self.links),
            session_id="s",
            language="en",
            now=lambda: 1,
            feed=self.events.append,
            send=lambda **response: None,
            shared=lambda: False,
            whom=lambda microphone, speaker, text: "",
            company=cast(Company, None),
            utterances=Utterances("s", lambda at: at),
        )

    def answered(self, words_id: int | None, waiting_cost_s: float = 0.0, **reading: float) -> ev.EndOfTurn:
        message = turn_pb2.EndOfTurn(
            probability=0.5,
            waiting_cost_s=waiting_cost_s,
            words_id=words_id,
            reading=turn_pb2.Reading(**reading) if reading else None,
        )
        self.listener.on_turn("end_of_turn", message)
        event = self.events[-1]
        assert isinstance(event, ev.EndOfTurn)
        return event


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_words_are_told_when_they_have_changed(heard: Heard) -> None:
    for text in ("", "where", "where", "where are you", ""):
        heard.listener.turn_words(text)
    assert heard.links.turn_words == [("where", 1), ("where are you", 2), ("", 3)]


def test_the_answer_is_about_the_newest_words_or_about_none(heard: Heard) -> None:
    assert heard.answered(None).words is None
    heard.listener.turn_words("where")
    heard.listener.turn_words("where are you")
    assert heard.answered(1, asks=0.0, begins=1.0).words is None
    newest = heard.answered(2, asks=1.0, begins=1.0)
    assert (newest.words, newest.reading) == ("where are you", Reading(asks=1.0, begins=1.0))
    unread = heard.answered(2)
    assert (unread.words, unread.reading) == ("where are you", None)


@pytest.mark.parametrize("cost_s", [0.0, 2.5, math.inf])
def test_what_waiting_costs_is_passed_on(heard: Heard, cost_s: float) -> None:
    assert heard.answered(None, cost_s).waiting_cost_s == cost_s


def test_how_the_last_words_end_is_passed_on_with_them(heard: Heard) -> None:
    ends = common_pb2.Ending(full_stop=0.25, question_mark=0.5, dots=0.125)
    heard.listener.on_asr("partial", asr_pb2.Partial(stable_text="I am", unstable_text="from", end_sample=800))
    heard.listener.on_asr("final", asr_pb2.Final(flush_id=1, text="I am from the lake", end_sample=1600))
    heard.listener.on_asr("ends", asr_pb2.Ends(flush_id=1, ending=ends))
    assert heard.links.words == [
        turn_pb2.HeardWords(stable_text="I am", unstable_text="from", end_sample=800),
        turn_pb2.HeardWords(stable_text="I am from the lake", end_sample=1600),
        turn_pb2.HeardWords(stable_text="I am from the lake", end_sample=1600, ending=ends),
    ]


@pytest.mark.parametrize(
    ("kind", "newer"),
    [
        ("partial", asr_pb2.Partial(unstable_text="in", end_sample=2000)),
        ("final", asr_pb2.Final(flush_id=2, text="in the north", end_sample=2400)),
    ],
)
def test_how_older_words_end_is_not_passed_on_over_newer_ones(heard: Heard, kind: str, newer: Any) -> None:
    heard.listener.on_asr("final", asr_pb2.Final(flush_id=1, text="I am from the lake", end_sample=1600))
    heard.listener.on_asr(kind, newer)
    told = list(heard.links.words)
    heard.listener.on_asr("ends", asr_pb2.Ends(flush_id=1, ending=common_pb2.Ending(dots=1.0)))
    assert heard.links.words == told


def test_who_is_speaking_when_the_microphone_stops_is_done_in_any_case() -> None:
    now, events = 0, list[ev.Event]()
    context = SimpleNamespace(session_id="s", now=lambda: now, feed=events.append, send=lambda **response: None)
    microphones = Microphones(
        cast(Opening, SimpleNamespace(output_audio=pcm_format(24_000), language="en")),
        cast(Peers, Links()),
        2,
        cast(SessionContext, context),
        lambda listener: lambda: None,
        whom=lambda microphone, speaker, text: "",
        company=cast(Company, None),
        utterances=Utterances("s", lambda at: at),
    )
    for speaker in ("ann", "bob"):
        microphones.allow(speaker, pcm_format(16_000), shared=False)
        microphones.of(speaker, speaker).hear(session_pb2.AudioChunk(pcm=bytes(640)))
    people = {"ann": SpeakerState(speaking=True), "bob": SpeakerState()}
    events.clear()
    now = 16_000
    microphones.end_stalled(people)
    assert not events
    now = 16_001
    microphones.end_stalled(people)
    assert events == [ev.SpeechStopped(now, "ann", 0, unheard=True)]


def test_another_stream_is_told_the_words_again(heard: Heard) -> None:
    heard.listener.turn_words("where are you")
    heard.listener.rebase("turn")
    assert heard.answered(None).words is None
    heard.listener.turn_words("where are you")
    assert heard.links.turn_words == [("where are you", 1), ("where are you", 2)]


def test_of_a_long_turn_the_end_is_read(heard: Heard) -> None:
    text = "and it rained " * 400
    heard.listener.turn_words(text)
    assert heard.links.turn_words == [(text[-4000:], 1)]
    assert heard.answered(1, tells_a_story=1.0).words == text


def test_the_words_of_a_turn_are_the_final_ones_and_those_that_may_still_change() -> None:
    assert words_of(SpeakerState(heard="I was", partial="at the lake")) == "I was at the lake"
    assert words_of(SpeakerState()) == ""

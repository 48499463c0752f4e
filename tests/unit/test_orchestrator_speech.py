"""A speech model's turns, and its words in its sound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.orchestrator.session.model_notes import ModelNotes
from services.orchestrator.session.proposals import Proposals
from services.orchestrator.speaking.model_reply import ModelReply
from services.orchestrator.speaking.spread import LETTER_S, Spread
from vivant.common.v1 import common_pb2
from vivant.speech.v1 import speech_pb2

RATE = 24_000


def loud(seconds: float) -> bytes:
    return np.full(round(seconds * RATE), 8000, "<i2").tobytes()


# --- turns --------------------------------------------------------------------------------------------------------------


def test_a_turn_is_kept_until_it_is_wanted_and_goes_on_from_there() -> None:
    proposals, heard = Proposals(), list[tuple[str, Any]]()
    proposal = proposals.of(1, at=700)
    assert proposal is not None and proposal is proposals.newest and proposal.began_at == 700
    proposal.put("text", "a")
    proposal.put("speech", speech_pb2.Speech(pcm=bytes(20)))
    assert not proposal.wanted and proposal.samples == 10
    proposal.adopt(lambda kind, message: heard.append((kind, message)))
    proposal.put("text", "b")
    assert [kind for kind, _ in heard] == ["text", "speech", "text"]
    assert proposals.of(1, at=900) is proposal


def test_of_what_was_dismissed_nothing_is_let_through() -> None:
    proposals = Proposals()
    assert not proposals.dismiss(), "nothing was begun"
    proposals.of(1, 0)
    assert proposals.dismiss() and proposals.next_turn_id == 2
    assert not proposals.dismiss(), "that is known"
    assert proposals.of(1, 0) is None
    second = proposals.of(2, 0)
    assert second is not None and proposals.of(4, 0) is proposals.newest
    assert proposals.of(2, 0) is None, "the model has gone on to another"


# --- notes --------------------------------------------------------------------------------------------------------------


def test_a_note_is_told_once_it_is_steady_or_at_once_where_it_is_awaited() -> None:
    notes = ModelNotes()
    assert notes.tell("where", "harbour", at_once=False) == ""
    assert notes.tell("where did", "school", at_once=False) == ""
    assert notes.tell("where did you", "school", at_once=False) == "school"
    assert notes.tell("where did you grow", "school", at_once=False) == "", "it knows"
    assert notes.tell("where did you grow up", "house", at_once=True) == "house"
    assert notes.tell("no wait", "", at_once=True) == ""
    assert notes.known == "no wait"


# --- words --------------------------------------------------------------------------------------------------------------


def test_words_share_the_sound_of_a_complete_reply_by_their_letters() -> None:
    spread = Spread(RATE, LETTER_S)
    spread.say("Yes in")
    spread.say("deed. ")
    spread.sound(bytes(RATE))
    spread.sound(loud(1.2))
    spread.sound(bytes(RATE))
    spread.end()
    words = [(word.text, word.start_sample, word.end_sample) for word in spread.words]
    # Half a second of silence on either side; 4 of 11 parts, and 7.
    assert words == [("Yes", 12_000, 22_473), ("indeed.", 22_473, 40_800)]
    assert spread.letter_s == pytest.approx(1.2 / 11)


def test_text_that_runs_ahead_is_not_taken_for_heard() -> None:
    spread = Spread(RATE, 0.05)
    spread.say("one two three four five six seven eight nine ten")
    spread.sound(loud(0.5))
    words = spread.words
    assert [word.text for word in words][-1] == "nine", "the last may go on"
    assert [word.text for word in words if word.end_sample <= 12_000] == ["one", "two"]


def test_text_in_step_with_a_slow_voice_is_spread_over_its_sound() -> None:
    spread = Spread(RATE, 0.05)
    for word in ("one", "two", "six", "ten"):
        spread.say(f"{word} ")
        spread.sound(loud(0.4))
    assert [word.end_sample for word in spread.words] == [9_600, 19_200, 28_800, 38_400]


def test_a_voice_that_is_faster_than_others_is_followed_where_its_words_come_with_their_sound() -> None:
    spread = Spread(RATE, LETTER_S)
    spread.say("and so ")
    for word in ("they", "went", "home", "at", "noon"):
        spread.say(f"{word} ")
        spread.sound(loud(0.045 * (len(word) + 1)))
    # What was known before the first sound runs ahead by 7 letters: not 1/15 s each, but 0.045 s as all others.
    assert spread.words[-1].end_sample == pytest.approx(RATE * 0.045 * (7 + 23), rel=0.12)


class Performed:
    """What a stage is told."""

    def __init__(self) -> None:
        self.audio = list[Any]()
        self.words = list[common_pb2.Word]()
        self.ended = 0
        self.reply = ModelReply(7, Spread(RATE, 0.05), on_audio=self.audio.append, on_end=self._on_end, on_words=self._on_words)

    def _on_end(self, source: Any, error: Any) -> None:
        assert source is self.reply and error is None
        self.ended += 1

    def _on_words(self, turn_id: int, words: Any) -> None:
        assert turn_id == 7
        self.words = words


def test_a_reply_without_times_has_all_its_words_at_its_end() -> None:
    stage = Performed()
    stage.reply.tell("Hello there.")
    stage.reply.sound(speech_pb2.Speech(pcm=loud(0.1), start_sample=90))
    assert (stage.audio[0].turn_id, stage.audio[0].start_sample, list(stage.audio[0].words)) == (7, 0, [])
    assert [word.text for word in stage.words] == ["Hello"]
    stage.reply.sound(speech_pb2.Speech(pcm=loud(0.1)))
    assert stage.audio[1].start_sample == stage.reply.samples - 2_400 == 2_400
    stage.reply.end()
    stage.reply.end()
    assert [word.text for word in stage.words] == ["Hello", "there."]
    assert (stage.words[-1].end_sample, stage.ended) == (4_800, 1)


def test_the_times_that_a_model_tells_are_the_times() -> None:
    stage = Performed()
    stage.reply.tell("Hello ")
    word = common_pb2.Word(text="Hello", start_sample=100, end_sample=2_000)
    stage.reply.sound(speech_pb2.Speech(pcm=loud(0.1), words=[word]))
    stage.reply.end()
    assert list(stage.audio[0].words) == [word]
    assert stage.words == []


def test_of_a_reply_that_is_not_wanted_nothing_is_passed_on() -> None:
    stage = Performed()
    stage.reply.cancel()
    stage.reply.sound(speech_pb2.Speech(pcm=loud(0.1)))
    stage.reply.end()
    assert (stage.audio, stage.ended) == ([], 0)

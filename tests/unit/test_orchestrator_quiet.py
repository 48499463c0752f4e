"""What the persona does while nothing is asked of it, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import cast

import numpy as np
import pytest

from services.common.reading.reading import Reading
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog import quiet
from services.orchestrator.dialog.events import Contribution, Line, Phase, PlaybackState, ms
from services.orchestrator.dialog.state import Style
from services.orchestrator.links.clients import Peers
from services.orchestrator.speaking.backchannels import BackchannelSounds, trimmed
from tests.harness.virtual_talk import Talk, story
from vivant.common.v1 import common_pb2
from vivant.errors import Unavailable
from vivant.tts.v1 import tts_pb2

STYLE = Style(backchannel_every=ms(8000), prompts=True, waits=True)


def test_a_long_story_is_nodded_at_in_every_pause_and_answered_by_a_word_now_and_then() -> None:
    talk = Talk(STYLE)
    story(talk, 0, parts=6)
    given = talk.of(fx.Backchannel)
    assert [each.nod for each in given] == [True] * 6
    assert [each.voice for each in given] == [True, False, False, True, False, False]
    assert talk.state.phase is Phase.LISTENING
    assert not talk.of(fx.Commit)


def test_what_is_no_story_is_only_nodded_at() -> None:
    talk = Talk(STYLE)
    story(talk, 0, parts=3, opening="my daughter")
    assert talk.of(fx.Backchannel) == [fx.Backchannel(nod=True, voice=False)] * 3


def test_no_word_is_said_where_the_turn_may_be_over() -> None:
    talk = Talk(STYLE)
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.WordsHeard, 2000, "Spk1", "let me tell you what happened")
    talk(ev.SpeechStopped, 4200, "Spk1", last_speech_at=ms(4000))
    talk.told(4240, "Spk1", 0.45)
    talk(ev.Opportunity, 4250, "Spk1", 0.55)
    assert talk.of(fx.Backchannel) == [fx.Backchannel(nod=True, voice=False)]


def test_a_story_is_one_too_while_its_newest_words_are_not_read_yet() -> None:
    talk = Talk(STYLE, reads=False)
    begun = "let me tell you what happened"
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.WordsHeard, 2000, "Spk1", begun)
    talk(ev.SpeechStopped, 4200, "Spk1", last_speech_at=ms(4000))
    talk(ev.EndOfTurn, 4220, "Spk1", 0.2, 0.0, begun, Reading(tells_a_story=1.0))
    talk(ev.WordsHeard, 4230, "Spk1", f"{begun} to my brother")
    talk(ev.Opportunity, 4240, "Spk1", 0.8)
    assert talk.of(fx.Backchannel) == [fx.Backchannel(nod=True, voice=True)]


def test_a_persona_that_neither_nods_nor_speaks_only_listens() -> None:
    talk = Talk(Style(nods=False))
    story(talk, 0, parts=3)
    assert not talk.of(fx.Backchannel)


def test_after_a_long_silence_it_speaks_up_twice_and_then_is_silent() -> None:
    talk = Talk(STYLE)
    talk.say("hello", 0, 500)
    talk(ev.PlaybackChanged, 3000, talk.answered(1000), PlaybackState.FINISHED)
    at = 3000.0
    for _ in range(2):
        talk.until(at + 9_999)
        assert talk.state.phase is Phase.LISTENING
        talk.until(at + 10_002)
        assert talk.state.phase is Phase.THINKING
        turn_id = talk.state.turn_id
        talk(ev.PlaybackChanged, at + 10_300, turn_id, PlaybackState.STARTED)
        talk(ev.PlaybackChanged, at + 12_000, turn_id, PlaybackState.FINISHED)
        at += 12_000
    talk.until(at + 60_000)
    assert talk.state.phase is Phase.SILENT
    assert [each.line for each in talk.of(fx.SayLine)] == [Line.PROMPT] * 2
    assert len({each.turn_id for each in talk.of(fx.SayLine)}) == 2


def test_it_does_not_speak_up_before_anybody_has_spoken_to_it() -> None:
    talk = Talk(STYLE)
    talk.until(60_000)
    assert talk.state.phase is Phase.SILENT
    assert not talk.of(fx.SayLine)


def test_speech_ends_the_silence_and_is_answered() -> None:
    talk = Talk(Style())
    talk.until(11_000)
    assert talk.state.phase is Phase.SILENT
    talk.say("where did you grow up", 12_000, 13_500)
    assert [commit.contribution.text for commit in talk.of(fx.Commit)] == ["where did you grow up"]
    assert [show.phase for show in talk.of(fx.Show)] == [Phase.SILENT, Phase.LISTENING, Phase.THINKING]


def test_what_is_typed_into_the_silence_is_answered() -> None:
    talk = Talk(Style())
    talk.until(11_000)
    talk(ev.TextTyped, 12_000, Contribution("Spk1", "hello", typed=True, ended_at=ms(12_000)))
    assert len(talk.of(fx.Commit)) == 1


def test_who_is_asked_to_wait_says_so_and_waits() -> None:
    talk = Talk(STYLE)
    talk.say("hang on a second", 0, 1000)
    assert not talk.of(fx.Commit), "no reply is thought of"
    assert [note.contribution.text for note in talk.of(fx.Note)] == ["hang on a second"]
    (line,) = talk.of(fx.SayLine)
    assert line.line is Line.WAIT
    talk(ev.PlaybackChanged, 1600, line.turn_id, PlaybackState.STARTED)
    talk(ev.PlaybackChanged, 2600, line.turn_id, PlaybackState.FINISHED)
    talk.until(200_000)
    assert talk.state.phase is Phase.SILENT
    assert len(talk.of(fx.SayLine)) == 1, "it does not speak up"
    talk.say("so where did you grow up", 200_000, 201_000)
    assert len(talk.of(fx.Commit)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Wait a moment.",
        "Hold on.",
        "Hang on a sec, please",
        "Just a minute.",
        "One moment",
        "Give me a second.",
        "I need a minute",
    ],
)
def test_a_request_to_wait(text: str) -> None:
    assert quiet.asks_to_wait(Contribution("Spk1", text))


@pytest.mark.parametrize(
    "text",
    [
        "Hold on, what did you say?",
        "Wait, who is Cal?",
        "I held on to it.",
        "It took a minute.",
        "Tell me about the moment you knew.",
        "We had to wait a minute for the bus and then it rained all the way home",
    ],
)
def test_something_else(text: str) -> None:
    assert not quiet.asks_to_wait(Contribution("Spk1", text))


def test_a_murmur_has_no_silence_around_it_and_keeps_its_sounds() -> None:
    voice = np.zeros(24_000, np.int16)
    voice[6_000:12_000] = 8_000
    sounds = [common_pb2.Phoneme(symbol="m", start_sample=6_000, end_sample=12_000)]
    aside = trimmed(voice, sounds, 24_000)
    pcm = np.frombuffer(aside.pcm, "<i2")
    assert len(pcm) == 6_000 + 240 + 960
    assert pcm.max() == 4_800
    assert [(sound.start_sample, sound.end_sample) for sound in aside.phonemes] == [(240, 6_240)]


def test_a_murmur_of_nothing_is_empty() -> None:
    assert not trimmed(np.zeros(1000, np.int16), [], 24_000).pcm


class Speaker:
    """In place of the services: says one second for each text; "..." is silence, and at first there is no voice."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.available = False

    async def speak(
        self, config: tts_pb2.SynthesizeConfig, texts: AsyncGenerator[str, None], timeout_s: float
    ) -> AsyncGenerator[tts_pb2.Audio, None]:
        if not self.available:
            raise Unavailable("no voice")
        async for text in texts:
            self.asked.append(text)
            yield tts_pb2.Audio(pcm=bytes(48_000) if text == "..." else b"\1\x20" * 24_000)


async def test_murmurs_are_prepared_once_for_a_voice_and_silent_ones_are_left_out() -> None:
    speaker = Speaker()
    sounds = BackchannelSounds(cast(Peers, speaker), timeout_s=1)
    config = tts_pb2.SynthesizeConfig(audio=common_pb2.AudioFormat(sample_rate_hz=24_000))
    assert await sounds.of(config, ["Mm-hm.", "...", "Yeah."]) == ()
    speaker.available = True
    assert [sound.text for sound in await sounds.of(config, ["Mm-hm.", "...", "Yeah."])] == ["Mm-hm.", "Yeah."]
    await sounds.of(config, ["Mm-hm.", "...", "Yeah."])
    assert speaker.asked == ["Mm-hm.", "...", "Yeah."]


def test_it_does_not_speak_up_while_others_talk_to_each_other() -> None:
    talk = Talk(STYLE)
    for name in ("Ann", "Bob"):
        talk(ev.Named, 0, name, name)
        talk(ev.Joined, 0, name)
    talk(ev.TextTyped, 100, Contribution("Ann", "where did you grow up", typed=True, ended_at=ms(100)))
    turn_id = talk.answered(200)
    talk(ev.PlaybackChanged, 3000, turn_id, PlaybackState.FINISHED)
    talk(ev.TextTyped, 9000, Contribution("Ann", "Bob, did you lock the door?", typed=True, ended_at=ms(9000)))
    talk.until(14_000)
    assert talk.state.phase is Phase.LISTENING, "the silence counts from what was said last"
    talk.until(40_000)
    assert talk.state.phase is Phase.SILENT
    assert not talk.of(fx.SayLine)

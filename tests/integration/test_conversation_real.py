"""Conversations with the real models, every service in its own process, through the client package."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

import vivant
from tests.harness.system import System
from tests.harness.talk import Talk, conversation, is_audible, plain

UNIT_SAMPLES: Final = 960
#: After such a silence every turn is over, and its reply has begun.
_LONGEST_SILENCE_S: Final = 5.0
#: Mouth and chin in the picture of 512 px. The head as a whole also moves when it listens: it nods.
MOUTH: Final = (slice(270, 400), slice(190, 320))


def pictures(talk: Talk, codec: str) -> dict[int, NDArray[np.uint8]]:
    """The decoded pictures by unit, in grey; fails when a frame cannot be decoded."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    found: dict[int, NDArray[np.uint8]] = {}
    for unit in talk.of(vivant.Unit):
        assert unit.frame, f"unit {unit.index} has no frame"
        if not unit.frame.repeated:
            (picture,) = decoder.decode(av.Packet(unit.frame.data))
            found[unit.index] = picture.to_ndarray(format="gray")
    return found


def moved(images: dict[int, NDArray[np.uint8]], units: list[vivant.Unit]) -> float:
    """The median change between neighbouring pictures, in grey levels of the mouth."""
    indices = [unit.index for unit in units if unit.index in images]
    changes = [np.abs(images[b][MOUTH].astype(int) - images[a][MOUTH]).mean() for a, b in pairwise(indices)]
    return float(np.median(changes))


def spoken_units(talk: Talk, turn_id: int) -> list[vivant.Unit]:
    return [unit for unit in talk.of(vivant.Unit) if unit.turn_id == turn_id]


def assert_steady(talk: Talk) -> None:
    """Units count by one, 40 ms each, without gaps in their time."""
    units = talk.of(vivant.Unit)
    assert [unit.index for unit in units] == list(range(len(units)))
    assert all(len(unit.pcm) == 2 * UNIT_SAMPLES for unit in units)
    assert [unit.start_sample for unit in units] == [UNIT_SAMPLES * index for index in range(len(units))]


async def test_a_spoken_and_a_typed_question_are_answered_with_voice_and_face(real: System) -> None:
    async with conversation(real.address, microphone=True, video=vivant.Video("vp8", 512)) as talk:
        await talk.microphone.say("whatstheweatherlike.wav", participant="Ann")
        turn = await talk.until(vivant.Turn, timeout_s=60)
        heard = await talk.until(vivant.Transcript, lambda each: each.final)
        assert {"weather", "like"} <= set(plain(heard.text))
        assert heard.participant_id == "Ann"
        assert not heard.typed
        assert not turn.interrupted
        assert plain(turn.heard_text) == plain(turn.full_text) == plain(talk.captions(turn.turn_id))
        assert len(plain(turn.full_text)) >= 3
        await assert_seen_and_heard(talk, turn)

        since = talk.mark
        typed = await talk.ask("Where did you grow up?")
        assert {"quarry", "farmhouse", "michigan", "harbor"} & set(plain(typed.full_text)), typed.full_text
        assert typed.passages
        transcript = talk.of(vivant.Transcript, since)[0]
        assert transcript.typed
        assert transcript.final
        await talk.session.finish()
        await talk.ending()
        assert_steady(talk)
        assert not talk.of(vivant.Notice)


async def assert_seen_and_heard(talk: Talk, turn: vivant.Turn) -> None:
    """The reply sounds and moves, and its stages are in order."""
    voice = talk.voice(turn.turn_id).astype(float)
    assert np.sqrt(np.mean(voice**2)) > 500, "the voice is too quiet to be speech"
    units = spoken_units(talk, turn.turn_id)
    assert [unit.turn_sample for unit in units] == [UNIT_SAMPLES * index for index in range(len(units))]
    images = pictures(talk, "vp8")
    idle = [unit for unit in talk.of(vivant.Unit) if unit.index < units[0].index and not unit.turn_id]
    assert moved(images, units) > 2 * moved(images, idle), "the mouth does not move more when it speaks"
    metrics = await talk.until(vivant.Metrics, lambda each: each.turn_id == turn.turn_id)
    names = [stage.name for stage in metrics.stages]
    assert [name for name in names if name in ORDER] == list(ORDER)
    times = [stage.at_ms for stage in metrics.stages]
    assert times == sorted(times)


ORDER: Final = ("end_of_turn", "llm_first_text", "tts_first_audio", "first_unit")


async def test_h264_can_be_decoded_too(real: System) -> None:
    async with conversation(real.address, video=vivant.Video("h264", 512)) as talk:
        turn = await talk.ask("What is your name?")
        assert "june" in plain(turn.full_text)
        assert len(pictures(talk, "h264")) > 25


async def test_speaking_over_it_stops_it_and_it_remembers_what_was_heard(real: System) -> None:
    async with conversation(real.address, microphone=True) as talk:
        await talk.session.send_text("Tell me about the house you grew up in.")
        turn_id = (await talk.speaking(seconds=1.0)).turn_id
        await talk.microphone.say("chat_input_1.wav")
        turn = await talk.until(vivant.Turn)
        assert turn.turn_id == turn_id
        assert turn.interrupted
        assert_heard_in_part(talk, turn)
        after = talk.events.index(turn)
        stale = [unit for unit in talk.of(vivant.Unit, after) if unit.turn_id == turn_id]
        assert not stale
        answer = await talk.until(vivant.Turn, since=after + 1, timeout_s=60)
        assert answer.turn_id > turn_id
        heard = [each.text for each in talk.of(vivant.Transcript) if each.final and not each.typed]
        assert "dogs" in plain(" ".join(heard))


async def test_the_stop_button_stops_it(real: System) -> None:
    async with conversation(real.address) as talk:
        await talk.session.send_text("Tell me about the house you grew up in.")
        await talk.speaking(seconds=1.0)
        await talk.session.interrupt()
        turn = await talk.until(vivant.Turn)
        assert turn.interrupted
        assert_heard_in_part(talk, turn)
        after = talk.events.index(turn)
        fade = await talk.until(vivant.Unit, since=after)
        silent = await talk.until(vivant.Unit, lambda unit: unit.index >= fade.index + 10, since=after)
        assert silent.turn_id == 0
        assert not any(is_audible(unit) for unit in talk.of(vivant.Unit, after) if unit.index > fade.index)
        assert (await talk.ask("What is your name?")).heard_text


def assert_heard_in_part(talk: Talk, turn: vivant.Turn) -> None:
    """What is remembered are the words that were played to their end, give or take one."""
    heard, full = plain(turn.heard_text), plain(turn.full_text)
    assert 0 < len(heard) < len(full)
    assert full[: len(heard)] == heard
    words = [word for caption in talk.of(vivant.Caption) if caption.turn_id == turn.turn_id for word in caption.words]
    played = max(unit.turn_sample for unit in spoken_units(talk, turn.turn_id)) + UNIT_SAMPLES
    ended = [word for word in words if word.end_sample <= played]
    assert abs(len(ended) - len(heard)) <= 1


async def test_two_people_are_told_apart_and_talk_between_them_is_not_answered(real: System) -> None:
    async with conversation(real.address, microphone=True) as talk:
        await talk.microphone.say("goforward.wav", participant="Ann", addressees=("Ben",))
        aside = await talk.until(vivant.Transcript, lambda each: each.final)
        assert (aside.participant_id, [to.participant_id for to in aside.addressees]) == ("Ann", ["Ben"])
        assert "forward" in plain(aside.text)
        since = talk.mark
        await talk.microphone.say("whatstheweatherlike.wav", participant="Ben")
        turn = await talk.until(vivant.Turn, since=since, timeout_s=60)
        question = await talk.until(vivant.Transcript, lambda each: each.final, since=since)
        assert question.participant_id == "Ben"
        assert "weather" in plain(question.text)
        assert talk.of(vivant.Turn) == [turn], "what Ann said to Ben was answered"


async def test_what_sounds_as_if_it_were_said_to_the_other_is_not_answered_without_a_name(real: System) -> None:
    async with conversation(real.address, microphone=True) as talk:
        await talk.microphone.say("whatstheweatherlike.wav", participant="Ben")
        first = await talk.until(vivant.Turn, timeout_s=60)
        since = talk.mark
        await talk.microphone.say("goforward.wav", participant="Ann")
        aside = await talk.until(vivant.Transcript, lambda each: each.final, since=since)
        assert "forward" in plain(aside.text)
        await asyncio.sleep(_LONGEST_SILENCE_S)
        assert not [unit for unit in talk.of(vivant.Unit, since) if unit.turn_id > first.turn_id], "June has answered Ann"
        since = talk.mark
        await talk.microphone.say("whatstheweatherlike.wav", participant="Ben")
        await talk.until(vivant.Turn, since=since, timeout_s=60)

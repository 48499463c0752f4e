"""Telling speakers apart by voice: the prints of real voices, and who is who."""

from __future__ import annotations

import asyncio
from itertools import combinations

import numpy as np
import pytest

from services.asr.voices.listening import Voices
from services.asr.voices.people import People
from services.asr.voices.voice_space import VoiceSpace
from services.asr.voices.voiceprint import Array, Voiceprints
from services.common.settings import SharedSettings
from tests.harness.data import BENCH, recording

WEIGHTS = SharedSettings().models_dir / "resemblyzer" / "ge2e.onnx"


def scenario(name: str) -> Array:
    return recording(f"{name}.flac", BENCH / "scenarios")


def reading(name: str) -> Array:
    return recording(f"{name}.flac", BENCH / "librispeech_test_other")


def muffled(sound: Array, cutoff_hz: float) -> Array:
    spectrum, hz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / 16_000)
    return np.fft.irfft(spectrum / (1 + (hz / cutoff_hz) ** 4), len(sound)).astype(np.float32)


@pytest.fixture(scope="module")
def prints() -> Voiceprints:
    return Voiceprints(WEIGHTS)


@pytest.fixture(scope="module")
def space() -> VoiceSpace:
    return VoiceSpace.load()


def typical(sign: float) -> Array:
    """The print of a voice that is far from the mean of all voices, and in half of the directions on this side of it."""
    space = VoiceSpace.load()
    signs = np.where(np.arange(len(space.spread)) % 2, sign, 1)
    vector = space.mean + np.linalg.pinv(space.axes.T) @ (1.5 * signs * np.sqrt(space.spread))
    return np.asarray(vector, np.float32)


def between(one: Array, other: Array, share: float) -> Array:
    return np.asarray((1 - share) * one + share * other, np.float32)


ANN, BOB = typical(1), typical(-1)


# --- the prints of real voices ------------------------------------------------------------------------------------------


def test_a_print_is_that_of_the_published_model(prints: Voiceprints) -> None:
    found, _ = prints.of(scenario("checking"))
    assert found[[127, 32, 21, 134]] == pytest.approx([0.243631, 0.201001, 0.195542, 0.192267], abs=1e-5)


def test_the_same_voice_is_nearer_than_another(prints: Voiceprints) -> None:
    ann = [prints.of(scenario(name))[0] for name in ("checking", "an_idea")]
    bob = [prints.of(scenario(name))[0] for name in ("crashes", "best_guess")]
    same = min(float(first @ second) for people in (ann, bob) for first, second in combinations(people, 2))
    other = max(float(first @ second) for first in ann for second in bob)
    assert same > other + 0.1


def test_a_print_is_the_same_for_a_softer_recording_with_pauses(prints: Voiceprints) -> None:
    loud = scenario("checking")
    soft = np.concatenate((np.zeros(16_000, np.float32), 0.2 * loud, np.zeros(16_000, np.float32)))
    first, seconds = prints.of(loud)
    second, without_pauses = prints.of(soft)
    assert float(first @ second) > 0.95
    assert without_pauses == pytest.approx(seconds, abs=0.3)


def test_silence_has_no_print(prints: Voiceprints) -> None:
    print_, seconds = prints.of(np.zeros(16_000, np.float32))
    assert seconds == 0.0 and not print_.any()
    assert prints.of(np.zeros(10, np.float32))[1] == 0.0


# --- where voices lie ---------------------------------------------------------------------------------------------------


def test_the_space_of_voices_says_who_is_who_where_prints_alone_do_not(prints: Voiceprints, space: VoiceSpace) -> None:
    first, second = (space.heard(*prints.of(reading(name))) for name in ("2414-128291-0001", "2414-128291-0002"))
    other = space.heard(*prints.of(reading("533-1066-0002")))
    assert space.odds(first, second) > 1
    assert space.odds(first, other) < -4.5
    assert space.odds(first, other) == pytest.approx(space.odds(other, first), rel=1e-4)


def test_little_speech_says_little(space: VoiceSpace) -> None:
    known = space.heard(ANN, 5.0)
    assert space.odds(known, space.heard(BOB, 0.5)) > space.odds(known, space.heard(BOB, 5.0)) + 1


def test_all_that_was_heard_is_never_worth_more_than_a_share_of_a_conversation(space: VoiceSpace) -> None:
    known = space.heard(ANN, 5.0)
    for _ in range(200):
        known = known + space.heard(ANN, 5.0)
    assert known.weight == pytest.approx(40)
    np.testing.assert_allclose(known.total / known.weight, (ANN - space.mean) @ space.axes, rtol=1e-3)


# --- who is who ---------------------------------------------------------------------------------------------------------


def test_labels_come_in_the_order_of_the_voices(space: VoiceSpace) -> None:
    people = People(space)
    assert [people.who(voice, 3.0) for voice in (ANN, BOB, ANN, BOB, BOB)] == ["voice1", "voice2", "voice1", "voice2", "voice2"]


def test_a_strange_short_utterance_opens_nobody(space: VoiceSpace) -> None:
    people = People(space)
    people.who(ANN, 3.0)
    assert people.who(BOB, 1.5) == "voice1"


def test_a_strange_voice_that_comes_again_is_somebody(space: VoiceSpace) -> None:
    people = People(space)
    people.who(ANN, 3.0)
    assert [people.who(BOB, 1.6), people.who(BOB, 1.6), people.who(ANN, 1.6)] == ["voice1", "voice2", "voice1"]


def test_voices_that_are_rather_alike_add_up_until_they_are_two(space: VoiceSpace) -> None:
    people, alike = People(space), between(ANN, BOB, 0.75)
    assert -4.5 < space.odds(space.heard(alike, 3.0), space.heard(ANN, 3.0)) < -1
    labels = [people.who(voice, 3.0) for voice in (ANN, *[alike] * 8)]
    assert labels[1] == "voice1" and labels[-1] == "voice2"
    assert people.who(ANN, 3.0) == "voice1"


def test_a_sound_that_is_too_short_is_whoever_spoke_last(space: VoiceSpace) -> None:
    people = People(space)
    assert people.who(ANN, 0.2) == "voice1"
    people.who(ANN, 3.0)
    people.who(BOB, 3.0)
    assert people.who(ANN, 0.3) == "voice2"


def test_a_voice_that_drifts_slowly_stays_one(space: VoiceSpace) -> None:
    people = People(space)
    assert {people.who(between(ANN, BOB, 0.01 * step), 3.0) for step in range(40)} == {"voice1"}


# --- one voice that had two labels --------------------------------------------------------------------------------------


def split(space: VoiceSpace) -> People:
    """Ann at one moment and at a quite different one are two voices so far."""
    people = People(space)
    assert [people.who(voice, 3.0) for voice in (ANN, ANN, BOB, BOB)] == ["voice1", "voice1", "voice2", "voice2"]
    assert not people.given_up
    return people


def test_later_speech_that_lies_between_makes_two_labels_one(space: VoiceSpace) -> None:
    people = split(space)
    later = [people.who(between(ANN, BOB, 0.5 + 0.02 * (step % 5 - 2)), 3.0) for step in range(30)]
    assert people.given_up == {"voice2": "voice1"}
    assert later[-1] == people.who(BOB, 3.0) == people.who(ANN, 3.0) == "voice1", "and from then on it has the older label"


def test_who_was_muffled_is_one_again_when_the_sound_clears_up(prints: Voiceprints, space: VoiceSpace) -> None:
    """As through a hand over the microphone, then without it, then with it once more and slowly taken away."""
    people = People(space)
    first = [(number, 700 if number < 3 else 8000) for number in range(6)]
    clearing = [(number, cutoff_hz) for cutoff_hz in (1200, 1600, 2200, 3000) for number in range(6, 10)]
    labels = [
        people.who(*prints.of(muffled(reading(f"2414-128291-{number:04}")[:64_000], cutoff_hz)))
        for number, cutoff_hz in first + clearing
    ]
    assert "voice2" in labels[:6], "at first they seem to be two"
    assert people.given_up == {"voice2": "voice1"}
    assert labels[-12:] == 12 * ["voice1"]


def test_two_people_stay_two_however_long_they_talk(prints: Voiceprints, space: VoiceSpace) -> None:
    """Of each two of five readers."""
    turns = {
        reader: [prints.of(reading(f"{reader}-{number:04}")) for number in range(4)]
        for reader in ("2414-128291", "3005-163389", "3331-159605", "367-130732", "533-1066")
    }
    for one, other in combinations(turns, 2):
        people = People(space)
        labels = [people.who(*turn) for pair in 3 * list(zip(turns[one], turns[other], strict=True)) for turn in pair]
        assert not people.given_up
        assert labels[8:] == 8 * ["voice1", "voice2"], f"{one} and {other}"


def test_who_was_taken_for_another_gets_the_label_back(space: VoiceSpace) -> None:
    people = split(space)
    for step in range(30):
        people.who(between(ANN, BOB, 0.5 + 0.02 * (step % 5 - 2)), 3.0)
    assert people.given_up == {"voice2": "voice1"}
    for _ in range(60):
        people.who(ANN, 6.0)
    assert [people.who(BOB, 6.0) for _ in range(8)][-1] == "voice2"
    assert not people.given_up


# --- listening ----------------------------------------------------------------------------------------------------------


async def test_what_was_begun_at_the_pause_answers_for_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    voices = Voices(WEIGHTS)
    made = []

    async def print_of(samples: Array) -> tuple[Array, float]:
        made.append(len(samples))
        return ANN, 2.0

    monkeypatch.setattr(voices, "print_of", print_of)
    listening = voices.open()
    for _ in range(100):
        listening.hear(np.zeros(320, np.float32))
    listening.begin(16_000, 30_000)
    await asyncio.sleep(0)
    assert await listening.who(16_400, 31_000) == "voice1"
    assert made == [14_000], "and it was not made again"
    assert listening.latest == "voice1"
    listening.begin(0, 8_000)
    assert await listening.who(16_400, 31_000) == "voice1"
    assert made[-1] == 31_000 - 16_400, "what was begun for other words does not count"
    listening.close()
    voices.close()


async def test_skipped_time_keeps_positions() -> None:
    voices = Voices(WEIGHTS)
    listening = voices.open()
    listening.skip(160_000)
    speech = scenario("checking")
    for start in range(0, len(speech), 1600):
        listening.hear(speech[start : start + 1600])
    assert await listening.who(160_000, 160_000 + len(speech)) == "voice1"
    voices.close()

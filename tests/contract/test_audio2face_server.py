"""The driver audio2face with a server that keeps the vendor's protocol, or breaks it in one way each.

The stand-in opens the jaw by the loudness of what it hears, so where a picture's jaw lies in time is measured, not assumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.addresses import free_port
from services.common import serving
from services.common.playout.emission import Emission
from services.common.playout.playout import Playout
from services.face.engine import AHEAD_S
from services.face.engines.audio2face import Audio2FaceEngine, stretch
from services.face.engines.audio2face.mouth import DrivenMouth
from services.face.engines.portrait.expression import channel
from services.face.engines.portrait.speech import LEAD_S
from services.face.engines.portrait.visemes import SEAL
from services.face.settings import FaceSettings
from services.face.slots import Slots
from tests.harness.audio2face_server import (
    FUNCTION,
    KEY,
    NAMES,
    Audio2FaceServer,
    Behaviour,
    audio2face_serving,
    driver,
    driving,
    jaw_of,
)
from tests.harness.waiting import PATIENCE_S, until
from vivant.errors import Unavailable, Unusable, VivantError

RATE = 24_000
STATUS = grpc.StatusCode
#: A mouth comes out of its rest in these units.
COMES = 6
JAW, PUCKER = channel("jawOpen"), channel("mouthPucker")


@pytest.fixture
async def server() -> AsyncIterator[Audio2FaceServer]:
    async with audio2face_serving() as made:
        yield made


@pytest.fixture
async def engine(server: Audio2FaceServer) -> AsyncIterator[Audio2FaceEngine]:
    """It has met its server, and draws nothing."""
    async with driving(server, load=False) as made:
        yield made


def voice(seconds: float, rate_hz: int = RATE, seed: int = 1) -> NDArray[np.float32]:
    """A tone that swells and fades like syllables, never twice alike."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    swell = 0.5 + 0.3 * np.sin(2 * np.pi * 1.7 * at + seed) + 0.2 * np.sin(2 * np.pi * 2.9 * at + 2 * seed)
    return (0.4 * swell * np.sin(2 * np.pi * (150 + 11 * seed) * at)).astype(np.float32)


@dataclass(frozen=True)
class Shown:
    """What a picture shows, and of which moment."""

    turn_id: int
    position: int
    shape: NDArray[np.float64]

    @property
    def jaw(self) -> float:
        return float(self.shape[JAW])


class Talk:
    """A face of which only the mouth is looked at; as fast as the server answers."""

    def __init__(self, engine: Audio2FaceEngine, rate_hz: int = RATE, patience_s: float = PATIENCE_S) -> None:
        assert engine._server is not None
        self.rate_hz = rate_hz
        self.playout = Playout(rate_hz)
        self.slots = Slots(self.playout, engine.info.ahead_s)
        self.mouth = DrivenMouth(engine._server, patience_s)
        self.shown: list[Shown] = []
        self.left: list[Emission] = []
        self.troubles: list[VivantError] = []

    def say(self, turn_id: int, sound: NDArray[np.float32], start: int = 0, *, end: bool = True) -> None:
        assert self.playout.push(turn_id, sound, start) is not None
        self.slots.speech(turn_id, start)
        if end:
            self.playout.end(turn_id)

    async def units(self, count: int) -> list[Shown]:
        """The next ones."""
        await asyncio.to_thread(self._units, count)
        return self.shown[-count:]

    def _units(self, count: int) -> None:
        for _ in range(count):
            slot = self.slots.plan()
            made = self.mouth.step(slot, 0.04)
            self.troubles += self.mouth.troubles()
            self.shown.append(Shown(slot.turn_id, slot.turn_sample, made))
            self.left.append(self.playout.emit())

    async def whole(self, turn_id: int, sound: NDArray[np.float32]) -> list[Shown]:
        """A reply from its start to its end."""
        self.say(turn_id, sound)
        return await self.units(-(-len(sound) * 25 // self.rate_hz))

    async def rest(self) -> None:
        """Until the server owes nothing any more."""
        await until(lambda: all(each.over for each in self.mouth._running))
        await self.units(1)


def error_at(shift_s: float, shown: list[Shown], sound: NDArray[np.float32], rate_hz: int = RATE) -> float:
    """How far the jaws are from those of the sound `shift_s` later; on average."""
    wanted = [min(1.0, jaw_of(sound, rate_hz, each.position / rate_hz + LEAD_S + shift_s)) for each in shown]
    return float(np.mean(np.abs(np.array([each.jaw for each in shown]) - wanted)))


def assert_follows(shown: list[Shown], sound: NDArray[np.float32], rate_hz: int = RATE, closely: float = 0.015) -> None:
    """The jaw is that of its own moment: none further than 10 ms away fits better."""
    later = shown[COMES:]
    assert len(later) >= 10
    errors = {shift: error_at(shift / 1000, later, sound, rate_hz) for shift in range(-100, 101, 5)}
    assert abs(min(errors, key=lambda shift: errors[shift])) <= 10, errors
    assert errors[0] < closely


# --- the mouth and the sound ---


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000, 44_100, 48_000])
async def test_the_jaw_follows_the_sound_at_every_rate(engine: Audio2FaceEngine, rate_hz: int) -> None:
    talk, sound = Talk(engine, rate_hz), voice(3, rate_hz)
    assert_follows(await talk.whole(1, sound), sound, rate_hz)
    assert talk.troubles == []


async def test_replies_and_interruptions_stay_in_time_and_sound_as_they_were(
    server: Audio2FaceServer, engine: Audio2FaceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretch, "QUIET_S", PATIENCE_S)
    talk = Talk(engine)
    sounds = {turn: voice(2.4 + 0.3 * turn, seed=turn) for turn in (1, 2, 3, 4)}
    assert_follows(await talk.whole(1, sounds[1]), sounds[1])
    await talk.units(7)
    talk.say(2, sounds[2])
    assert_follows(await talk.units(30), sounds[2])
    talk.playout.clear(3)
    (silent,) = await talk.units(1)
    assert silent.turn_id == 0
    talk.say(3, sounds[3], end=False)
    assert_follows(await talk.units(20), sounds[3])
    # A newer reply takes the place of one that is not over.
    assert_follows(await talk.whole(4, sounds[4]), sounds[4])
    for emission in talk.left:
        if emission.turn_id and not emission.fading:
            said = sounds[emission.turn_id][emission.turn_sample :][: len(emission.voice)]
            assert np.array_equal(emission.voice[: len(said)], said)
    await talk.rest()
    assert talk.troubles == []
    assert len(server.streams) == 5, "one to meet, and one for each reply"


async def test_a_reply_is_one_stream_of_what_was_said_in_pieces_that_the_server_takes(
    server: Audio2FaceServer, engine: Audio2FaceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretch, "QUIET_S", PATIENCE_S)
    talk, sound = Talk(engine, 16_000), voice(5.02, 16_000)
    for start in range(0, len(sound), 1_600):
        talk.say(1, sound[start : start + 1_600], start, end=start + 1_600 >= len(sound))
    await talk.units(126)
    await talk.rest()
    (received,) = server.streams[1:]
    assert np.frombuffer(received.pcm, "<i2")[: len(sound)] / 32767 == pytest.approx(sound, abs=1e-4)
    assert max(received.sizes) <= 32_000
    assert received.ended
    asked = received.header
    assert (asked.samples_per_second, asked.channel_count, asked.bits_per_sample) == (16_000, 1, 16)


async def test_what_is_not_said_any_more_is_given_up(server: Audio2FaceServer, engine: Audio2FaceEngine) -> None:
    talk = Talk(engine)
    talk.say(1, voice(20))
    await talk.units(5)
    talk.playout.clear(2)
    talk.say(2, voice(1))
    await talk.units(25)
    await until(lambda: server.streams[1].given_up)
    assert server.streams[1].seconds < 3, "little was wasted"
    talk.say(3, voice(20))
    await talk.units(5)
    talk.mouth.close()
    await until(lambda: server.streams[3].given_up)
    assert talk.troubles == []


async def test_a_voice_that_makes_wait_is_several_stretches(
    server: Audio2FaceServer, engine: Audio2FaceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretch, "QUIET_S", 0.05)
    talk, sound = Talk(engine), voice(4)
    talk.say(1, sound[: 2 * RATE], end=False)
    first = await talk.units(50)
    await until(lambda: server.streams[-1].ended)
    talk.say(1, sound[2 * RATE :], 2 * RATE)
    second = await talk.units(50)
    assert_follows(first, sound)
    assert_follows(second, sound)
    await talk.rest()
    assert len(server.streams) > 2 and talk.troubles == []


async def test_a_reply_longer_than_a_server_takes_goes_on_in_the_next_stretch(
    server: Audio2FaceServer, engine: Audio2FaceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretch, "LONGEST_S", 1)
    talk, sound = Talk(engine), voice(8)
    assert_follows(await talk.whole(1, sound), sound, closely=0.02)
    assert len(server.streams) > 2


async def test_pictures_that_were_left_out_and_a_pause_do_not_shift_the_mouth(engine: Audio2FaceEngine) -> None:
    talk, sound = Talk(engine), voice(8)
    talk.say(1, sound)
    await talk.units(10)
    for _ in range(70):
        talk.playout.emit()
    assert_follows(await talk.units(25), sound)
    talk.playout.pause()
    held = await talk.units(10)
    assert held[-1].jaw < 0.02
    talk.playout.resume()
    assert_follows(await talk.units(30), sound)


async def test_a_little_word_moves_the_lips_too(engine: Audio2FaceEngine) -> None:
    talk, sound = Talk(engine), voice(0.8)
    assert talk.playout.aside(sound)
    shown = await talk.units(20)
    assert {each.turn_id for each in shown} == {-1}
    assert_follows(shown, sound)


async def test_lips_are_the_servers_and_lids_are_not(engine: Audio2FaceEngine) -> None:
    talk = Talk(engine)
    shown = await talk.whole(1, voice(2))
    assert max(each.shape[PUCKER] for each in shown) > 0.05
    assert all(each.shape.min() >= 0 and each.shape.max() <= 1 for each in shown)
    assert all(each.shape[channel("eyeBlinkLeft")] == 0 for each in shown)
    assert max(each.shape[SEAL] for each in shown if each.jaw > 0.1) == 0


# --- time codes, and answers that come otherwise ---


@pytest.mark.parametrize(
    "behaviour",
    [{"first_code_s": 7.5}, {"first_code_s": -0.2}, {"first_code_s": 1_700_000_000.0}, {"echo": "none"}, {"disordered": True}],
)
async def test_time_codes_are_understood_however_they_count_and_come(
    server: Audio2FaceServer, engine: Audio2FaceEngine, behaviour: dict[str, Any]
) -> None:
    server.behaviour = Behaviour(**behaviour)
    talk, sound = Talk(engine), voice(4)
    assert_follows(await talk.whole(1, sound), sound, closely=0.03)
    await talk.rest()
    assert talk.troubles == []


async def test_while_the_first_answer_is_awaited_the_lips_rest_and_then_they_are_in_time(
    server: Audio2FaceServer, engine: Audio2FaceEngine
) -> None:
    server.behaviour = Behaviour(slow_s=0.3)
    talk, sound = Talk(engine, patience_s=0.0), voice(4)
    talk.say(1, sound)
    early = await talk.units(3)
    assert [each.jaw for each in early] == [0, 0, 0]
    await until(lambda: talk.mouth._stretches[-1].track.end_s > 1.5)
    assert_follows(await talk.units(25), sound)
    assert talk.troubles == []


async def test_a_server_that_falls_behind_leaves_the_lips_at_rest_and_not_in_the_past(
    server: Audio2FaceServer, engine: Audio2FaceEngine
) -> None:
    server.behaviour = Behaviour(pace=0.5)
    talk, sound = Talk(engine, patience_s=0.0), voice(6)
    talk.say(1, sound)
    await until_answered(talk)
    shown = await talk.units(50)
    assert shown[-1].jaw < 0.05 < jaw_of(sound, RATE, 2.0), "two seconds were said at once, which takes it one"
    await until(lambda: talk.mouth._stretches[-1].track.end_s > 3)
    assert_follows(await talk.units(20), sound)


async def until_answered(talk: Talk) -> None:
    await talk.units(1)
    await until(lambda: talk.mouth._stretches[-1].track.end_s > 0.1)


# --- what goes wrong ---


@dataclass(frozen=True)
class Wrong:
    """What a server does, and what is told of it."""

    behaviour: dict[str, Any]
    reason: str
    told: str
    options: dict[str, Any] = field(default_factory=dict)


def refusing(status: grpc.StatusCode, details: str, reason: str, told: str) -> Wrong:
    return Wrong({"refuse": (status, details)}, reason, told)


WRONG = (
    refusing(STATUS.UNAUTHENTICATED, "no", "wrong_key", "FACE_AUDIO2FACE_API_KEY"),
    refusing(STATUS.PERMISSION_DENIED, "no", "wrong_key", "FACE_AUDIO2FACE_FUNCTION_ID"),
    refusing(STATUS.NOT_FOUND, "no", "unknown_model", "FACE_AUDIO2FACE_FUNCTION_ID"),
    refusing(STATUS.RESOURCE_EXHAUSTED, "credits are used up", "model_full", "used up"),
    refusing(STATUS.UNIMPLEMENTED, "what?", "wrong_address", "FACE_AUDIO2FACE_ADDRESS"),
    refusing(STATUS.INTERNAL, f"crash\nof Bearer {KEY}", "model_failed", "crash of Bearer ***"),
    Wrong({"error": f"FPS too low for {KEY}"}, "model_failed", "reports an error: FPS too low for ***"),
    Wrong({"mute": True}, "model_timeout", "FACE_AUDIO2FACE_TIMEOUT_S", {"timeout_s": 0.3}),
    Wrong({"cuts": [(0.5, STATUS.UNAVAILABLE)]}, "model_broke_off", "the worker is gone"),
    Wrong({"cuts": [(0.5, STATUS.OK)]}, "model_broke_off", "broke off"),
    Wrong({"values": "too few"}, "model_failed", "not named"),
    Wrong({"values": "none"}, "model_broke_off", "animated 0.00 s of"),
    Wrong({"names": ("viseme_aa", "viseme_PP")}, "model_failed", "ARKit"),
    Wrong({"echo": "other"}, "model_failed", "another sound"),
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.reason}-{'-'.join(wrong.behaviour)}")
async def test_a_server_that_fails_is_told_of_once_and_tried_again(server: Audio2FaceServer, wrong: Wrong) -> None:
    async with driving(server, load=False, **wrong.options) as engine:
        talk, sound = Talk(engine, patience_s=0.01), voice(1.5)
        server.behaviour = Behaviour(**deepcopy(wrong.behaviour))
        await talk.whole(1, sound)
        await talk.rest()
        (error,) = talk.troubles
        assert error.reason == wrong.reason
        assert wrong.told in error.message and "\n" not in error.message
        assert KEY not in error.message and FUNCTION not in error.message
        assert engine.problems() == (error.message,)
        server.behaviour = Behaviour(**deepcopy(wrong.behaviour))
        await talk.whole(2, sound)
        await talk.rest()
        assert len(talk.troubles) == 1, "the reason is known"
        server.behaviour = Behaviour()
        patient = Talk(engine)
        assert_follows(await patient.whole(3, sound), sound)
        await patient.rest()
        assert engine.problems() == ()


async def test_when_it_fails_in_the_middle_the_lips_come_to_rest_while_the_voice_goes_on(
    server: Audio2FaceServer, engine: Audio2FaceEngine
) -> None:
    talk, sound = Talk(engine), voice(6)
    talk.say(1, sound)
    assert_follows(await talk.units(20), sound)
    server.behaviour = Behaviour(cuts=[(0.1, STATUS.UNAVAILABLE)])
    talk.say(2, sound)
    await talk.units(1)
    await talk.rest()
    shown = await talk.units(30)
    assert [each.jaw for each in shown[10:]] == pytest.approx([0] * 20, abs=0.01)
    assert [emission.turn_id for emission in talk.left[-30:]] == [2] * 30
    assert [error.reason for error in talk.troubles] == ["model_broke_off"]
    assert len(server.streams) == 3, "within a reply it is not asked again"
    assert_follows(await talk.whole(3, sound), sound)


async def test_what_failed_after_it_had_worked_is_told_again(server: Audio2FaceServer, engine: Audio2FaceEngine) -> None:
    talk = Talk(engine, patience_s=0.01)
    for turn, works in enumerate((False, True, False), start=1):
        server.behaviour = Behaviour() if works else Behaviour(refuse=(STATUS.RESOURCE_EXHAUSTED, "no workers"))
        await talk.whole(turn, voice(1))
        await talk.rest()
    assert [error.reason for error in talk.troubles] == ["model_full"] * 2


# --- the server, at start and later ---


@pytest.mark.parametrize(
    ("options", "behaviour", "reason", "told"),
    [
        ({"api_key": "wrong-key"}, {}, "wrong_key", "FACE_AUDIO2FACE_API_KEY"),
        ({"api_key": "né"}, {}, "wrong_key", "FACE_AUDIO2FACE_API_KEY"),
        ({"function_id": "another"}, {}, "unknown_model", "FACE_AUDIO2FACE_FUNCTION_ID"),
        ({"address": None}, {}, "wrong_address", "FACE_AUDIO2FACE_ADDRESS"),
        ({"address": "a2f.example.org:443"}, {}, "wrong_address", "FACE_AUDIO2FACE_USE_SSL"),
        ({"ca_file": Path("no-such-file.pem"), "use_ssl": True}, {}, "wrong_address", "FACE_AUDIO2FACE_CA_FILE"),
        ({}, {"names": ("viseme_aa",)}, "model_failed", "ARKit"),
        ({}, {"names": NAMES[:3]}, "model_failed", "ARKit"),
    ],
)
async def test_what_cannot_work_is_said_at_the_start(
    server: Audio2FaceServer, options: dict[str, Any], behaviour: dict[str, Any], reason: str, told: str
) -> None:
    server.behaviour = Behaviour(**behaviour)
    with pytest.raises(Unusable) as caught:
        async with driving(server, load=False, **options):
            pass
    assert caught.value.reason == reason
    assert told in caught.value.message
    assert KEY not in caught.value.message and "wrong-key" not in caught.value.message


async def test_a_server_that_is_not_there_is_waited_for_and_then_given_up(server: Audio2FaceServer) -> None:
    with free_port() as port:
        engine = driver(server, address=f"127.0.0.1:{port}")
        with pytest.raises(Unavailable, match="FACE_AUDIO2FACE_LOAD_TIMEOUT_S") as caught:
            await engine.connect()
    assert caught.value.reason == "model_unavailable"
    assert "waiting: the Audio2Face-3D server at 127.0.0.1" in engine.problems()[0]
    with pytest.raises(Unavailable, match="not answered yet"):
        engine.open("june", 256, 25, 1)
    await engine.disconnect()


async def test_the_service_says_what_it_waits_for_and_that_it_is_there() -> None:
    with free_port() as port:
        nowhere = Audio2FaceServer()
        nowhere.address = f"127.0.0.1:{port}"
        engine = driver(nowhere, load_timeout_s=60)
        service = serving.engine_service(
            name="face",
            full_name="vivant.face.v1.FaceService",
            settings=FaceSettings(engine="audio2face"),
            engine=engine,
            servicer=lambda admission, metrics: None,
            add=lambda servicer, made: None,
        )
        warming = asyncio.create_task(service.warm())
        await until(service.problems)
        assert "waiting: the Audio2Face-3D server" in service.problems()[0]
        async with audio2face_serving(nowhere.address):
            await warming
            assert service.problems() == ()
        assert service.close
        await service.close()


async def test_what_it_is_and_under_which_terms(engine: Audio2FaceEngine, server: Audio2FaceServer) -> None:
    driven = engine.info.models[0]
    assert (driven.name, driven.licence) == ("Audio2Face-3D", "NVIDIA Open Model License (see the server)")
    assert server.address in driven.notice
    assert not engine.info.phonemes and engine.info.ahead_s > AHEAD_S


async def test_no_secret_is_ever_printed(server: Audio2FaceServer, capsys: pytest.CaptureFixture[str]) -> None:
    async with driving(server, load=False) as engine:
        server.behaviour = Behaviour(refuse=(STATUS.INTERNAL, f"crash of Bearer {KEY} {FUNCTION}"))
        talk = Talk(engine, patience_s=0.01)
        await talk.whole(1, voice(0.5))
        await talk.rest()
        assert talk.troubles
        print(engine._options, engine.info, engine.problems())  # noqa: T201 - what anybody might print
    printed = capsys.readouterr()
    assert printed.out
    assert KEY not in printed.out + printed.err and FUNCTION not in printed.out + printed.err

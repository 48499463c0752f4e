"""Voice activity projection with weights made at random in the true shapes, and with scripted answers.

What it hears of whom and when, what its answers change, that nobody waits for it, and what is refused.
"""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.common.resample import Resampler
from services.common.settings import SharedSettings
from services.turn.engine import BackchannelOpportunity, EndOfTurn, Event, ModelSteps, SpeechStopped, StreamConfig
from services.turn.engines.estimate import ByFusion, Words
from services.turn.engines.evidence import WEIGHTS as FUSION
from services.turn.engines.evidence import fitted
from services.turn.engines.fusion import FusionEngine
from services.turn.engines.vap.beside import Beside, Said, Track
from services.turn.engines.vap.channels import GAP, Audio, Channels, Frame
from services.turn.engines.vap.engine import VapEngine
from services.turn.engines.vap.network import LEAD, RATE_HZ, Answer, Network, load
from services.turn.engines.vap.session import PROPOSED, VapSession
from services.turn.engines.vap.weighing import SETTLED, Further, weights
from services.turn.engines.vap.weights import SPEAKERS, Shape
from services.turn.settings import FusionOptions, VapOptions
from tests.harness.data import recording
from tests.harness.vap_weights import ENCODER, LISTENERS, WEIGHTS, models_with_vap
from vivant.errors import Unusable

FRAME = 1_600
CHUNK = 640
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models_with_vap(tmp_path_factory.mktemp("models") / "models")


@pytest.fixture(scope="module")
def network(models: Path) -> Network:
    return load(models / "maai", WEIGHTS, ENCODER, "", "cpu")


def noise(seconds: float, seed: int = 0, level: float = 0.05) -> Audio:
    return (np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)) * level).astype(np.float32)


# --- the network ----------------------------------------------------------------------------------------------------


def theirs(models: Path, mode: str, file: str) -> Any:
    """The package's own way, all of it."""
    from maai.input import Chunk
    from maai.model import Maai

    files = {"local_model": str(models / "maai" / file), "cpc_model": str(models / "maai" / ENCODER)}
    return Maai(mode, "en", Chunk(), Chunk(), frame_rate=10, context_len_sec=20, **files)


def both(seconds: float) -> Iterator[tuple[tuple[Audio, Audio], tuple[Audio, Audio]]]:
    """Noise of both sides, frame by frame: as we give it, and as the package wants it."""
    user, persona = noise(seconds, 1), noise(seconds, 2)
    led = [np.concatenate([np.zeros(LEAD, np.float32), side]) for side in (user, persona)]
    for at in range(0, len(user), FRAME):
        yield (
            (led[0][at : at + LEAD + FRAME], led[1][at : at + LEAD + FRAME]),
            (user[at : at + FRAME], persona[at : at + FRAME]),
        )


def test_it_answers_as_the_package_does(models: Path, network: Network) -> None:
    """Frame for frame, and beyond the 20 s that it remembers."""
    package, state = theirs(models, "vap", WEIGHTS), None
    for ours, given in both(22):
        answer, state = network.step(*ours, state)
        package.process(*given)
        said = package.result_dict_queue.get_nowait()
        assert (answer.now, answer.future, answer.reaction) == (said["p_now"][1], said["p_future"][1], 0)


@pytest.mark.parametrize(("mode", "file"), list(zip(("bc", "bc_2type", "nod"), LISTENERS, strict=True)))
def test_a_listener_beside_it_answers_as_the_package_does(models: Path, mode: str, file: str) -> None:
    package, alone, state = theirs(models, mode, file), theirs(models, "vap", WEIGHTS), None
    network = load(models / "maai", WEIGHTS, ENCODER, file, "cpu")
    reactions = {"bc": ("p_bc",), "bc_2type": ("p_bc_react", "p_bc_emo"), "nod": ("p_nod_short", "p_nod_long", "p_nod_long_p")}
    found = set()
    for ours, given in both(2):
        answer, state = network.step(*ours, state)
        package.process(*given)
        alone.process(*given)
        said = package.result_dict_queue.get_nowait()
        assert answer.reaction == sum(said[name] for name in reactions[mode])
        assert answer.now == alone.result_dict_queue.get_nowait()["p_now"][1]
        found.add(round(answer.reaction, 3))
    assert len(found) > 3


def test_nothing_is_printed(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What it prints would stand among the lines of our logs."""
    network = load(models / "maai", WEIGHTS, ENCODER, LISTENERS[0], "cpu")
    silence = np.zeros(LEAD + FRAME, np.float32)
    network.step(silence, silence, None)
    assert capfd.readouterr() == ("", "")


def test_what_streams_hear_does_not_mix(network: Network) -> None:
    sides = [noise((LEAD + FRAME) / RATE_HZ, seed) for seed in range(4)]
    first, state = network.step(sides[0], sides[1], None)
    alone, _ = network.step(sides[2], sides[3], state)
    _, other = network.step(sides[3], sides[0], None)
    network.step(sides[1], sides[2], other)
    again, _ = network.step(sides[2], sides[3], state)
    assert alone == again != first
    assert network.step(sides[0], sides[1], None)[0] == first


def test_the_sides_are_not_the_same_to_it(network: Network) -> None:
    loud, quiet = noise((LEAD + FRAME) / RATE_HZ, 5), noise((LEAD + FRAME) / RATE_HZ, 6, 1e-4)
    one, other = network.step(loud, quiet, None)[0], network.step(quiet, loud, None)[0]
    assert abs(one.now - other.now) > 0.01


@pytest.mark.parametrize(
    ("file", "rate_hz", "context"),
    [
        (WEIGHTS, 10.0, 200),
        ("vap_state_dict_jp_20hz_2500msec.pt", 20.0, 50),
        ("vap_state_dict_tri_kyoto_5hz_3000msec.pt", 5.0, 15),
    ],
)
def test_the_name_of_the_weights_says_how_often_it_answers(file: str, rate_hz: float, context: int) -> None:
    shape = Shape.of(file, SPEAKERS, "TURN_VAP_WEIGHTS")
    assert (shape.rate_hz, shape.context) == (rate_hz, context)


@pytest.mark.parametrize(
    "file",
    [
        "model.pt",
        "vap_mc_mimi_state_dict_en_kyoto_12.5hz_20000msec.pt",
        "vap_mono_state_dict_en_10hz_20000msec.pt",
        "vap-bc_state_dict_en_10hz_20000msec.pt",
        "vap_state_dict_en_50hz_20000msec.pt",
    ],
)
def test_models_of_other_kinds_are_refused_by_their_names(file: str) -> None:
    with pytest.raises(Unusable, match="TURN_VAP_WEIGHTS is"):
        Shape.of(file, SPEAKERS, "TURN_VAP_WEIGHTS")


def without(name: str) -> Any:
    return lambda stored: {each: values for each, values in stored.items() if each != name}


@pytest.mark.parametrize(
    ("which", "change", "words"),
    [
        (WEIGHTS, lambda _: None, "no file .*weights of voice activity projection"),
        (ENCODER, lambda _: None, "no file .*encoder of voice activity projection"),
        (WEIGHTS, lambda _: b"<html>not found</html>", "no file of weights"),
        (WEIGHTS, without("vap_head.weight"), "two channels: vap_head.weight missing"),
        (WEIGHTS, without("encoder.downsample.1.weight"), "encoder1.downsample.1.weight, encoder2.downsample.1.weight missing"),
        (WEIGHTS, lambda stored: stored | {"vap_head.weight": torch.zeros(3, 3)}, "are not those of MaAI's vap_mc"),
        (WEIGHTS, lambda _: [1, 2], "not a table of weights"),
        (WEIGHTS, lambda _: {}, "ar.combinator.h0_a.weight, ar.combinator.h0_b.weight, .* missing"),
        (ENCODER, lambda _: {"epoch": 3}, "not those of the CPC encoder"),
        (ENCODER, lambda stored: {"weights": without("gEncoder.conv0.weight")(stored["weights"])}, "conv0.weight is missing"),
    ],
)
def test_what_is_missing_or_no_weights_of_it_is_refused(
    models: Path, tmp_path: Path, which: str, change: Any, words: str
) -> None:
    for name in (WEIGHTS, ENCODER):
        (tmp_path / name).write_bytes((models / "maai" / name).read_bytes())
    changed = change(torch.load(tmp_path / which))
    (tmp_path / which).unlink()
    if isinstance(changed, bytes):
        (tmp_path / which).write_bytes(changed)
    elif changed is not None:
        torch.save(changed, tmp_path / which)
    with pytest.raises(Unusable, match=words):
        load(tmp_path, WEIGHTS, ENCODER, "", "cpu")


def test_a_listener_of_another_rate_or_kind_is_refused(models: Path) -> None:
    with pytest.raises(Unusable, match="TURN_VAP_LISTENER is"):
        load(models / "maai", WEIGHTS, ENCODER, WEIGHTS, "cpu")
    with pytest.raises(Unusable, match="TURN_VAP_LISTENER answers 20 times a second and TURN_VAP_WEIGHTS 10 times"):
        load(models / "maai", WEIGHTS, ENCODER, "vap-nod_state_dict_erica_20hz_20000msec.pt", "cpu")


def test_nothing_is_fetched(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with the files nor without."""
    calls: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *args: calls.append(args))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: calls.append(args))
    VapEngine(VapOptions(), SharedSettings(models_dir=models)).load()
    with pytest.raises(Unusable):
        VapEngine(VapOptions(), SharedSettings(models_dir=tmp_path)).load()
    assert calls == []


def test_a_gpu_that_is_not_there_is_said(models: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(Unusable, match="no GPU") as caught:
        VapEngine(VapOptions(device="cuda:1"), SharedSettings(models_dir=models)).load()
    assert caught.value.reason == "no_device"


def test_what_stands_in_for_sound_cards_is_gone_afterwards() -> None:
    code = (
        "import sys, services.turn.engines.vap.package; print('maai' in sys.modules, {'pyaudio', 'pygame'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"


@pytest.mark.parametrize(("file", "licence"), [(WEIGHTS, "MIT"), ("vap_mc_state_dict_en_10hz_20000msec.pt", "not stated")])
def test_the_terms_of_the_weights_are_said(file: str, licence: str) -> None:
    model = VapEngine(VapOptions(weights=file), SharedSettings()).info.models[0]
    assert (model.name, model.licence, bool(model.notice)) == (file, licence, licence != "MIT")


# --- who is heard, and when -----------------------------------------------------------------------------------------


def frames_of(channels: Channels, user: Audio, persona: Audio, user_rate: int, bot_rate: int) -> list[Frame]:
    """Both sides in messages of 40 ms, the persona's first."""
    found: list[Frame] = []
    for step in range(math.ceil(len(user) / user_rate / 0.04)):
        begin, end = (round(at * 0.04 * bot_rate) for at in (step, step + 1))
        if begin < len(persona):
            channels.push_bot(persona[begin:end], begin)
        begin, end = (round(at * 0.04 * user_rate) for at in (step, step + 1))
        found += channels.push_user(user[begin:end], begin)
    return found


@pytest.mark.parametrize(("user_rate", "bot_rate"), [(16_000, 24_000), (48_000, 16_000), (8_000, 48_000)])
def test_both_sides_are_heard_on_the_users_clock(user_rate: int, bot_rate: int) -> None:
    """A tone of the user from 0.5 s on, and one of the persona from 0.73 s on."""
    seconds = 1.2
    user, persona = (tone(300, rate, seconds) for rate in (user_rate, bot_rate))
    user[: round(0.5 * user_rate)] = 0
    persona[: round(0.73 * bot_rate)] = 0
    frames = frames_of(Channels(user_rate, bot_rate, FRAME), user, persona, user_rate, bot_rate)
    # The last one waits for the two milliseconds that the converter of another rate holds back.
    assert [frame.end for frame in frames] == [FRAME * each for each in range(1, 12)]
    assert [frame.anew for frame in frames] == [True] + [False] * (len(frames) - 1)
    heard = [
        np.concatenate([frame.user[LEAD:] for frame in frames]),
        np.concatenate([frame.persona[LEAD:] for frame in frames]),
    ]
    for side, begins_s in zip(heard, (0.5, 0.73), strict=True):
        assert int(np.argmax(np.abs(side) > 0.02)) / RATE_HZ == pytest.approx(begins_s, abs=0.002)
    for before, after in pairwise(frames):
        assert (before.user[-LEAD:] == after.user[:LEAD]).all()
        assert (before.persona[-LEAD:] == after.persona[:LEAD]).all()


def tone(hertz: float, rate: int, seconds: float) -> Audio:
    return (0.1 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_however_the_messages_are_cut_the_frames_are_the_same() -> None:
    user, persona = noise(1, 3), noise(1, 4)
    results = []
    for size in (160, 333, 1_600):
        channels = Channels(RATE_HZ, RATE_HZ, FRAME)
        frames: list[Frame] = []
        for at in range(0, RATE_HZ, size):
            channels.push_bot(persona[at : at + size], at)
            frames += channels.push_user(user[at : at + size], at)
        results.append([(frame.end, frame.user.tobytes(), frame.persona.tobytes()) for frame in frames])
    assert results[0] == results[1] == results[2]


def test_a_persona_that_is_not_heard_is_silent_and_one_that_comes_a_little_late_is_awaited() -> None:
    channels = Channels(RATE_HZ, RATE_HZ, FRAME)
    user = noise(1)
    waiting = list(channels.push_user(user[:FRAME], 0))
    assert waiting == []
    channels.push_bot(np.full(FRAME, 0.5, np.float32), 0)
    (first,) = channels.push_user(user[FRAME : FRAME + CHUNK], FRAME)
    assert (first.persona[LEAD:] == 0.5).all()
    rest = [frame for at in range(FRAME + CHUNK, len(user), CHUNK) for frame in channels.push_user(user[at : at + CHUNK], at)]
    assert [frame.end for frame in rest] == [FRAME * each for each in range(2, 10)]
    assert not any(frame.persona[LEAD:].any() for frame in rest)


def test_a_gap_of_the_persona_is_silence_where_it_was() -> None:
    channels = Channels(RATE_HZ, 24_000, FRAME)
    channels.push_bot(np.full(2_400, 0.5, np.float32), 0)
    channels.push_bot(np.full(2_400, 0.5, np.float32), 9_600)
    frames = [frame for at in range(0, RATE_HZ, FRAME) for frame in channels.push_user(noise(0.1), at)]
    loud = [float(np.abs(frame.persona[LEAD:]).mean()) > 0.2 for frame in frames]
    assert loud == [True, False, False, False, True, False, False, False, False]


def test_after_a_long_gap_of_the_user_it_begins_anew_and_in_a_short_one_there_was_silence() -> None:
    channels = Channels(RATE_HZ, RATE_HZ, FRAME)
    assert [frame.end for frame in channels.push_user(noise(0.3), 0)] == [FRAME, 2 * FRAME]
    short = list(channels.push_user(noise(0.1, 1), 2 * 4_800))
    assert [(frame.end, frame.anew) for frame in short] == [(FRAME * each, False) for each in (3, 4, 5, 6)]
    later = 9_600 + 1_600 + GAP + 77
    long = [f for at in range(0, 4_800, FRAME) for f in channels.push_user(noise(0.1, 2), later + at)]
    assert [(frame.end, frame.anew) for frame in long] == [(later + FRAME, True), (later + 2 * FRAME, False)]


# --- nobody waits for it --------------------------------------------------------------------------------------------


class Slow:
    """A model that goes on when it is told to; it notes of each frame the first sample of each side, and whether it was new."""

    frame = FRAME

    def __init__(self) -> None:
        self.heard: list[tuple[float, float, bool]] = []
        self.go = threading.Semaphore(0)
        self.done = threading.Semaphore(0)
        self.began = threading.Semaphore(0)

    def step(self, user: Audio, persona: Audio, state: int | None) -> tuple[Answer, int]:
        self.began.release()
        assert self.go.acquire(timeout=PATIENCE_S)
        self.heard.append((float(user[LEAD]), float(persona[LEAD]), state is None))
        self.done.release()
        return Answer(0.9, 0.5), (state or 0) + 1

    def let(self, steps: int) -> None:
        """Lets it hear so many frames, and waits for them."""
        self.go.release(steps)
        for _ in range(steps):
            assert self.done.acquire(timeout=PATIENCE_S)


@pytest.fixture
def slow() -> Iterator[tuple[Slow, Beside]]:
    model = Slow()
    beside = Beside(model)
    yield model, beside
    model.go.release(1_000)
    beside.close()


def frame(number: int, *, anew: bool = False) -> Frame:
    sides = (np.full(LEAD + FRAME, side, np.float32) for side in (number, -number))
    return Frame(number * FRAME, *sides, anew)


def settled(track: Track, steps: int) -> ModelSteps:
    """What was measured, once all of these steps are noted."""
    seconds: tuple[float, ...] = ()
    dropped_s = 0.0
    for _ in range(round(PATIENCE_S / 0.01)):
        measured = track.measured()
        if measured is not None:
            seconds, dropped_s = seconds + measured.seconds, dropped_s + measured.dropped_s
        if len(seconds) >= steps:
            return ModelSteps(seconds, dropped_s)
        threading.Event().wait(0.01)
    raise AssertionError("it never got there")


def test_who_falls_behind_loses_what_waits_and_begins_anew(slow: tuple[Slow, Beside]) -> None:
    model, beside = slow
    track = beside.open()
    track.push(frame(1, anew=True))
    assert model.began.acquire(timeout=PATIENCE_S)
    for number in range(2, 7):
        track.push(frame(number))
    assert track.measured() is None
    track.push(frame(7))
    dropped = track.measured()
    assert dropped == ModelSteps((), 0.5)
    model.let(2)
    assert len(settled(track, 2).seconds) == 2
    assert model.heard == [(1.0, -1.0, True), (7.0, -7.0, True)]
    said = track.said()
    assert said is not None
    assert (said.end, said.heard) == (7 * FRAME, FRAME)


def test_streams_are_heard_in_turn(slow: tuple[Slow, Beside]) -> None:
    model, beside = slow
    one, other = beside.open(), beside.open()
    one.push(frame(1, anew=True))
    assert model.began.acquire(timeout=PATIENCE_S)
    for number in (2, 3):
        one.push(frame(number))
    for number in (11, 12):
        other.push(frame(number, anew=number == 11))
    model.let(5)
    assert [user for user, _, _ in model.heard] == [1, 11, 2, 12, 3]
    assert [anew for _, _, anew in model.heard] == [True, True, False, False, False]


def test_a_step_that_fails_ends_the_stream(slow: tuple[Slow, Beside]) -> None:
    _, beside = slow

    class Lost:
        frame = FRAME

        def step(self, *_: Any) -> Any:
            raise RuntimeError("the device is gone")

    failing = Beside(Lost())
    track = failing.open()
    track.push(frame(1, anew=True))
    failing.close()
    with pytest.raises(RuntimeError, match="the device is gone"):
        track.push(frame(2))
    assert beside.open().said() is None


class Scripted:
    """See session.Ear: answers at once, always the same; or never."""

    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer
        self._said: Said | None = None
        self.frames: list[Frame] = []

    def push(self, frame: Frame) -> None:
        self.frames.append(frame)
        if self._answer is not None:
            self._said = Said(self._answer, frame.end, len(self.frames) * FRAME)

    def said(self) -> Said | None:
        return self._said

    def measured(self) -> ModelSteps | None:
        return None

    def close(self) -> None:
        self._said = None


@pytest.fixture(scope="module")
def fusion() -> FusionEngine:
    engine = FusionEngine(FusionOptions(), SharedSettings())
    engine.load()
    return engine


CONFIG = StreamConfig(RATE_HZ, 24_000)


def session_with(fusion: FusionEngine, ear: Any) -> VapSession:
    segmenter = fusion.segmenter()
    further = Further(ear.said, lambda: segmenter.end, weights())
    channels = Channels(RATE_HZ, 24_000, FRAME)
    return VapSession(CONFIG, segmenter, fusion.estimator(further), judge_s=fusion.judge_s, channels=channels, ear=ear)


def conversation() -> tuple[Audio, Audio]:
    """The persona says something; the user answers with a question after it. 16 and 24 kHz."""
    persona = recording("chat_input_1.wav")[: 2 * RATE_HZ]
    user = np.concatenate([noise(2.2, 1, 5e-4), recording("kws_whatstheweatherlike.wav"), noise(3, 2, 5e-4)])
    return user, np.asarray(Resampler(RATE_HZ, 24_000).push(persona), np.float32)


def events_of(session: Any) -> list[Event]:
    user, persona = conversation()
    found: list[Event] = []
    for at in range(0, len(user), CHUNK):
        bot = persona[at * 3 // 2 : (at + CHUNK) * 3 // 2]
        if len(bot):
            session.push_bot(bot, at * 3 // 2)
        found += session.push_user(user[at : at + CHUNK], at, "ann")
    return [*found, *session.finish()]


def test_a_model_that_never_answers_changes_nothing(fusion: FusionEngine) -> None:
    assert events_of(session_with(fusion, Scripted(None))) == events_of(fusion.open(CONFIG))


def test_a_slow_model_delays_no_answer(fusion: FusionEngine, slow: tuple[Slow, Beside]) -> None:
    """It hears one frame in the whole conversation: the events are those of the fusion engine, but for what was measured."""
    model, beside = slow
    track = beside.open()
    events = events_of(session_with(fusion, track))
    assert [event for event in events if not isinstance(event, ModelSteps)] == events_of(fusion.open(CONFIG))
    assert len(model.heard) == 0
    dropped_s = sum(event.dropped_s for event in events if isinstance(event, ModelSteps))
    assert dropped_s == pytest.approx(len(conversation()[0]) / RATE_HZ - 0.6, abs=0.6)


def last_end(events: list[Event]) -> list[EndOfTurn]:
    """What is said of the last silence, before the turn is over in any case."""
    last = [event for event in events if isinstance(event, SpeechStopped)][-1].last_speech
    return [event for event in events if isinstance(event, EndOfTurn) and event.last_speech == last and event.probability < 1]


def test_its_answers_move_the_end_of_the_turn_in_their_direction(fusion: FusionEngine) -> None:
    likely = {share: last_end(events_of(session_with(fusion, Scripted(Answer(share, 0.5))))) for share in (0.1, 0.5, 0.9)}
    low, middle, high = (likely[share][0] for share in (0.1, 0.5, 0.9))
    assert low.probability < middle.probability < high.probability
    assert low.detected_at == middle.detected_at == high.detected_at
    assert likely[0.5] == last_end(events_of(fusion.open(CONFIG)))
    decided = [next(end.detected_at for end in likely[share] if end.waiting_cost_s >= 6) for share in (0.1, 0.5, 0.9)]
    assert decided == sorted(decided, reverse=True)
    assert decided[0] > decided[-1]


def story(reaction: float, fusion: FusionEngine, *, persona: bool = False) -> list[BackchannelOpportunity]:
    """A short question, shorter than what invites a nod by itself, and a pause; the persona is silent, or hums."""
    session = session_with(fusion, Scripted(Answer(0.02, 0.5, reaction)))
    user = np.concatenate([noise(2.2, 1, 5e-4), recording("kws_whatstheweatherlike.wav"), noise(1, 2, 5e-4)])
    found: list[Event] = []
    for at in range(0, len(user), CHUNK):
        if persona:
            session.push_bot(tone(200, 24_000, CHUNK / RATE_HZ), at * 3 // 2)
        found += session.push_user(user[at : at + CHUNK], at, "ann")
    return [event for event in found if isinstance(event, BackchannelOpportunity)]


def test_a_listener_that_would_react_makes_a_pause_an_opportunity(fusion: FusionEngine) -> None:
    (found,) = story(PROPOSED, fusion)
    assert found.probability > 0.5
    assert story(PROPOSED - 0.01, fusion) == []
    assert story(PROPOSED, fusion, persona=True) == []


def test_the_engine_hears_the_persona_on_the_second_channel(models: Path, fusion: FusionEngine) -> None:
    ear = Scripted(None)
    events_of(session_with(fusion, ear))
    loud = [(float(np.abs(each.user).max()) > 0.02, float(np.abs(each.persona).max()) > 0.02) for each in ear.frames]
    assert [persona for _, persona in loud[:15]].count(True) > 10
    assert not any(user for user, _ in loud[:21])
    assert any(user for user, _ in loud[22:40])
    assert not any(persona for _, persona in loud[21:])


# --- what an answer weighs ------------------------------------------------------------------------------------------


def estimate(said: Said | None, silence_s: float = 0.4) -> float:
    further = Further(lambda: said, lambda: 10 * RATE_HZ, weights())
    fused = ByFusion(lambda: noise(3, 7), lambda _: 0.5, fitted(), 2.5, further)
    return fused.estimate(silence_s, Words()).probability


def test_only_an_answer_about_this_silence_and_with_some_context_counts() -> None:
    now = 10 * RATE_HZ
    answer = Answer(0.95, 0.5)
    nothing = estimate(None)
    assert estimate(Said(answer, now, SETTLED)) > nothing
    assert estimate(Said(answer, now - round(0.41 * RATE_HZ), SETTLED)) == nothing
    assert estimate(Said(answer, now - round(0.39 * RATE_HZ), SETTLED)) > nothing
    assert estimate(Said(answer, now, SETTLED - FRAME)) == nothing


def test_without_a_fit_it_weighs_half_of_what_smart_turn_does() -> None:
    """The principle that vap.json names, for as long as it says that nothing was fitted."""
    file = Path(FUSION).parent / "vap" / "vap.json"
    assert json.loads(file.read_text())["fitted"].startswith("not fitted: no weights were to be had")
    smart_turn = json.loads(Path(FUSION).read_text())
    for each, weighs in weights().items():
        assert weighs["p_now"] == pytest.approx(smart_turn[each]["weights"]["sound"] / 2, abs=1e-4)
        assert weighs["p_future"] == 0


def test_without_the_personas_audio_the_stream_is_one_of_the_fusion_engine(models: Path) -> None:
    engine = VapEngine(VapOptions(), SharedSettings(models_dir=models))
    engine.load()
    assert not isinstance(engine.open(StreamConfig(RATE_HZ)), VapSession)
    assert isinstance(engine.open(CONFIG), VapSession)

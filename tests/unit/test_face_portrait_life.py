"""What the portrait does by itself and on cue: alive, smooth, within its limits, and the same again for the same seed."""

import itertools

import numpy as np
import pytest

from services.face.engine import Cue, Look, Phoneme, Slot
from services.face.engines.portrait import expression as ex
from services.face.engines.portrait.actor import Actor
from services.face.engines.portrait.basis import load_basis
from services.face.engines.portrait.expression import Expression, channel, sided
from services.face.engines.portrait.looks import PRESETS
from services.face.engines.portrait.motion import Gestures, Handover, Spring

UNIT = 960
SILENCE = np.zeros(UNIT, np.float32)
BLINK = channel("eyeBlinkLeft")


def quiet(index: int, look: Look = Look.IDLE, cue: Cue | None = None, paused: bool = False) -> Slot:
    return Slot(index, SILENCE, 24000, 0, 0, (), look, cue, paused)


def play(slots: list[Slot], seed: int = 1) -> list[Expression]:
    actor = Actor(seed, fps=25)
    return [actor.step(slot) for slot in slots]


def pose(e: Expression) -> np.ndarray:
    return np.array([e.yaw, e.pitch, e.roll, e.shift_x, e.shift_y])


def everything(e: Expression) -> np.ndarray:
    return np.concatenate([e.weights, pose(e), [e.seal, e.tongue, e.gaze_x, e.gaze_y, e.breath]])


def idle(seconds: float, seed: int = 1, **more: object) -> list[Expression]:
    return play([quiet(n, **more) for n in range(int(seconds * 25))], seed)  # type: ignore[arg-type]


def test_same_seed_same_life() -> None:
    for one, other in zip(idle(8, seed=4), idle(8, seed=4), strict=True):
        assert np.array_equal(everything(one), everything(other))


def test_other_seed_other_life() -> None:
    assert not np.allclose(everything(idle(4, seed=1)[-1]), everything(idle(4, seed=2)[-1]))


def test_idle_is_never_frozen_and_never_looped() -> None:
    poses = np.array([pose(e) for e in idle(120)])
    assert np.abs(np.diff(poses, axis=0)).max(1).min() > 0
    steady = poses - poses.mean(0)
    for lag in range(50, 1500, 25):
        same = (steady[lag:] * steady[:-lag]).sum() / np.sqrt((steady[lag:] ** 2).sum() * (steady[:-lag] ** 2).sum())
        assert same < 0.8


def test_blinks_come_at_uneven_human_intervals_and_close_fully() -> None:
    closed = np.array([e.weights[BLINK] for e in idle(300)])
    onsets = np.flatnonzero((closed[1:] > 0.5) & (closed[:-1] <= 0.5)) / 25
    gaps = np.diff(onsets)
    assert 8 < len(onsets) / 5 < 30
    assert gaps.std() > 0.8
    assert (closed > 0.95).sum() > 0.6 * len(onsets)


def test_lids_open_again_within_a_third_of_a_second() -> None:
    closed = np.array([e.weights[BLINK] > 0.5 for e in idle(300)])
    runs = [len(list(run)) for shut, run in itertools.groupby(closed) if shut]
    assert max(runs) <= 8


def test_thinking_looks_aside_and_listening_at_the_viewer() -> None:
    thinking = np.array([abs(e.gaze_x + 1.5 * e.yaw) for e in idle(20, look=Look.THINKING)[25:]])
    listening = np.array([abs(e.gaze_x + 1.5 * e.yaw) for e in idle(20, look=Look.LISTENING)[25:]])
    assert np.median(thinking) > 0.3 > 4 * np.median(listening)


def test_listening_nods() -> None:
    def fastest(expressions: list[Expression]) -> float:
        return float(np.abs(np.diff([e.pitch for e in expressions])).max())

    assert fastest(idle(15, look=Look.LISTENING)) > 1.5 * fastest(idle(15))


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "neutral"])
def test_cue_shows_and_fades_with_its_intensity(name: str) -> None:
    plain, full, half = (idle(1.0, cue=cue) for cue in (None, Cue(name, 1.0), Cue(name, 0.5)))
    rows = [row for name, row in load_basis().channels.items() if name.startswith(("brow", "mouth", "cheek"))]
    change = np.abs(full[20].weights - plain[20].weights)[rows].max()
    assert change > 0.05
    assert np.abs(half[20].weights - plain[20].weights)[rows].max() < 0.75 * change


def test_unknown_cue_is_neutral() -> None:
    assert np.allclose(idle(1, cue=Cue("somersault", 1.0))[-1].weights, idle(1)[-1].weights)


def test_smile_smiles_and_concern_does_not() -> None:
    smile = sided("mouthSmile")[0]
    assert idle(1, cue=Cue("warm_smile", 1.0))[-1].weights[smile] > 0.3
    assert idle(1, cue=Cue("concern", 1.0))[-1].weights[smile] < 0


def restless(seconds: float, seed: int) -> list[Slot]:
    """Looks, cues, turns and pauses that change every few units."""
    random = np.random.default_rng(seed)
    slots: list[Slot] = []
    turn = 0
    while len(slots) < seconds * 25:
        look, paused = random.choice(list(Look)), bool(random.uniform() < 0.2)
        cue = Cue(str(random.choice(list(PRESETS))), 1.0) if random.uniform() < 0.8 else None
        turn = turn + 1 if random.uniform() < 0.6 else 0
        begin = len(slots)
        said = [Phoneme("ɑpisu"[n % 5], n * 2400, (n + 1) * 2400, n % 2) for n in range(60)]
        for index in range(begin, begin + int(random.integers(2, 40))):
            at = (index - begin) * UNIT
            near = [p for p in said if abs(p.start_sample - at) < 9600] if turn else []
            pcm = random.normal(0, 0.1, UNIT).astype(np.float32) if turn else SILENCE
            slots.append(Slot(index, pcm, 24000, turn, at, near, look, cue, paused))
    return slots


@pytest.mark.parametrize("seed", range(4))
def test_nothing_snaps_and_nothing_leaves_its_limits(seed: int) -> None:
    shown = play(restless(40, seed), seed)
    slow = [
        row for name, row in load_basis().channels.items() if name.startswith(("brow", "cheek", "mouthFrown", "mouthDimple"))
    ]
    steps = np.abs(np.diff([e.weights for e in shown], axis=0))
    assert steps[:, slow].max() < 0.20
    # A brisk human nod turns the head by about 60 degrees in a second.
    assert np.abs(np.diff([pose(e)[:3] for e in shown], axis=0)).max() < np.deg2rad(60 / 25)
    for e in shown:
        assert e.weights[channel("jawOpen")] <= ex.LARGEST_JAW_OPEN + 1e-6
        assert -0.4 <= e.weights.min() <= e.weights.max() <= 1
        assert abs(e.yaw) <= ex.LARGEST_YAW_RAD
        assert abs(e.pitch) <= ex.LARGEST_PITCH_RAD
        assert abs(e.roll) <= ex.LARGEST_ROLL_RAD
        assert max(abs(e.shift_x), abs(e.shift_y)) <= ex.LARGEST_SHIFT
        assert max(abs(e.gaze_x), abs(e.gaze_y)) <= 1
        assert 0 <= e.breath <= 1


def test_left_out_slots_have_passed_all_the_same() -> None:
    every, some = Actor(3, 25), Actor(3, 25)
    cue = Cue("warm_smile", 1.0)
    for n in range(26):
        full = every.step(quiet(n, cue=cue))
        if n % 5 == 0:
            sparse = some.step(quiet(n, cue=cue))
    smile = sided("mouthSmile")[0]
    assert sparse.weights[smile] == pytest.approx(full.weights[smile], abs=0.03)


def test_spring_arrives_without_overshoot() -> None:
    spring = Spring[float](0.0, 0.3)
    way = [spring.step(1.0, 0.04) for _ in range(50)]
    assert way == sorted(way)
    assert way[0] < 0.1
    assert 0.7 < way[7] < 0.85
    assert way[-1] == pytest.approx(1.0, abs=1e-3)


def test_gesture_rises_and_ends() -> None:
    gestures = Gestures(0.1)
    gestures.add(1.0, delay_s=0.2)
    course = [gestures.step(0.02) for _ in range(80)]
    assert max(course[:10]) < 0.01
    assert max(course) == pytest.approx(1.0, abs=0.02)
    assert course[-1] == 0


def test_handover_follows_at_once_after_its_jump_is_gone() -> None:
    handover = Handover(1, 0.06)
    handover.step(np.array([1.0]), changed=False, dt=0.04)
    first = handover.step(np.array([0.0]), changed=True, dt=0.04)[0]
    assert 0.3 < first < 0.7
    for _ in range(20):
        last = handover.step(np.array([0.5]), changed=False, dt=0.04)[0]
    assert last == pytest.approx(0.5, abs=1e-4)

"""Wav2Lip with weights made at random in the true shapes: what goes in, what is painted where, and what is refused."""

from __future__ import annotations

import io
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.common.log_mel import mel_filters
from services.common.settings import SharedSettings
from services.face.engine import AHEAD_S, Look, Slot
from services.face.engines.portrait.actor import Actor, Still
from services.face.engines.portrait.engine import PortraitEngine
from services.face.engines.portrait.renderer import Renderer
from services.face.engines.wav2lip.batching import Batches, _Wanted
from services.face.engines.wav2lip.engine import Voice, Wav2LipEngine
from services.face.engines.wav2lip.mel import BEFORE, HEARD, HOP, WINDOW, mel
from services.face.engines.wav2lip.network import COLUMNS, MELS, PARAMETERS, load
from services.face.engines.wav2lip.paste import Box, box_of, mask_of, paste, seen
from services.face.settings import PortraitOptions, Wav2LipOptions
from tests.harness.clips import keep_base_clip
from tests.harness.wav2lip_weights import models_with_wav2lip, random_network
from vivant.errors import InvalidRequest, Unusable

PERSONAS = Path(__file__).parents[2] / "personas"
RATE = 24_000
UNIT = RATE // 25


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models_with_wav2lip(tmp_path_factory.mktemp("models") / "models")


def test_the_network_has_the_shape_of_the_published_weights() -> None:
    made = random_network()
    assert sum(each.numel() for each in made.parameters()) == PARAMETERS
    assert len(made.state_dict()) == 352
    with torch.inference_mode():
        painted = made(torch.zeros(2, 1, MELS, COLUMNS), torch.rand(2, 6, 96, 96))
    assert tuple(painted.shape) == (2, 3, 96, 96)
    assert float(painted.min()) >= 0
    assert float(painted.max()) <= 1


def test_weights_are_read_as_they_are_published(models: Path) -> None:
    read = load(models / "wav2lip" / "wav2lip_gan.pth", "cpu", half=False)
    for name, values in random_network().state_dict().items():
        assert torch.equal(values, read.state_dict()[name]), name


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "models fetch wav2lip"),
        (b"<html>not found</html>", "no file of weights"),
        ({"state_dict": {"face_encoder_blocks.0.0.conv_block.0.weight": torch.zeros(16, 6, 7, 7)}}, "not those of Wav2Lip"),
        ({"epoch": 3}, "not those of Wav2Lip"),
    ],
)
def test_what_is_no_weights_of_wav2lip_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    file = tmp_path / "wav2lip_gan.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(Unusable, match=words):
        load(file, "cpu", half=False)


def test_no_code_in_a_file_of_weights_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "was_run",)

    buffer = io.BytesIO()
    torch.save({"state_dict": Evil()}, buffer)
    (tmp_path / "w.pth").write_bytes(buffer.getvalue())
    with pytest.raises(Unusable):
        load(tmp_path / "w.pth", "cpu", half=False)
    assert not (tmp_path / "was_run").exists()


def test_a_gpu_that_is_not_there_is_said(models: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    engine = Wav2LipEngine(Wav2LipOptions(default_persona="june"), SharedSettings(models_dir=models, personas_dir=PERSONAS))
    with pytest.raises(Unusable, match="no GPU"):
        engine.load()


# --- what it hears --------------------------------------------------------------------------------------------------


def test_silence_is_the_least_and_a_tone_stands_in_its_band() -> None:
    assert mel(np.zeros(HEARD + 1, np.float32)).tolist() == np.full((MELS, COLUMNS), -4.0).tolist()
    low, high = (mel(tone(hertz)).mean(1) for hertz in (300, 3000))
    assert int(low.argmax()) < int(high.argmax())


def test_high_sounds_are_raised_as_the_pre_emphasis_says() -> None:
    """White noise is as loud in every band of such filters; what differs is the pre-emphasis."""
    noise = np.random.default_rng(5).standard_normal((40, HEARD + 1)).astype(np.float32) / 10
    loud = np.mean([mel(each) for each in noise], axis=(0, 2))
    edges = mel_filters(MELS, window=WINDOW, low_hz=55.0, high_hz=7600.0).argmax(1) * 20
    raised = [20 * np.log10(abs(1 - 0.97 * np.exp(-2j * np.pi * edges[band] / 16_000))) for band in (5, 70)]
    # 8 for 100 dB.
    assert loud[70] - loud[5] == pytest.approx(0.08 * (raised[1] - raised[0]), abs=0.1)


def tone(hertz: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(HEARD + 1) / 16_000)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_each_picture_hears_from_one_picture_before_it(rate: int) -> None:
    """A click is where it belongs: the middle of window k lies k hops after the start of the picture before."""
    unit, voice = rate // 25, Voice()
    sound = np.zeros(rate, np.float32)
    sound[8 * unit] = 1.0
    heard = []
    for index in range(10):
        at = index * unit
        ahead = sound[at + unit : at + unit + round(AHEAD_S * rate)]
        heard.append(
            voice.around(Slot(index, sound[at : at + unit], rate, 1, at, (), Look.IDLE, None, paused=False, ahead=ahead))
        )
    for index in (6, 7, 8, 9):
        assert int(np.abs(heard[index]).argmax()) == pytest.approx(1 + BEFORE + (8 - index) * 640, abs=2)
    assert len(heard[0]) == HEARD + 1
    assert BEFORE == 640 + WINDOW // 2
    assert (HEARD - BEFORE) / 16_000 <= 0.04 + AHEAD_S
    assert HOP * 80 == 16_000


def test_what_is_of_another_reply_is_not_heard() -> None:
    voice, loud = Voice(), np.ones(UNIT, np.float32)
    voice.around(Slot(0, loud, RATE, 1, 0, (), Look.IDLE, None, paused=False))
    heard = voice.around(Slot(1, np.zeros(UNIT, np.float32), RATE, 2, 0, (), Look.IDLE, None, paused=False))
    assert not heard.any()


# --- what it paints -------------------------------------------------------------------------------------------------


def test_only_the_lower_face_is_painted_and_in_its_own_colours() -> None:
    points = face_points()
    picture = np.full((256, 256, 3), (200, 150, 120), np.uint8)
    before = picture.copy()
    box = box_of(points, 256)
    painted = np.full((3, 96, 96), 0.3, np.float32)
    painted[:, 70:80, 40:56] = 0.0
    paste(picture, box, mask_of(points, box), painted, 1.0)
    changed = np.argwhere(np.abs(picture.astype(int) - before).max(2) > 8)
    assert len(changed) > 50
    assert changed[:, 0].min() > points[1, 1]
    assert box.top <= changed[:, 0].min() and changed[:, 0].max() < box.bottom
    # What is evenly coloured in the painted face takes the colour of the skin around, although it was much darker.
    assert np.abs(picture[box.top + 10, box.left + 10].astype(int) - (200, 150, 120)).max() == 0
    corner = picture[int(points[152, 1]) - 12, int(points[152, 0])].astype(int)
    assert np.abs(corner - (200, 150, 120)).max() < 25


def test_the_whole_mouth_is_the_networks_and_nose_and_outline_are_not() -> None:
    points = face_points()
    box = box_of(points, 256)
    mask = mask_of(points, box)[..., 0]

    def at(point: int) -> float:
        return float(mask[round(float(points[point, 1])) - box.top, round(float(points[point, 0])) - box.left])

    assert min(at(point) for point in (61, 291, 0, 17, 13, 14)) > 0.9
    assert max(at(point) for point in (1, 33, 263, 152)) < 0.3


def test_a_share_of_nothing_changes_nothing() -> None:
    points, picture = face_points(), np.full((256, 256, 3), 90, np.uint8)
    box = box_of(points, 256)
    paste(picture, box, mask_of(points, box), np.ones((3, 96, 96), np.float32), 0.0)
    assert (picture == 90).all()


def test_the_network_sees_the_face_twice_and_its_lower_half_once() -> None:
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[..., 0] = 255
    given = seen(picture, Box(10, 10, 110, 110))
    assert given.shape == (6, 96, 96)
    # Red comes last.
    assert given[5].min() == 1 and given[3].max() == 0
    assert given[2, :48].min() == 1 and given[2, 48:].max() == 0


def face_points() -> np.ndarray:
    """June's own, on 256 px."""
    engine = PortraitEngine(PortraitOptions(default_persona="june"), SharedSettings(personas_dir=PERSONAS))
    return engine.rig("june", 256).mesh.neutral


# --- several at once ------------------------------------------------------------------------------------------------


def test_streams_that_ask_at_once_are_painted_in_one_batch_as_they_would_be_alone() -> None:
    made = random_network()
    sizes: list[int] = []
    made.audio_encoder.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    batches = Batches(made, "cpu", half=False)
    rng = np.random.default_rng(2)
    asked = [(rng.standard_normal((MELS, COLUMNS)).astype(np.float32), rng.random((6, 96, 96), np.float32)) for _ in range(4)]
    alone = [batches.paint(*each) for each in asked]
    sizes.clear()
    together: list[Any] = [None] * 4
    # The first one keeps the network busy, so that the others are waiting when it is done.
    threads = [threading.Thread(target=lambda n=n: together.__setitem__(n, batches.paint(*asked[n]))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batches.close()
    assert sum(sizes) == 4
    assert len(sizes) < 4
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() < 1e-4


def test_what_was_kept_of_a_face_is_painted_as_the_face_itself_alone_and_among_others() -> None:
    made = random_network()
    batches = Batches(made, "cpu", half=False)
    rng = np.random.default_rng(3)
    mels = rng.standard_normal((3, MELS, COLUMNS)).astype(np.float32)
    faces = rng.random((9, 6, 96, 96), np.float32)
    looked: list[int] = []
    made.face_encoder_blocks[0].register_forward_pre_hook(lambda _, given: looked.append(len(given[0])))
    kept = batches.look(faces)
    assert (len(kept), looked) == (9, [8, 1])
    assert sum(part.numel() for part in kept[0]) * 4 == pytest.approx(1.16e6, rel=0.01)
    whole = [batches.paint(mels[at], faces[at]) for at in range(3)]
    looked.clear()
    assert np.abs(batches.paint(mels[0], kept[0]) - whole[0]).max() < 1e-5
    assert looked == []
    mixed = batches._paint([_Wanted(mels[at], given, Future()) for at, given in enumerate((faces[0], kept[1], faces[2]))])
    assert looked == [2]
    assert np.abs(mixed - np.stack(whole)).max() < 1e-4
    batches.close()


def test_a_fault_of_the_device_is_told_to_whoever_waits_and_the_next_is_painted() -> None:
    made, failing = random_network(), [True]

    def hook(*_: Any) -> None:
        if failing.pop() if failing else False:
            raise RuntimeError("out of memory")

    made.audio_encoder.register_forward_pre_hook(hook)
    batches = Batches(made, "cpu", half=False)
    asked = np.zeros((MELS, COLUMNS), np.float32), np.zeros((6, 96, 96), np.float32)
    with pytest.raises(RuntimeError, match="out of memory"):
        batches.paint(*asked)
    assert batches.paint(*asked).shape == (3, 96, 96)
    batches.close()


# --- the engine -----------------------------------------------------------------------------------------------------


def test_the_mouth_is_painted_while_somebody_speaks_and_the_rest_is_the_portrait(models: Path) -> None:
    shared = SharedSettings(models_dir=models, personas_dir=PERSONAS)
    engine = Wav2LipEngine(Wav2LipOptions(default_persona="june", device="cpu"), shared)
    engine.load()
    portraits = PortraitEngine(PortraitOptions(default_persona="june"), shared)
    rig = portraits.rig("june", 256)
    painted, actor, plain = engine.open("june", 256, 25, 3), Actor(3, 25, Still()), Renderer(rig)
    rng = np.random.default_rng(4)
    differences = []
    for index in range(12):
        speaking = 3 <= index < 7
        pcm = (0.2 * rng.standard_normal(UNIT) * speaking).astype(np.float32)
        turn = 1 if speaking else 0
        slot = Slot(index, pcm, RATE, turn, (index - 3) * UNIT if turn else 0, (), Look.IDLE, None, paused=False)
        differences.append(np.abs(painted.render(slot).astype(int) - plain.draw(actor.step(slot))).max(2))
    # Silent before and a while after; while it speaks the mouth is another one.
    assert all(differences[index].max() == 0 for index in (0, 1, 2, 10, 11))
    assert all(differences[index].max() > 20 for index in (4, 5, 6))
    rows = np.argwhere(differences[5] > 0)[:, 0]
    assert rows.min() > rig.mesh.neutral[1, 1] - 6
    assert engine.info.models[0].licence == "research and personal use only"


class Filmed:
    """Ann, who has a base clip and no portrait, and June, who has a portrait and no clip."""

    def __init__(self, personas: Path, models: Path) -> None:
        shutil.copytree(PERSONAS / "june", personas / "june")
        self.home = personas / "ann"
        self.home.mkdir()
        (self.home / "consent.toml").write_text('[[consent]]\nwhat = "portrait"\n')
        self.pictures = keep_base_clip(self.home, count=6)
        shared = SharedSettings(models_dir=models, personas_dir=personas)
        self.engine = Wav2LipEngine(Wav2LipOptions(default_persona="ann", device="cpu"), shared)
        self.engine.load()


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Filmed:
    return Filmed(tmp_path_factory.mktemp("personas"), models)


def unit_of(index: int, *, spoken: int | None = None, paused: bool = False) -> Slot:
    """A unit; with `spoken`, that one of a reply."""
    pcm = 0.2 * np.random.default_rng(index).standard_normal(UNIT) * (spoken is not None)
    turn, at = (0, 0) if spoken is None else (1, spoken * UNIT)
    return Slot(index, pcm.astype(np.float32), RATE, turn, at, (), Look.IDLE, None, paused=paused)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(int) - other).max(2)


def place_of(picture: np.ndarray, pictures: list[np.ndarray]) -> int:
    """Which of them it is, after it was coded twice."""
    apart = [difference(picture, each).mean() for each in pictures]
    assert min(apart) < 5
    return int(np.argmin(apart))


def test_in_silence_the_clip_is_shown_as_it_is_there_and_back(filmed: Filmed) -> None:
    session = filmed.engine.open("ann", 256, 25, 3)
    shown = [place_of(session.render(unit_of(index)), filmed.pictures) for index in range(11)]
    assert shown == [3, 4, 5, 4, 3, 2, 1, 0, 1, 2, 3]
    # Where pictures were left out, time has passed all the same.
    assert place_of(session.render(unit_of(107)), filmed.pictures) == 0


def test_the_mouth_is_painted_into_the_clip_while_somebody_speaks_and_only_there(filmed: Filmed) -> None:
    speaking, silent = filmed.engine.open("ann", 256, 25, 3), filmed.engine.open("ann", 256, 25, 4)
    differences = []
    for index in range(12):
        spoken = index - 3 if 3 <= index < 7 else None
        differences.append(difference(speaking.render(unit_of(index, spoken=spoken)), silent.render(unit_of(index))))
    assert all(differences[index].max() == 0 for index in (0, 1, 2, 10, 11))
    assert all(differences[index].max() > 20 for index in (4, 5, 6))
    # It comes in two pictures and goes in three.
    assert 0.3 < differences[3].max() / differences[4].max() < 0.7
    assert differences[6].max() > differences[7].max() > differences[8].max() > 0
    face = filmed.engine.open("ann", 256, 25, 3)._shown.face()  # type: ignore[attr-defined]
    rows, columns = np.nonzero(differences[5])
    assert rows.min() > face.points[1, 1] - 6 and rows.max() < face.box.bottom
    assert columns.min() >= face.box.left - 3 and columns.max() <= face.box.right + 3


def test_in_a_pause_the_mouth_is_the_clips_own(filmed: Filmed) -> None:
    session, silent = filmed.engine.open("ann", 256, 25, 3), filmed.engine.open("ann", 256, 25, 3)
    for index in range(9):
        picture = session.render(unit_of(index, spoken=min(index, 4), paused=index > 4))
        plain = silent.render(unit_of(index))
    assert difference(picture, plain).max() == 0


@pytest.mark.parametrize("size", [384, 512])
def test_a_clip_is_shown_in_every_size(filmed: Filmed, size: int) -> None:
    session = filmed.engine.open("ann", size, 25, 3)
    assert session.render(unit_of(0, spoken=0)).shape == (size, size, 3)
    with pytest.raises(InvalidRequest):
        filmed.engine.open("ann", 300, 25, 3)


def test_nothing_is_looked_at_twice_while_a_clip_is_shown(filmed: Filmed, monkeypatch: pytest.MonkeyPatch) -> None:
    filmed.engine.open("ann", 256, 25, 3)

    def look(*_: Any) -> Any:
        raise AssertionError("what is kept of the faces is enough")

    monkeypatch.setattr("services.face.engines.wav2lip.network.Wav2Lip.look", look)
    session = filmed.engine.open("ann", 256, 25, 3)
    for index in range(3):
        session.render(unit_of(index, spoken=index))


def test_who_has_no_clip_is_drawn_as_ever(filmed: Filmed) -> None:
    filmed.engine.check("june")
    session = filmed.engine.open("june", 256, 25, 3)
    plain = PortraitEngine(PortraitOptions(default_persona="june"), SharedSettings(personas_dir=PERSONAS))
    drawn = Renderer(plain.rig("june", 256)).draw(Actor(3, 25, Still()).step(unit_of(0)))
    assert difference(session.render(unit_of(0)), drawn).max() == 0


def test_a_clip_needs_consent_and_its_files(filmed: Filmed) -> None:
    filmed.engine.check("ann")
    consent = filmed.home / "consent.toml"
    given = consent.read_text()
    consent.write_text(given + 'withdrawn = "2026-11-30"\n')
    for call in (lambda: filmed.engine.check("ann"), lambda: filmed.engine.open("ann", 256, 25, 3)):
        with pytest.raises(Unusable) as caught:
            call()
        assert caught.value.reason == "no_consent"
    consent.write_text(given)
    track = filmed.home / "derived" / "clip.npz"
    kept = track.read_bytes()
    track.unlink()
    for call in (lambda: filmed.engine.check("ann"), lambda: filmed.engine.open("ann", 256, 25, 3)):
        with pytest.raises(Unusable) as caught:
            call()
        assert caught.value.reason == "clip_damaged"
    track.write_bytes(kept)
    filmed.engine.open("ann", 256, 25, 3).close()


def test_a_new_clip_is_shown_in_the_next_conversation(filmed: Filmed) -> None:
    before = filmed.engine.open("ann", 256, 25, 3)
    filmed.pictures = keep_base_clip(filmed.home, count=8)
    after = filmed.engine.open("ann", 256, 25, 3)
    assert place_of(after.render(unit_of(3)), filmed.pictures) == 7
    # Who is looking at the old one goes on doing so.
    assert before.render(unit_of(4)).shape == (256, 256, 3)


def test_a_face_painted_as_it_was_changes_nothing_that_one_sees() -> None:
    rig = PortraitEngine(PortraitOptions(default_persona="june"), SharedSettings(personas_dir=PERSONAS)).rig("june", 256)
    slot = Slot(0, np.zeros(UNIT, np.float32), RATE, 0, 0, (), Look.IDLE, None, paused=False)
    picture = Renderer(rig).draw(Actor(3, 25, Still()).step(slot))
    before = picture.copy()
    box = box_of(rig.mesh.neutral, 256)
    paste(picture, box, mask_of(rig.mesh.neutral, box), seen(picture, box)[3:], 1.0)
    # 96 px for some 150 lose a little sharpness, and no more.
    assert np.abs(picture.astype(int) - before).mean() < 0.5
    assert np.percentile(np.abs(picture.astype(int) - before), 99.9) < 30

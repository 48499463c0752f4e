"""The frames of the portrait engine, of the persona that ships."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from environment import ROOT
from services.common.settings import SharedSettings
from services.face.engine import Look, Slot
from services.face.engines.portrait import topology as top
from services.face.engines.portrait.basis import load_basis
from services.face.engines.portrait.correct import corrected
from services.face.engines.portrait.engine import SIZES_PX, PortraitEngine
from services.face.engines.portrait.expression import Expression, channel, sided
from services.face.engines.portrait.mesh import Mesh
from services.face.engines.portrait.portrait import Portrait, read_portrait, scaled
from services.face.engines.portrait.renderer import Renderer
from services.face.engines.portrait.rig import Rig
from services.face.enrolment.transparency import BACKDROP
from services.face.settings import PortraitOptions
from vivant.errors import InvalidRequest, NotFound, Unusable

PERSONAS = ROOT / "personas"
SIDE = 512


@pytest.fixture(scope="session")
def june() -> Portrait:
    return corrected(read_portrait(PERSONAS / "june"))


@pytest.fixture(scope="session")
def rig(june: Portrait) -> Rig:
    return Rig(june, SIDE)


@pytest.fixture
def renderer(rig: Rig) -> Renderer:
    return Renderer(rig)


def face(**weights: float) -> Expression:
    expression = Expression()
    for name, value in weights.items():
        rows = (channel(name),) if name in load_basis().channels else sided(name)
        expression.weights[list(rows)] = value
    return expression


def eye_box(rig: Rig, eye: top.EyePoints) -> tuple[slice, slice]:
    points = rig.mesh.landmarks[[*eye.upper, *eye.lower], :2]
    (left, upper), (right, lower) = points.min(0).astype(int), points.max(0).astype(int) + 1
    return slice(upper, lower), slice(left, right)


def test_at_rest_the_frame_is_the_portrait(rig: Rig, renderer: Renderer, june: Portrait) -> None:
    difference = np.abs(renderer.draw(Expression()).astype(int) - scaled(june, SIDE).image)
    for eye in top.EYES:
        difference[eye_box(rig, eye)] = 0
    assert difference.mean() < 1.0
    assert np.percentile(difference, 99.9) < 20


def test_room_stands_still_while_the_head_turns(rig: Rig, renderer: Renderer) -> None:
    left = renderer.draw(Expression(yaw=-0.15, roll=0.05)).copy()
    right = renderer.draw(Expression(yaw=0.15, roll=-0.05)).copy()
    moved = np.abs(left.astype(int) - right).max(2)
    assert moved[rig.zones == 0].max() == 0
    assert (moved[rig.zones == 2] > 10).mean() > 0.1


def test_nothing_of_the_person_moves_past_the_zone_that_is_drawn(rig: Rig) -> None:
    """The outline of the person at the limits of movement lies where the room can be covered."""
    moved, _ = rig.mesh.move(Expression(yaw=0.19, pitch=-0.12, roll=0.087, shift_x=0.025, shift_y=-0.025))
    cells = np.round(moved[: top.POINTS, :2]).astype(int)
    inside = ((cells >= 0) & (cells < SIDE)).all(1)
    assert (rig.zones[cells[inside, 1], cells[inside, 0]] > 0).all()


@pytest.mark.parametrize("eye", top.EYES, ids=lambda eye: eye.side)
def test_blink_hides_the_iris_and_draws_a_lash_line(rig: Rig, renderer: Renderer, eye: top.EyePoints) -> None:
    box = eye_box(rig, eye)
    dark = [int((renderer.draw(face(eyeBlink=b))[box].max(2) < 70).sum()) for b in (0.0, 0.5, 1.0)]
    assert dark[0] > 60
    assert dark[0] > dark[1] > dark[2]
    points, _ = rig.mesh.move(face(eyeBlink=1.0))
    upper, lower = points[list(eye.upper)], points[list(eye.lower)]
    assert np.abs(upper[1:-1, 1] - np.interp(upper[1:-1, 0], lower[:, 0], lower[:, 1])).max() < 0.6


def test_blink_on_one_side_leaves_the_other_eye_alone(rig: Rig, renderer: Renderer) -> None:
    rest = renderer.draw(Expression()).copy()
    wink = renderer.draw(face(eyeBlinkLeft=1.0))
    assert np.array_equal(rest[eye_box(rig, top.RIGHT_EYE)], wink[eye_box(rig, top.RIGHT_EYE)])
    assert not np.array_equal(rest[eye_box(rig, top.LEFT_EYE)], wink[eye_box(rig, top.LEFT_EYE)])


def test_gaze_carries_the_iris(rig: Rig, renderer: Renderer) -> None:
    def iris_x(gaze: float) -> float:
        area = renderer.draw(Expression(gaze_x=gaze))[eye_box(rig, top.RIGHT_EYE)].max(2).astype(float)
        weight = np.clip(110 - area[3:-2], 0, None)
        return float((weight * np.arange(weight.shape[1])).sum() / weight.sum())

    assert iris_x(-1.0) + 3 < iris_x(0.0) < iris_x(1.0) - 3


def test_seal_brings_the_lips_together_exactly(rig: Rig) -> None:
    wide = replace(face(jawOpen=0.4, mouthLowerDown=0.3), seal=1.0)
    points, _ = rig.mesh.move(wide)
    assert np.allclose(points[list(top.INNER_UPPER)], points[list(top.INNER_LOWER)], atol=1e-3)


def test_open_mouth_is_dark_with_light_teeth(rig: Rig, renderer: Renderer) -> None:
    points, _ = rig.mesh.move(face(jawOpen=0.5))
    x, top_y, bottom_y = int(points[13, 0]), int(points[13, 1]), int(points[14, 1])
    column = renderer.draw(face(jawOpen=0.5))[top_y + 1 : bottom_y - 1, x - 3 : x + 4].mean((1, 2))
    assert bottom_y - top_y > 12
    assert column.min() < 60
    toothy = renderer.draw(face(jawOpen=0.15, mouthUpperUp=0.5, mouthLowerDown=0.3, mouthSmile=0.4))
    assert toothy[top_y - 4 : top_y + 8, x - 10 : x + 10].min(2).max() > 120


def test_portrait_with_an_open_mouth_rests_with_closed_lips(june: Portrait) -> None:
    points = june.points.copy()
    lower = [*top.INNER_LOWER[1:-1], *top.OUTER_LOWER[1:-1]]
    points[lower, 1] += 24
    mesh = Mesh(scaled(replace(june, points=points), SIDE), load_basis(), june.side)
    rest, _ = mesh.move(Expression())
    gap = rest[list(top.INNER_LOWER), 1] - rest[list(top.INNER_UPPER), 1]
    assert np.abs(gap).max() < 0.1
    opened, _ = mesh.move(face(jawOpen=0.4))
    assert opened[14, 1] - opened[13, 1] > 8


def test_smile_deepens_the_folds(rig: Rig, renderer: Renderer) -> None:
    before = rig.texture.copy()
    skin = renderer._skin
    smiling = skin.show(face(mouthSmile=0.8)).astype(int) - before
    assert smiling.min() < -6
    assert np.array_equal(skin.show(Expression()), before), "reliefs must leave nothing behind"
    assert np.array_equal(rig.texture, before), "sessions share the rig's texture"


def test_lids_are_found_where_they_were_moved_away(june: Portrait) -> None:
    """FaceMesh errs with old lids: an upper lid drawn too high comes back to where the eye begins."""
    eye = top.RIGHT_EYE
    points = june.points.copy()
    points[list(eye.upper[1:-1]), 1] -= 6
    found = corrected(replace(june, points=points)).points
    error = np.abs(found - june.points)[list(eye.upper[2:-2]), 1]
    assert error.mean() < 3


def test_iris_is_found_where_it_was_moved_away(june: Portrait) -> None:
    iris = top.LEFT_EYE.iris
    points = june.points.copy()
    points[iris : iris + 5, 0] += 3.5
    assert abs(corrected(replace(june, points=points)).points[iris, 0] - june.points[iris, 0]) < 1.5


# The engine


@pytest.fixture(scope="session")
def engine() -> PortraitEngine:
    engine = PortraitEngine(PortraitOptions(), SharedSettings(personas_dir=PERSONAS))
    engine.load()
    return engine


def quiet(index: int) -> Slot:
    return Slot(index, np.zeros(960, np.float32), 24000, 0, 0, (), Look.IDLE, None, False)


@pytest.mark.parametrize("size", SIZES_PX)
def test_every_size_gives_a_whole_picture(engine: PortraitEngine, size: int) -> None:
    frame = engine.open("june", size, 25, seed=1).render(quiet(0))
    assert frame.shape == (size, size, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    whole = cv2.resize(read_portrait(PERSONAS / "june").image, (size, size), interpolation=cv2.INTER_AREA)
    assert np.abs(frame.astype(int) - whole).mean() < 8


def test_sessions_do_not_touch_each_other(engine: PortraitEngine) -> None:
    alone = engine.open("june", 256, 25, seed=5)
    expected = [alone.render(quiet(n)).copy() for n in range(12)]
    one, other = engine.open("june", 256, 25, seed=5), engine.open("june", 256, 25, seed=6)
    for n, frame in enumerate(expected):
        mine = one.render(quiet(n)).copy()
        theirs = other.render(quiet(n))
        assert np.array_equal(mine, frame)
        assert not np.array_equal(mine, theirs)


def test_unknown_size_is_refused_with_the_choices(engine: PortraitEngine) -> None:
    with pytest.raises(InvalidRequest, match="256, 384, 512, 720"):
        engine.open("june", 500, 25, seed=1)


def test_unknown_persona_is_not_found(engine: PortraitEngine) -> None:
    with pytest.raises(NotFound):
        engine.open("nobody", 512, 25, seed=1)


def test_it_says_what_it_can_do(engine: PortraitEngine) -> None:
    assert engine.info.phonemes
    assert {"warm_smile", "neutral", "nod"} <= set(engine.info.cues)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "june"
    folder.mkdir()
    for name in ("portrait.png", "consent.toml"):
        shutil.copy(PERSONAS / "june" / name, folder)
    shutil.copytree(PERSONAS / "june" / "derived", folder / "derived")
    return folder


@pytest.mark.parametrize("missing", ["portrait.png", "derived/landmarks.json", "derived/person.png"])
def test_missing_file_says_what_to_do(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(Unusable, match="enrol the portrait"):
        read_portrait(copy)


def test_changed_picture_must_be_enrolled_again(copy: Path) -> None:
    picture = copy / "portrait.png"
    picture.write_bytes(picture.read_bytes() + b"\0")
    with pytest.raises(Unusable) as refused:
        read_portrait(copy)
    assert refused.value.reason == "portrait_changed"


def test_landmarks_of_other_count_are_refused(copy: Path) -> None:
    path = copy / "derived" / "landmarks.json"
    landmarks = json.loads(path.read_text())
    landmarks["points"] = landmarks["points"][:468]
    path.write_text(json.dumps(landmarks))
    with pytest.raises(Unusable) as refused:
        read_portrait(copy)
    assert refused.value.reason == "portrait_damaged"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"{}", b'{"version": 1, "image_sha256": "", "points": "many"}'])
def test_damaged_landmarks_are_refused(copy: Path, content: bytes) -> None:
    (copy / "derived" / "landmarks.json").write_bytes(content)
    with pytest.raises(Unusable) as refused:
        read_portrait(copy)
    assert refused.value.reason == "portrait_damaged"


def test_changed_portrait_is_seen_by_the_next_session(copy: Path) -> None:
    engine = PortraitEngine(PortraitOptions(), SharedSettings(personas_dir=copy.parent))
    engine.open("june", 256, 25, seed=1)
    picture = copy / "portrait.png"
    cv2.imwrite(str(picture), cv2.flip(cv2.imread(str(picture)), 0))
    with pytest.raises(Unusable):
        engine.open("june", 256, 25, seed=1)


def test_who_has_withdrawn_consent_is_shown_no_more(copy: Path) -> None:
    engine = PortraitEngine(PortraitOptions(), SharedSettings(personas_dir=copy.parent))
    engine.check("june")
    engine.open("june", 256, 25, seed=1)
    (copy / "consent.toml").write_text('[[consent]]\nwhat = "portrait"\nwithdrawn = 2026-02-03\n')
    for refused in (engine.check, lambda persona: engine.open(persona, 256, 25, seed=1)):
        with pytest.raises(Unusable) as caught:
            refused("june")
        assert caught.value.reason == "no_consent"


def test_a_default_persona_without_a_portrait_is_a_voice_and_one_that_is_refused_stops_the_start(copy: Path) -> None:
    engine = PortraitEngine(PortraitOptions(), SharedSettings(personas_dir=copy.parent))
    (copy / "portrait.png").unlink()
    engine.load()
    (copy / "portrait.png").write_bytes(b"changed")
    with pytest.raises(Unusable):
        engine.load()


def test_a_portrait_with_a_transparent_background_hides_what_is_behind(copy: Path) -> None:
    image = cv2.imread(str(copy / "portrait.png"))
    alpha = np.full(image.shape[:2], 255, np.uint8)
    alpha[:40] = 0
    data = cv2.imencode(".png", np.dstack([image, alpha]))[1].tobytes()
    (copy / "portrait.png").write_bytes(data)
    path = copy / "derived" / "landmarks.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"image_sha256": hashlib.sha256(data).hexdigest()}))
    shown = read_portrait(copy).image
    assert (shown[:30] == BACKDROP).all()
    assert np.array_equal(shown[50:], image[50:, :, ::-1])

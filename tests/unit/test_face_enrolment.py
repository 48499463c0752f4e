"""Enrolment without the landmark models: files, pictures, rules, and that a refusal leaves no trace."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from environment import ROOT
from services.common.settings import SharedSettings
from services.face.engines.fake import FakeEngine, FakeSession
from services.face.enrolment import checks, folder
from services.face.enrolment.checks import Face
from services.face.enrolment.enroller import Enrolled, Enroller, Step
from services.face.enrolment.finder import Finder, Found
from services.face.enrolment.picture import cut, open_picture
from services.face.settings import FakeOptions
from tests.harness.data import PORTRAITS
from vivant.errors import Full, Internal, NotFound, Timeout, Unusable, VivantError

CONSENT = '[[consent]]\nwhat = "portrait"\n'


def june() -> NDArray[np.float64]:
    """Real landmarks [478, 3] of a 768 px portrait."""
    return np.array(json.loads((ROOT / "personas/june/derived/landmarks.json").read_text())["points"])


def face(points: NDArray[np.float64] | None = None, **changes: object) -> Face:
    """A face as the models would find it in the portrait of June."""
    points = june() if points is None else points
    low, high = points[:468, :2].min(0), points[:468, :2].max(0)
    # The mirror image of a symmetrical face: the counterparts of the points themselves.
    counterparts = checks._counterparts()
    mirrored = points.copy()
    mirrored[counterparts] = points[:468]
    return replace(Face(0.95, (*low, *high), points, mirrored), **changes)  # type: ignore[arg-type]


def turned(degrees: float, axis: int) -> NDArray[np.float64]:
    """June with her head turned about x (0), y (1) or z (2)."""
    points = june()
    centre = points.mean(0)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b = [other for other in range(3) if other != axis]
    rotation = np.eye(3)
    rotation[[a, a, b, b], [a, b, a, b]] = cos, -sin, sin, cos
    return np.asarray((points - centre) @ rotation.T + centre)


def refused(call: object, *arguments: object) -> str:
    with pytest.raises(Unusable) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.reason


# Pictures.


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_the_three_formats_are_opened(ending: str) -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[:, :200, 2] = 255
    _, data = cv2.imencode(ending, picture)
    opened = open_picture(data.tobytes())
    assert opened.shape == (300, 400, 3)
    assert opened[10, 10, 0] > 200, "RGB"


def test_both_kinds_of_webp_tell_their_size() -> None:
    picture = cv2.imread(str(PORTRAITS / "man.jpg"))
    for quality in (80, 101):
        _, data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
        assert open_picture(data.tobytes()).shape == (384, 384, 3)


def _png(width: int, height: int) -> bytes:
    """A PNG header that promises a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "not_a_picture"),
        (b"GIF89a" + bytes(500), "not_a_picture"),
        (b"\x89PNG\r\n\x1a\n", "not_a_picture"),
        (b"\xff\xd8\xff\xe0" + bytes(3), "not_a_picture"),
        (b"\xff\xd8\xff", "not_a_picture"),
        (_png(512, 512), "not_a_picture"),
        (_png(60_000, 60_000), "picture_too_large"),
        (_png(4000, 255), "picture_too_small"),
        (bytes(3 * 1024 * 1024 + 1), "picture_too_large"),
    ],
)
def test_what_is_not_a_usable_picture_is_refused(data: bytes, rule: str) -> None:
    assert refused(open_picture, data) == rule


def test_a_wide_picture_is_cut_to_a_square_around_the_head() -> None:
    points = june() + np.array([1000.0, 100.0, 0.0])
    image = np.zeros((1200, 3000, 3), np.uint8)
    image[480:490, 1380:1390] = 255
    square = cut(image, points)
    height, width = square.shape[:2]
    assert height == width <= 1024
    assert square.max() == 255, "the face is in it"
    wide = points[:, 0].max() - points[:, 0].min()
    assert 2 * wide < width < 2.5 * wide


def test_a_square_that_is_cut_right_stays_as_it_is() -> None:
    image = np.zeros((768, 768, 3), np.uint8)
    assert cut(image, june()) is image


# Rules.


def test_a_good_face_passes() -> None:
    points = checks.choose([face()], 768, 768)
    assert checks.require_pose(points) == []


def test_one_face_and_only_one() -> None:
    one = face()
    small = replace(one, box=(0.0, 0.0, 0.2 * one.width, 50.0))
    assert refused(checks.choose, [], 768, 768) == "no_face"
    assert refused(checks.choose, [replace(one, score=0.4)], 768, 768) == "no_face"
    assert refused(checks.choose, [replace(one, points=None)], 768, 768) == "no_face"
    assert refused(checks.choose, [one, one], 768, 768) == "several_faces"
    assert checks.choose([one, small], 768, 768) is one.points


def test_the_whole_face_must_be_in_the_picture() -> None:
    assert refused(checks.choose, [face()], 768, 500) == "face_cut_off"
    beyond = face(points=None, box=(-50.0, 100.0, 300.0, 500.0))
    assert refused(checks.choose, [replace(beyond, points=None)], 768, 768) == "face_cut_off"


def test_hardly_human_faces_are_refused() -> None:
    stretched = june() * [0.55, 1.0, 0.55]
    for odd in (
        face(score=0.75),
        face(stretched),
        face(mirrored=None),
        face(mirrored=june() + np.random.default_rng(1).normal(0, 20, (478, 3))),
    ):
        assert refused(checks.choose, [odd], 768, 768) == "not_a_human_face"


@pytest.mark.parametrize(("degrees", "axis"), [(25, 1), (-25, 1), (30, 0), (-30, 0), (25, 2)])
def test_a_turned_head_is_refused(degrees: float, axis: int) -> None:
    assert refused(checks.require_pose, turned(degrees, axis)) == "not_frontal"


def test_a_slightly_turned_head_is_a_warning() -> None:
    assert any("turned" in warning for warning in checks.require_pose(turned(11, 1)))


def test_pose_reads_degrees() -> None:
    straight = checks.pose(june())
    assert abs(straight.yaw) < 3
    assert checks.pose(turned(15, 2)).roll - straight.roll == pytest.approx(15, abs=0.5)
    assert abs(checks.pose(turned(10, 1)).yaw - straight.yaw) == pytest.approx(10, abs=0.5)


def test_small_faces_and_closed_eyes_are_refused() -> None:
    assert refused(checks.require_pose, june() * 0.2) == "face_too_small"
    assert any("small" in warning for warning in checks.require_pose(june() * 0.4))
    asleep = june()
    for _, _, upper, lower in (checks.RIGHT_EYE, checks.LEFT_EYE):
        asleep[upper] = asleep[lower] + [0.0, -2.0, 0.0]
    assert refused(checks.require_pose, asleep) == "eyes_closed"


def test_a_blurred_face_is_refused() -> None:
    image = cv2.cvtColor(cv2.imread(str(ROOT / "personas/june/portrait.png")), cv2.COLOR_BGR2RGB)
    sharp = np.asarray(image, np.uint8)
    points = june()
    assert checks.require_sharp(sharp, points) == []
    assert refused(checks.require_sharp, np.asarray(cv2.GaussianBlur(sharp, (0, 0), 5), np.uint8), points) == "blurred"


# The folder.


@pytest.mark.parametrize("text", [None, "", "[[consent", '[[consent]]\nwhat = "voice"\n', 'consent = "yes"', "consent = [1]"])
def test_without_consent_nobody_is_animated(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "consent.toml").write_text(text)
    with pytest.raises(Unusable) as caught:
        folder.require_consent(tmp_path)
    assert caught.value.reason == "no_consent"
    with pytest.raises(NotFound):
        folder.require_consent(tmp_path / "nobody")


def test_a_write_that_fails_leaves_the_old_files(tmp_path: Path) -> None:
    folder.replace(tmp_path, {"portrait.png": b"old"})
    (tmp_path / "derived").write_text("in the way")
    with pytest.raises(Unusable) as caught:
        folder.replace(tmp_path, {"portrait.png": b"new", "derived/person.png": b"new"})
    assert caught.value.reason == "cannot_write"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["derived", "portrait.png"]
    assert (tmp_path / "portrait.png").read_bytes() == b"old"


# The whole way, with a scripted finder.


class ScriptedFinder(Finder):
    """Finds June in everything, scaled to the size of the picture."""

    def __init__(self) -> None:
        super().__init__(Path("unused"), 1)

    async def find(self, image: NDArray[np.uint8]) -> Found:
        height, width = image.shape[:2]
        return Found((face(june() * min(height, width) / 768),), np.full((height, width), 255, np.uint8))


class PickyEngine(FakeEngine):
    def open(self, persona: str, size_px: int, fps: int, seed: int) -> FakeSession:
        raise Unusable("the mouth cannot be found", reason="no_mouth")


async def enrolled(steps: AsyncIterator[Step | Enrolled]) -> tuple[list[Step], Enrolled]:
    seen = [step async for step in steps]
    assert isinstance(seen[-1], Enrolled)
    return [step for step in seen if isinstance(step, Step)], seen[-1]


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    home = tmp_path / "ann"
    home.mkdir()
    (home / "consent.toml").write_text(CONSENT)
    return home


def files(home: Path) -> dict[str, bytes]:
    """All files below `home`."""
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def fake() -> FakeEngine:
    return FakeEngine(FakeOptions(), SharedSettings())


async def test_a_picture_becomes_an_enrolled_portrait(ann: Path) -> None:
    data = (PORTRAITS / "woman.jpg").read_bytes()
    steps, result = await enrolled(Enroller(fake(), ScriptedFinder(), ann.parent).enrol("ann", data))
    done = [step.done for step in steps]
    assert done == sorted(done)
    portrait = (ann / "portrait.png").read_bytes()
    landmarks = json.loads((ann / "derived" / "landmarks.json").read_text())
    assert landmarks["version"] == 1
    assert landmarks["image_sha256"] == hashlib.sha256(portrait).hexdigest()
    assert (landmarks["width"], landmarks["height"], np.shape(landmarks["points"])) == (384, 384, (478, 3))
    assert cv2.imread(str(ann / "derived" / "person.png"), cv2.IMREAD_UNCHANGED).shape == (384, 384)
    shown = cv2.imdecode(np.frombuffer(result.preview, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (256, 2 * 256, 3), "neutral, and the one expression that the scripted engine knows"
    assert set(files(ann)) == {"consent.toml", "portrait.png", "derived/landmarks.json", "derived/person.png"}


async def test_the_portrait_in_the_folder_is_not_rewritten(ann: Path) -> None:
    picture = (ROOT / "personas/june/portrait.png").read_bytes()
    (ann / "portrait.png").write_bytes(picture)
    await enrolled(Enroller(fake(), ScriptedFinder(), ann.parent).enrol("ann", b""))
    assert (ann / "portrait.png").read_bytes() == picture


async def test_a_portrait_that_the_engine_cannot_use_leaves_the_old_one(ann: Path) -> None:
    data = (PORTRAITS / "woman.jpg").read_bytes()
    await enrolled(Enroller(fake(), ScriptedFinder(), ann.parent).enrol("ann", data))
    before = files(ann)
    picky = Enroller(PickyEngine(FakeOptions(), SharedSettings()), ScriptedFinder(), ann.parent)
    with pytest.raises(Unusable) as caught:
        await enrolled(picky.enrol("ann", (PORTRAITS / "man.jpg").read_bytes()))
    assert caught.value.reason == "no_mouth"
    assert files(ann) == before


async def test_one_portrait_at_a_time(ann: Path) -> None:
    data = (PORTRAITS / "woman.jpg").read_bytes()
    enroller = Enroller(fake(), ScriptedFinder(), ann.parent)
    first = enroller.enrol("ann", data)
    await anext(first)
    with pytest.raises(Full):
        await anext(enroller.enrol("ann", data))
    await first.aclose()
    await enrolled(enroller.enrol("ann", data))


async def test_a_first_portrait_that_cannot_be_used_leaves_nothing(ann: Path) -> None:
    picky = Enroller(PickyEngine(FakeOptions(), SharedSettings()), ScriptedFinder(), ann.parent)
    with pytest.raises(Unusable):
        await enrolled(picky.enrol("ann", (PORTRAITS / "man.jpg").read_bytes()))
    assert list(files(ann)) == ["consent.toml"]


# The landmark program, played by other programs.


@pytest.mark.parametrize(("script", "error"), [("import time; time.sleep(60)", Timeout), ("raise SystemExit(3)", Internal)])
async def test_a_landmark_program_that_fails_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: type[VivantError]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(script)
    monkeypatch.setattr("services.face.enrolment.finder.SCRIPT", program)
    with pytest.raises(error):
        await Finder(Path(sys.executable), 0.5).find(np.zeros((300, 300, 3), np.uint8))


@pytest.mark.parametrize(("script", "error"), [("import time; time.sleep(60)", Timeout), ("raise SystemExit(3)", Internal)])
async def test_a_landmark_program_that_fails_in_a_clip_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: type[VivantError]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(script)
    monkeypatch.setattr("services.face.enrolment.finder.SCRIPT", program)
    pictures = iter([np.zeros((300, 300, 3), np.uint8)] * 3)
    with pytest.raises(error):
        _ = [seen async for seen in Finder(Path(sys.executable), 0.5).follow(pictures)]


async def test_a_clip_is_followed_picture_by_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is played by one that tells how bright each picture is, and says a lot on stderr."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, sys\n"
        "kind, width, height, every = sys.argv[1:]\n"
        "while data := sys.stdin.buffer.read(int(width) * int(height) * 3):\n"
        "    sys.stderr.write('warning' * 20_000)\n"
        "    box = [0, 0, data[0], int(every)]\n"
        "    face = {'score': 0.9, 'box': box, 'points': None, 'mirrored': None}\n"
        "    print(json.dumps({'faces': [face]}), flush=True)\n"
    )
    monkeypatch.setattr("services.face.enrolment.finder.SCRIPT", program)
    pictures = [np.full((200, 300, 3), level, np.uint8) for level in range(30)]
    seen = [each async for each in Finder(Path(sys.executable), 30).follow(iter(pictures))]
    assert [each.faces[0].width for each in seen] == list(range(30))
    assert [int(each.picture[0, 0, 0]) for each in seen] == list(range(30))
    assert [index for index, each in enumerate(seen) if each.mirrored] == [0, 25]


async def test_a_missing_environment_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="make enroll-env") as caught:
        await Finder(tmp_path / "python", 1).find(np.zeros((300, 300, 3), np.uint8))
    assert caught.value.reason == "no_enroll_environment"

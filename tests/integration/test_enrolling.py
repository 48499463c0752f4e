"""Enrolment with the real landmark models and the real engines; skipped where the enrolment environment is not installed."""

from __future__ import annotations

import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.settings import SharedSettings
from services.face.engine import Look, Slot
from services.face.engines.portrait.engine import PortraitEngine
from services.face.engines.wav2lip.engine import Wav2LipEngine
from services.face.enrolment.clip import stored
from services.face.enrolment.enroller import Enrolled, Enroller
from services.face.enrolment.finder import Finder
from services.face.enrolment.picture import png
from services.face.settings import FaceSettings, PortraitOptions, Wav2LipOptions
from tests.harness.clips import person, save
from tests.harness.command import vivant
from tests.harness.data import PERSONAS, PORTRAITS
from tests.harness.scripted_engines import scripted_engines
from tests.harness.wav2lip_weights import models_with_wav2lip
from vivant.errors import Unusable

SETTINGS = FaceSettings()
pytestmark = pytest.mark.skipif(not SETTINGS.enroll_python.exists(), reason="run: make enroll-env")


def portrait(name: str) -> NDArray[np.uint8]:
    image = cv2.imread(str(PORTRAITS / f"{name}.jpg"))
    assert image is not None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def enrol(personas: Path, image: NDArray[np.uint8]) -> Enrolled:
    """Enrols `image` as "ann" with nothing left out."""
    home = personas / "ann"
    home.mkdir(exist_ok=True)
    (home / "consent.toml").write_text('[[consent]]\nwhat = "portrait"\n')
    engine = PortraitEngine(PortraitOptions(), SharedSettings(personas_dir=personas))
    enroller = Enroller(engine, Finder(SETTINGS.enroll_python, SETTINGS.enroll_timeout_s), personas)
    steps = [step async for step in enroller.enrol("ann", png(image))]
    assert isinstance(steps[-1], Enrolled)
    return steps[-1]


@pytest.mark.parametrize("name", ["woman", "man", "elder"])
async def test_the_portraits_of_the_project_can_be_enrolled(tmp_path: Path, name: str) -> None:
    result = await enrol(tmp_path, portrait(name))
    shown = cv2.imdecode(np.frombuffer(result.preview, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    height, width = shown.shape[:2]
    assert width == 4 * height
    neutral, smile = shown[:, :height].astype(int), shown[:, height : 2 * height].astype(int)
    assert np.abs(neutral - smile).mean() > 0.5, "an expression shows"
    assert files(tmp_path) == ["consent.toml", "landmarks.json", "person.png", "portrait.png"]


def no_face() -> NDArray[np.uint8]:
    rng = np.random.default_rng(5)
    return np.asarray(cv2.resize(rng.integers(0, 255, (24, 24, 3), np.uint8), (400, 400)), np.uint8)


def smiley() -> NDArray[np.uint8]:
    image = np.full((512, 512, 3), 235, np.uint8)
    cv2.circle(image, (256, 256), 180, (255, 200, 90), -1)
    for x in (190, 322):
        cv2.circle(image, (x, 210), 28, (255, 255, 255), -1)
        cv2.circle(image, (x, 210), 12, (30, 30, 30), -1)
    cv2.ellipse(image, (256, 310), (80, 50), 0, 0, 180, (160, 40, 40), 8)
    return image


def resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (width, height)), np.uint8)


def leaning(image: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    matrix = cv2.getRotationMatrix2D((192, 192), degrees, 1.0)
    return np.asarray(cv2.warpAffine(image, matrix, (384, 384), borderMode=cv2.BORDER_REPLICATE), np.uint8)


@pytest.mark.parametrize(
    ("image", "rules"),
    [
        (no_face(), {"no_face"}),
        (smiley(), {"not_a_human_face", "no_face"}),
        (np.hstack([portrait("woman"), portrait("man")]), {"several_faces"}),
        (resized(portrait("woman"), 768, 384), {"not_a_human_face"}),
        (resized(portrait("woman"), 384, 768), {"not_a_human_face"}),
        (leaning(portrait("woman"), 35), {"not_frontal"}),
        (np.asarray(cv2.GaussianBlur(portrait("woman"), (0, 0), 5), np.uint8), {"blurred"}),
        (portrait("woman")[:260], {"face_cut_off"}),
        (np.pad(resized(portrait("woman"), 120, 120), ((200, 200), (200, 200), (0, 0)), mode="edge"), {"face_too_small"}),
    ],
)
async def test_a_picture_that_cannot_be_used_is_refused_and_leaves_no_trace(
    tmp_path: Path, image: NDArray[np.uint8], rules: set[str]
) -> None:
    with pytest.raises(Unusable) as caught:
        await enrol(tmp_path, np.ascontiguousarray(image))
    assert caught.value.reason in rules
    assert files(tmp_path) == ["consent.toml"]


async def test_the_command_makes_a_loop_of_a_video_that_the_face_then_shows(tmp_path: Path) -> None:
    """From the command line through the services to the folder, and from there to the pictures of a conversation."""
    personas = tmp_path / "personas"
    # His story is short, and soon learnt; how he looks nobody knows.
    shutil.copytree(PERSONAS / "pip", personas / "pip")
    (personas / "pip" / "consent.toml").write_text('[[consent]]\nwhat = "portrait"\n')
    # The face is June's, who speaks in the first second; 50 pictures a second, of which every other one is taken.
    pictures = person(100, speaks=lambda index: index < 25)
    video = save(tmp_path / "june.mp4", [picture for picture in pictures for _ in range(2)], rate=Fraction(50))
    both = np.hstack([pictures[30], pictures[60]])
    two = save(tmp_path / "two.mp4", [np.hstack([p, np.zeros_like(p)]) for p in pictures[20:90]] + [both] * 10)
    async with scripted_engines(
        VIVANT_PERSONAS_DIR=str(personas), VIVANT_PERSONA="pip", FACE_ENROLL_PYTHON=str(SETTINGS.enroll_python.absolute())
    ) as engines:
        engines.ready()
        place = {f"VIVANT_{name}_ADDRESS": engines.address for name in ("ASR", "LLM", "TTS", "FACE")}
        refused = await vivant("enroll", "pip", "--video", two, **place)
        assert not stored.is_there(personas / "pip")
        made = await vivant("enroll", "pip", "--video", video, "-o", tmp_path / "sheet.png", **place)
    assert refused.status == 1
    assert "two faces in 10 of 80 pictures" in refused.err and len(refused.err.splitlines()) == 1
    assert (made.status, made.err) == (0, "")
    for part in ("384 x 384, 4.0 s, 50.0 pictures a second", "100 of 100 can be used", "mouth: shut in 100% of the loop"):
        assert part in made.out
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape == (384, 960, 3)

    shared = SharedSettings(models_dir=models_with_wav2lip(tmp_path / "models"), personas_dir=personas)
    engine = Wav2LipEngine(Wav2LipOptions(default_persona="pip", device="cpu"), shared)
    engine.load()
    session = engine.open("pip", 384, 25, 1)
    clip, _ = stored.read(personas / "pip")
    period = 2 * (clip.count - 1) if clip.there_and_back else clip.count
    silence = np.zeros(960, np.float32)
    units = [Slot(index, silence, 24_000, 0, 0, (), Look.IDLE, None, paused=False) for index in range(period + 2)]
    seen = [session.render(unit).astype(np.float32) for unit in units]
    steps = [float(np.sqrt(((a - b) ** 2).mean())) for a, b in pairwise(seen)]
    # Blinks are the largest steps of a silent face: where the loop begins anew or turns, there is none of that size.
    turns = [index for index in range(period) if clip.place(index) in (0, clip.count - 1)]
    assert turns
    usual = np.percentile([float(np.sqrt(((a - b) ** 2).mean())) for a, b in pairwise(map(np.float32, pictures[25:]))], 90)
    assert all(steps[index] <= 1.2 * usual + 0.5 for index in turns)

"""Base clips without the landmark models: what may be sent, what is said of pictures that cannot be used, and the loop."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from environment import ROOT
from services.face.enrolment import checks
from services.face.enrolment.checks import Face
from services.face.enrolment.clip import loop, making, stored, track, video
from services.face.enrolment.clip.making import Made
from services.face.enrolment.clip.stored import BaseClip
from services.face.enrolment.clip.track import Sight
from services.face.enrolment.finder import Finder, Followed
from services.face.enrolment.folder import replace
from tests.harness.clips import mp4
from vivant.errors import Unusable

Picture = NDArray[np.uint8]
JUNE = np.array(json.loads((ROOT / "personas/june/derived/landmarks.json").read_text())["points"]) / 2
SIDE = 384


def portrait() -> Picture:
    read = cv2.imread(str(ROOT / "personas/june/portrait.png"))
    assert read is not None
    return np.ascontiguousarray(cv2.resize(read, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., ::-1])


def plain(level: int, width: int = 256, height: int = 256) -> Picture:
    return np.full((height, width, 3), level, np.uint8)


def refused(call: Callable[[], object]) -> Unusable:
    with pytest.raises(Unusable) as caught:
        call()
    return caught.value


# --- what may be sent -----------------------------------------------------------------------------------------------


def test_a_video_says_what_it_is() -> None:
    facts = video.examine(mp4([plain(9, 320, 256)] * 120, rate=Fraction(30)))
    assert (facts.width, facts.height) == (320, 256)
    assert (facts.seconds, facts.rate) == (pytest.approx(4), pytest.approx(30))


def with_a_gap() -> bytes:
    """Its picture stands still for a second."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        for index in range(120):
            frame = av.VideoFrame.from_ndarray(plain(9), format="rgb24")
            frame.pts = index + 25 * (index >= 60)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "rule", "says"),
    [
        (lambda: b"", "not_a_video", "MP4, MOV, WebM"),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(900), "not_a_video", "MP4, MOV, WebM"),
        # A list of other files, which FFmpeg would read for whoever sends it.
        (lambda: b"#EXTM3U\n#EXTINF:4,\nfile:///etc/hostname\n", "not_a_video", "MP4, MOV, WebM"),
        (lambda: mp4([plain(9)] * 100)[:-2000], "not_a_video", "export it again"),
        (lambda: bytes(video.MAX_BYTES + 1), "video_too_large", "100 MiB"),
        (lambda: mp4([plain(9)] * 60), "video_too_short", "2.4 s long; it must be at least 3 s"),
        (lambda: mp4([plain(9)] * 620, rate=Fraction(10)), "video_too_long", "62 s long; at most 60 s"),
        (lambda: mp4([plain(9)] * 60, rate=Fraction(12)), "video_too_slow", "12 pictures a second; at least 20"),
        (with_a_gap, "video_too_slow", "stands still for 1.04 s after 2.4 s"),
        (lambda: mp4([plain(9, 256, 192)] * 80), "video_too_small", "256 x 192"),
    ],
)
def test_what_cannot_be_a_clip_is_refused_with_its_rule(data: Callable[[], bytes], rule: str, says: str) -> None:
    sent = data()
    error = refused(lambda: video.examine(sent))
    assert error.reason == rule
    assert says in error.message


@pytest.mark.parametrize(("rate", "count"), [(25, 100), (50, 200), (30, 120), (24, 96)])
def test_pictures_are_taken_by_their_time(rate: int, count: int) -> None:
    """Each is as bright as it is late, so that the nearest in time can be told."""
    made = mp4([plain(round(20 + 200 * index / count)) for index in range(count)], rate=Fraction(rate))
    shown = np.array([picture.mean() for picture in video.pictures(made)])
    assert len(shown) == 100
    wanted = 20 + 200 * np.arange(len(shown)) / 25 / 4
    # Half a picture of the video, and what coding changes.
    assert np.abs(shown - wanted).max() < 100 / count + 3


def test_a_video_is_shown_as_the_camera_was_held() -> None:
    picture = plain(20, 320, 256)
    picture[:, :160] = 220
    file = io.BytesIO(mp4([picture] * 80))
    turned = io.BytesIO()
    with av.open(file) as source, av.open(turned, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    shown = next(video.pictures(turned.getvalue()))
    assert shown.shape == (320, 256, 3)
    # A quarter turn against the clock brings what was left to the bottom.
    assert shown[200:].mean() > 200 and shown[:120].mean() < 40


# --- what is seen in it ---------------------------------------------------------------------------------------------


def face(points: NDArray[np.float64] = JUNE) -> Face:
    mirrored = points.copy()
    mirrored[checks._counterparts()] = points[: checks.SKIN]
    return Face(0.95, (*points[:, :2].min(0), *points[:, :2].max(0)), points, mirrored)


def sight(*faces: Face, picture: Picture | None = None) -> Sight:
    return track.look(Followed(portrait() if picture is None else picture, faces, mirrored=True))


def turned_away() -> Face:
    angle = np.radians(30)
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    centre = JUNE.mean(0)
    return face((JUNE - centre) @ rotation.T + centre)


def test_a_good_picture_has_no_fault() -> None:
    seen = sight(face())
    assert (seen.fault, seen.thumbnail.shape) == ("", (48, 48))
    assert 60 < seen.light < 220


@pytest.mark.parametrize(
    ("seen", "rule", "says"),
    [
        (sight, "no_face", "no face in 12 of 250 pictures; one person must be in all of it"),
        (lambda: sight(face(), face()), "several_faces", "two faces in 12 of 250 pictures; only one person may be in it"),
        (lambda: sight(face(np.add(JUNE, (190, 0, 0)))), "face_cut_off", "a face cut off by the edge in 12 of 250"),
        (lambda: sight(face(JUNE * [0.4, 1, 1])), "not_a_human_face", "hardly a human face in 12 of 250"),
        (
            lambda: sight(face(JUNE * 0.3 + np.array([100, 100, 0]))),
            "face_too_small",
            "less than 48 px between the eye corners in 12",
        ),
        (lambda: sight(turned_away()), "not_frontal", "a head that is turned away in 12 of 250 pictures; look straight"),
        (lambda: sight(face(), picture=cv2.GaussianBlur(portrait(), (0, 0), 6)), "blurred", "a blurred face in 12 of 250"),
        (
            lambda: sight(face(), picture=(portrait() * 0.7).astype(np.uint8)),
            "light_changes",
            "brighter or darker by more than 10% in 12 of 250 pictures; use steady light",
        ),
    ],
)
def test_too_many_pictures_with_a_fault_are_refused_with_their_number(seen: Callable[[], Sight], rule: str, says: str) -> None:
    good, bad = sight(face()), seen()
    error = refused(lambda: track.require_usable(track.in_one_light([good] * 238 + [bad] * 12)))
    assert error.reason == rule
    assert says in error.message
    # A detector errs now and then.
    track.require_usable(track.in_one_light([good] * 245 + [bad] * 5))


def test_other_faults_are_said_too() -> None:
    good = sight(face())
    error = refused(lambda: track.require_usable([good] * 200 + [sight()] * 20 + [sight(face(), face())] * 10))
    assert error.reason == "no_face"
    assert error.message.startswith("no face in 20 of 230 pictures (also two faces in 10); ")


def test_stretches_without_a_fault_the_longest_first() -> None:
    good, bad = sight(face()), sight()
    assert track.runs([bad, good, good, bad, good, good, good]) == [slice(4, 7), slice(1, 3)]
    assert track.runs([good] * 3) == [slice(0, 3)]


def test_boxes_are_averaged_over_five_pictures() -> None:
    jumps = np.zeros((9, 4))
    jumps[4] = 10.0
    assert track.smoothed(jumps)[:, 0].tolist() == [0, 0, 2, 2, 2, 2, 2, 0, 0]
    steady = np.arange(9.0)[:, None] * np.ones(4)
    assert track.smoothed(steady).tolist() == steady.tolist()


# --- the loop -------------------------------------------------------------------------------------------------------


def moved(across: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """June at these places: landmarks, and thumbnails of what a camera would see."""
    points = JUNE + np.stack([across, 0 * across, 0 * across], axis=1)[:, None]
    columns = np.arange(48) * SIDE / 48
    thumbnails = 128 + 60 * np.sin((columns[None] - across[:, None]) / 40)
    return points, np.repeat(thumbnails[:, None], 48, axis=1)


def shown(found: loop.Loop, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is seen for three times round."""
    part = values[found.first : found.first + found.count]
    clip = BaseClip(SIDE, np.zeros((found.count, 478, 2)), np.zeros((found.count, 4)), found.there_and_back, 0)
    return np.array([part[clip.place(index)] for index in range(3 * found.period)])


def test_what_comes_again_goes_round() -> None:
    across = 6 * np.sin(2 * np.pi * np.arange(400) / 110)
    found = loop.find(*moved(across), np.zeros(400))
    assert not found.there_and_back
    assert found.count == pytest.approx(220, abs=6)
    assert found.seam < 0.5
    steps = np.abs(np.diff(shown(found, across)))
    assert steps.max() <= 1.5 * np.abs(np.diff(across)).max()


def test_what_never_comes_again_goes_there_and_back_and_turns_where_it_rests() -> None:
    """A head that goes on and on to one side, and stops for a moment now and then."""
    speed = 0.4 * np.maximum(0, np.sin(2 * np.pi * np.arange(300) / 70))
    across = np.cumsum(speed)
    found = loop.find(*moved(across), np.zeros(300))
    assert found.there_and_back
    assert found.seam < 0.5
    seen = shown(found, across)
    assert np.abs(np.diff(seen)).max() <= speed.max() + 1e-9
    # No step is followed by one that goes back as fast: it stands still in between.
    assert np.abs(np.diff(seen, 2)).max() < 0.3 * speed.max()


def test_the_mouth_is_shut_where_it_can_be() -> None:
    across = 6 * np.sin(2 * np.pi * np.arange(400) / 90)
    mouths = np.where(np.arange(400) < 250, 0.09, 0.002)
    found = loop.find(*moved(across), mouths)
    assert found.first >= 250 and found.open_share == 0
    assert loop.find(*moved(across), np.full(400, 0.09)).open_share == 1


def test_the_shortest_stretch_makes_a_loop_and_a_shorter_one_does_not() -> None:
    across = 6 * np.sin(2 * np.pi * np.arange(60) / 90)
    found = loop.find(*moved(across[:55]), np.zeros(55))
    assert found.count == loop.MIN_PICTURES
    error = refused(lambda: loop.find(*moved(across[:54]), np.zeros(54)))
    assert error.reason == "no_loop"
    assert "no more than 2.2 s" in error.message


def test_a_conversation_begins_with_open_eyes_and_a_shut_mouth() -> None:
    points, _ = moved(np.array([0.0, 0, 8, 0, 0, 0]))
    mouths, eyes = np.array([0.05, 0, 0, 0, 0, 0]), np.array([0.3, 0.1, 0.3, 0.29, 0.3, 0.28])
    assert loop.rest(points, mouths, eyes) == 4


# --- in the folder --------------------------------------------------------------------------------------------------


def small_clip(*, there_and_back: bool = True, count: int = 5) -> tuple[BaseClip, list[Picture]]:
    points = np.random.default_rng(1).random((count, 478, 2), np.float32) * 64
    return BaseClip(64, points, track.outlines(points).astype(np.float32), there_and_back, 2), [
        plain(40 * index, 64, 64) for index in range(count)
    ]


def test_the_places_of_a_loop() -> None:
    clip, _ = small_clip()
    assert [clip.place(index) for index in range(11)] == [2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4]
    clip, _ = small_clip(there_and_back=False)
    assert [clip.place(index) for index in range(6)] == [2, 3, 4, 0, 1, 2]


def test_a_clip_is_read_as_it_was_kept(tmp_path: Path) -> None:
    clip, pictures = small_clip()
    assert not stored.is_there(tmp_path)
    replace(tmp_path, stored.files(clip, pictures))
    assert stored.is_there(tmp_path)
    again, data = stored.read(tmp_path)
    assert (again.side, again.count, again.there_and_back, again.rest) == (64, 5, True, 2)
    assert np.array_equal(again.points, clip.points) and np.array_equal(again.boxes, clip.boxes)
    for kept, picture in zip(stored.pictures(data), pictures, strict=True):
        assert np.abs(kept.astype(int) - picture).max() <= 2


@pytest.mark.parametrize("harm", ["video", "track", "no_video", "no_track", "other"])
def test_a_damaged_clip_is_refused_and_says_what_to_do(tmp_path: Path, harm: str) -> None:
    clip, pictures = small_clip()
    replace(tmp_path, stored.files(clip, pictures))
    place = tmp_path / (stored.VIDEO if "video" in harm or harm == "other" else stored.TRACK)
    if harm.startswith("no_"):
        place.unlink()
    elif harm == "other":
        place.write_bytes(stored.files(clip, pictures[::-1])[stored.VIDEO])
    else:
        data = bytearray(place.read_bytes())
        data[len(data) // 2] ^= 0xFF
        place.write_bytes(data)
    error = refused(lambda: stored.read(tmp_path))
    assert error.reason == "clip_damaged"
    assert "enrol the video again" in error.message


# --- the whole way, with a scripted finder --------------------------------------------------------------------------


class Follows(Finder):
    """Finds June where she was put, and a second face in some pictures."""

    def __init__(self, across: NDArray[np.float64], two: range = range(0)) -> None:
        super().__init__(Path("unused"), 1)
        self._across, self._two = across, two

    async def follow(self, pictures: Iterator[Picture]) -> AsyncGenerator[Followed, None]:
        for index, picture in enumerate(pictures):
            found = face(np.add(JUNE, (self._across[index], 0, 0)))
            yield Followed(picture, (found, found) if index in self._two else (found,), mirrored=index % 25 == 0)


def filmed(across: NDArray[np.float64]) -> bytes:
    """June's portrait, moved as a whole."""
    still = portrait()
    moves = [np.array([[1, 0, x], [0, 1, 0]], np.float64) for x in across]
    return mp4([np.asarray(cv2.warpAffine(still, move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)) for move in moves])


async def made(data: bytes, finder: Finder) -> tuple[list[float], Made]:
    steps = [step async for step in making.make(data, finder)]
    assert isinstance(steps[-1], Made)
    return [step for step in steps if isinstance(step, float)], steps[-1]


async def test_a_video_becomes_a_loop_with_boxes_that_go_with_the_face(tmp_path: Path) -> None:
    across = 5 * np.sin(2 * np.pi * np.arange(120) / 60)
    done, result = await made(filmed(across), Follows(across))
    assert done == sorted(done) and 0 < done[0] < 0.05
    replace(tmp_path, result.files)
    clip, data = stored.read(tmp_path)
    pictures = list(stored.pictures(data))
    assert (clip.side, len(pictures)) == (384, clip.count)
    # The tip of the nose is as bright in every picture where it is said to be.
    noses = [picture[round(y), round(x)].mean() for picture, (x, y) in zip(pictures, clip.points[:, 1], strict=True)]
    assert np.ptp(noses) < 12
    assert np.allclose(clip.boxes[:, 0], clip.points[:, :468, 0].min(1), atol=0.5)
    seen = np.array([pictures[clip.place(index)] for index in range(2 * clip.count)], np.float32)
    steps = np.sqrt((np.diff(seen, axis=0) ** 2).mean((1, 2, 3)))
    assert steps.max() < 2 * np.percentile(steps, 90), "nothing jumps where it begins anew"
    sheet = cv2.imdecode(np.frombuffer(result.preview, np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None and sheet.shape == (2 * 192, 5 * 192, 3)
    text = "\n".join(result.report)
    for part in ("384 x 384, 4.8 s, 25.0", "120 of 120 can be used", "mouth: shut in 100%", "seam: 0."):
        assert part in text
    assert not any("mouth" in warning for warning in result.warnings)


async def test_two_faces_in_some_pictures_are_counted() -> None:
    across = np.zeros(100)
    with pytest.raises(Unusable, match=r"two faces in 12 of 100 pictures; only one person may be in it") as caught:
        await made(filmed(across), Follows(across, range(40, 52)))
    assert caught.value.reason == "several_faces"

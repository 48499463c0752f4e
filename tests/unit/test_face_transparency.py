"""Transparent pictures of every kind: what is hidden never shows, and edges are clean."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.face.enrolment.picture import open_picture
from services.face.enrolment.transparency import BACKDROP
from vivant.errors import Unusable

SIDE = 300
#: Under the transparent part; nothing of it may be seen. RGB.
HIDDEN = (255, 0, 0)
PERSON = (20, 160, 60)
#: The person stands in these rows and columns.
BODY = slice(100, 200)
TALL = 400


def cut_out(height: int = SIDE, dtype: type[np.unsignedinteger] = np.uint8) -> NDArray[np.unsignedinteger]:
    """BGRA: a person on a background that was made transparent."""
    most = np.iinfo(dtype).max
    image = np.zeros((height, SIDE, 4), np.float64)
    image[..., :3] = HIDDEN[::-1]
    image[BODY, BODY, :3] = PERSON[::-1]
    image[BODY, BODY, 3] = 255
    return (image / 255 * most).astype(dtype)


def encoded(kind: str, image: NDArray[np.unsignedinteger], *options: int) -> bytes:
    return cv2.imencode(kind, image, options)[1].tobytes()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(colour_type: int, depth: int, rows: NDArray[np.unsignedinteger], *chunks: bytes) -> bytes:
    """A PNG as programs write it that OpenCV does not write; `rows` [H, bytes of a row]."""
    height, wide = len(rows), SIDE
    header = struct.pack(">IIBBBBB", wide, height, depth, colour_type, 0, 0, 0)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunks)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def indices() -> NDArray[np.uint8]:
    rows = np.zeros((SIDE, SIDE), np.uint8)
    rows[BODY, BODY] = 1
    return rows


GREYS = np.where(indices() == 1, 90, 255).astype(np.uint8)
WITH_GREY_ALPHA = np.stack([GREYS, indices() * 255], -1).reshape(SIDE, -1)
PICTURES = {
    "png": (encoded(".png", cut_out()), PERSON),
    "png, 16 bit": (encoded(".png", cut_out(dtype=np.uint16)), PERSON),
    "webp": (encoded(".webp", cut_out(), cv2.IMWRITE_WEBP_QUALITY, 95), PERSON),
    "webp, lossless": (encoded(".webp", cut_out(), cv2.IMWRITE_WEBP_QUALITY, 101), PERSON),
    "palette": (png(3, 8, indices(), chunk(b"PLTE", bytes([*HIDDEN, *PERSON])), chunk(b"tRNS", b"\0")), PERSON),
    "grey and alpha": (png(4, 8, WITH_GREY_ALPHA), (90, 90, 90)),
    "grey, one transparent": (png(0, 8, GREYS, chunk(b"tRNS", b"\0\xff")), (90, 90, 90)),
    "grey of 16 bit, one transparent": (
        png(0, 16, (GREYS.astype(">u2") * 257).view(np.uint8), chunk(b"tRNS", b"\xff\xff")), (90, 90, 90)
    ),
    "grey of 1 bit, one transparent": (png(0, 1, np.packbits(indices(), 1), chunk(b"tRNS", b"\0\0")), (255, 255, 255)),
    "colours, one transparent": (
        png(2, 8, cut_out()[..., 2::-1].reshape(SIDE, -1), chunk(b"tRNS", struct.pack(">HHH", *HIDDEN))), PERSON
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_hidden_does_not_show(name: str) -> None:
    data, person = PICTURES[name]
    picture = open_picture(data)
    assert picture.shape == (SIDE, SIDE, 3)
    assert np.abs(picture[150, 150].astype(int) - person).max() <= 12
    assert np.abs(picture[:80].astype(int) - BACKDROP).max() <= 2


def test_a_picture_without_transparency_stays_as_it_is() -> None:
    image = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    solid = np.dstack([image, np.full((SIDE, SIDE), 255, np.uint8)])
    for each in (image, solid):
        assert np.array_equal(open_picture(encoded(".png", each)), image[..., ::-1])


@pytest.mark.parametrize("multiplied", [False, True], ids=["straight", "multiplied"])
def test_a_soft_edge_goes_from_the_person_to_the_backdrop(multiplied: bool) -> None:
    alpha = np.tile(np.clip(np.linspace(-0.5, 1.5, SIDE), 0, 1), (SIDE, 1))
    image = np.zeros((SIDE, SIDE, 4), np.uint8)
    image[..., :3] = PERSON[::-1]
    if multiplied:
        image[..., :3] = (image[..., :3] * alpha[..., None]).round()
    image[..., 3] = (alpha * 255).round()
    row = open_picture(encoded(".png", image))[150].astype(float)
    wanted = alpha[150, :, None] * PERSON + (1 - alpha[150, :, None]) * BACKDROP
    # A dark line would be far below both.
    assert np.abs(row - wanted).max() <= 3


def exif(orientation: int, order: str) -> bytes:
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", 1) + entry + bytes(4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_transparency_is_turned_with_the_picture(orientation: int, order: str) -> None:
    image = cut_out(TALL)
    # Nothing of it is symmetrical.
    image[:, :, 3] = 255
    image[:60, :, 3] = 0
    image[:, 280:, 3] = 0
    data = encoded(".png", image)
    turned = data[:33] + chunk(b"eXIf", exif(orientation, order)) + data[33:]
    picture = open_picture(turned)
    assert not (picture == HIDDEN).all(-1)[(picture == BACKDROP).all(-1)].any()
    # As if the plain picture, already before the backdrop, had been turned.
    flat = np.where(image[..., 3:] == 255, image[..., :3], np.array(BACKDROP[::-1], np.uint8))
    data = encoded(".png", flat)
    assert np.array_equal(picture, open_picture(data[:33] + chunk(b"eXIf", exif(orientation, order)) + data[33:]))
    assert picture.shape[:2] == ((TALL, SIDE) if orientation < 5 else (SIDE, TALL))


@pytest.mark.parametrize("garbage", [b"", b"MM", b"II*\0\xff\xff\xff\xff", exif(77, "<"), exif(0, ">")[:20]])
def test_a_broken_note_of_the_camera_turns_nothing(garbage: bytes) -> None:
    data = encoded(".png", cut_out())
    picture = open_picture(data[:33] + chunk(b"eXIf", garbage) + data[33:])
    assert np.abs(picture[150, 150].astype(int) - PERSON).max() == 0


@pytest.mark.parametrize("visible", [0, 1])
def test_a_picture_that_is_nearly_all_transparent_is_refused(visible: int) -> None:
    image = cut_out()
    image[..., 3] = 0
    image[150:155, 150:155, 3] = visible * 255
    with pytest.raises(Unusable, match="visible") as refused:
        open_picture(encoded(".png", image))
    assert refused.value.reason == "picture_transparent"

"""Pictures as they are sent in: what may be opened, and how it is cut for the face."""

from __future__ import annotations

import struct
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.enrolment.transparency import decode
from vivant.errors import Unusable

Picture = NDArray[np.uint8]

MAX_BYTES: Final = 3 * 1024 * 1024
#: Three megabytes of PNG can unpack to gigabytes; a camera's picture does not.
MAX_PIXELS: Final = 40_000_000
MIN_SIDE_PX: Final = 256
#: Larger portraits gain nothing: the largest output is 720 px.
LARGEST_SIDE_PX: Final = 1024
#: The square is so many face widths wide: room for hair, shoulders and the movement of the head.
SQUARE_IN_FACES: Final = 2.3
#: A square picture that is cut about right already is left as it is.
KEEP_RATIO: Final = 0.8


def open_picture(data: bytes) -> Picture:
    """PNG, JPEG or WebP as RGB [H, W, 3], turned as its camera noted, before a plain backdrop where it is transparent.

    Raises Unusable.
    """
    if len(data) > MAX_BYTES:
        raise Unusable(
            f"the picture has {len(data)} bytes; at most {MAX_BYTES} (3 MiB) are accepted", reason="picture_too_large"
        )
    size = _size(data)
    if size is None:
        raise Unusable("the picture is not a PNG, JPEG or WebP file; save it as one of these", reason="not_a_picture")
    width, height = size
    if width * height > MAX_PIXELS:
        raise Unusable(
            f"the picture is {width} x {height}; at most {MAX_PIXELS // 1_000_000} million pixels are accepted",
            reason="picture_too_large",
        )
    if min(width, height) < MIN_SIDE_PX:
        raise Unusable(
            f"the picture is {width} x {height}; each side must be at least {MIN_SIDE_PX} px", reason="picture_too_small"
        )
    image = decode(data)
    if image is None:
        raise Unusable("the picture is damaged and cannot be decoded; save or export it again", reason="not_a_picture")
    return image


def cut(image: Picture, points: NDArray[np.float64]) -> Picture:
    """The square around the head, at most 1024 px. Returns `image` itself when it needs no cutting.

    `points` [478, 3] are the landmarks in pixels of `image`.
    """
    height, width = image.shape[:2]
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    largest = min(width, height)
    side = min(largest, round(SQUARE_IN_FACES * float(high[0] - low[0])))
    if width == height and side >= KEEP_RATIO * width:
        side = width
    centre = (low + high) / 2
    left = int(np.clip(centre[0] - side / 2, 0, width - side))
    top = int(np.clip(centre[1] - side / 2, 0, height - side))
    if side != width or side != height:
        image = np.ascontiguousarray(image[top : top + side, left : left + side])
    if side > LARGEST_SIDE_PX:
        shrunk = cv2.resize(image, (LARGEST_SIDE_PX, LARGEST_SIDE_PX), interpolation=cv2.INTER_AREA)
        image = np.asarray(shrunk, np.uint8)
    return image


def png(image: Picture) -> bytes:
    """RGB [H, W, 3] or grey [H, W] as a PNG file."""
    ordered = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    _, data = cv2.imencode(".png", ordered)
    return data.tobytes()


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header, so that nothing is unpacked before its size is known; None for another kind of file."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack(">II", data[16:24])
            return width, height
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg_size(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_size(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """From the frame header (SOF) of ITU-T T.81, annex B: markers C0 to CF except C4, C8 and CC."""
    place = 2
    while place < len(data):
        while data[place] == 0xFF:
            place += 1
        marker = data[place]
        length = struct.unpack(">H", data[place + 1 : place + 3])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[place + 4 : place + 8])
            return width, height
        place += 1 + length
        if data[place] != 0xFF:
            return None
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """From the first chunk, as in the WebP container specification (RFC 9649)."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack("<I", data[21:25])[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None

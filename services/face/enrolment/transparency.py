"""Pictures with a transparent background: what is hidden there must not show, so they are put before a plain backdrop.

The colours under transparent pixels are whatever the last program left: the old background, black, or noise.
"""

from __future__ import annotations

import struct
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vivant.errors import Unusable

Picture = NDArray[np.uint8]

#: A light grey, RGB: dark and fair hair both stand out before it.
BACKDROP: Final = (198, 198, 200)
#: A person who is so small a part of a picture has a face too small to be used.
MIN_VISIBLE: Final = 0.02
#: Colours that are multiplied by their alpha already are never above it; rounding aside.
_ROUNDING: Final = 2


def decode(data: bytes) -> Picture | None:
    """PNG, JPEG or WebP (the first picture of it) as RGB [H, W, 3], turned as its camera noted; what is transparent is put
    before the backdrop. None when it cannot be decoded. Raises Unusable when nearly nothing is visible.
    """
    buffer = np.frombuffer(data, np.uint8)
    colour = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    if colour is None:
        return None
    picture = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2RGB), np.uint8)
    alpha = _alpha(data, buffer)
    if alpha is None or alpha.min() == 255:
        return picture
    visible = float(alpha.mean()) / 255
    if visible < MIN_VISIBLE:
        raise Unusable(
            f"only {visible:.1%} of the picture is visible, the rest is transparent; use one that shows a person",
            reason="picture_transparent",
        )
    return over_backdrop(picture, alpha)


def over_backdrop(picture: Picture, alpha: Picture) -> Picture:
    """RGB [H, W, 3] with its alpha [H, W] before the backdrop."""
    share = alpha[..., None].astype(np.float32) / 255
    seen = picture.astype(np.float32)
    if not _multiplied(picture, alpha):
        seen *= share
    return np.asarray(np.clip(seen + (1 - share) * np.array(BACKDROP, np.float32), 0, 255).round(), np.uint8)


def _multiplied(picture: Picture, alpha: Picture) -> bool:
    """Whether the colours are multiplied by their alpha already, as some programs leave them: taken for whole ones, they would
    be a dark line around the person."""
    see_through = alpha < 255
    return bool((picture[see_through].max(-1).astype(int) <= alpha[see_through].astype(int) + _ROUNDING).all())


def _alpha(data: bytes, buffer: NDArray[np.uint8]) -> Picture | None:
    """[H, W], turned as the picture; None for a picture without."""
    whole = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if whole is None:
        return None
    if whole.ndim == 3 and whole.shape[2] == 4:
        alpha = whole[..., 3] if whole.dtype == np.uint8 else whole[..., 3] / 257
    else:
        grey = _transparent_grey(data)
        if grey is None or whole.ndim != 2:
            return None
        alpha = np.where(whole == grey, 0, 255)
    return _turned(np.asarray(alpha, np.uint8), _orientation(data))


def _transparent_grey(data: bytes) -> int | None:
    """The one grey of a grey PNG that is transparent (chunk tRNS), which OpenCV leaves out; at 8 or 16 bit as decoded."""
    trns = _png_chunk(data, b"tRNS")
    if trns is None or len(trns) != 2:
        return None
    depth = data[24]
    value = int(struct.unpack(">H", trns)[0])
    return value if depth in (8, 16) else value * 255 // ((1 << depth) - 1)


def _orientation(data: bytes) -> int:
    """EXIF orientation, 1 to 8, of a PNG or WebP: those that can be transparent. OpenCV turns a picture, but not its alpha."""
    exif = _png_chunk(data, b"eXIf") if data.startswith(b"\x89PNG") else _webp_chunk(data, b"EXIF")
    tiff = (exif or b"").removeprefix(b"Exif\0\0")
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (start,) = struct.unpack(f"{order}I", tiff[4:8])
        (count,) = struct.unpack(f"{order}H", tiff[start : start + 2])
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack(f"{order}HHIH", tiff[entry : entry + 10])
            if tag == 0x0112:
                return int(value) if 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        return 1
    return 1


def _turned(plane: Picture, orientation: int) -> Picture:
    """A plane as EXIF orientation (1 to 8) wants it shown."""
    if orientation >= 5:
        plane = plane.T
    # After the transposition these are the mirrored and turned ones of both kinds.
    across = orientation in (2, 3, 6, 7)
    down = orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(plane[:: -1 if down else 1, :: -1 if across else 1])


def _png_chunk(data: bytes, name: bytes) -> bytes | None:
    place = 8
    while data.startswith(b"\x89PNG") and place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == name:
            return data[place + 8 : place + 8 + length]
        place += 12 + length
    return None


def _webp_chunk(data: bytes, name: bytes) -> bytes | None:
    place = 12
    while data[8:12] == b"WEBP" and place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == name:
            return data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    return None

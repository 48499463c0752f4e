"""What a client can ask for: the picture's codec and size, and the length of things in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from vivant.errors import InvalidRequest

Codec = Literal["vp8", "h264", "jpeg", "rgb24"]

UNIT_MS: Final = 40
FRAMES_PER_SECOND: Final = 25
#: One audio message on the wire holds at most this much.
MAX_CHUNK_MS: Final = 100
DEFAULT_VOICE_RATE_HZ: Final = 24_000


@dataclass(frozen=True, slots=True)
class Video:
    """A square picture, 25 times a second.

    `h264` frames are Annex B with parameter sets before every keyframe; `rgb24` frames are size x size x 3 bytes. `Client.info`
    lists the sizes that the face can render. Raises InvalidRequest for an unknown codec.
    """

    codec: Codec = "vp8"
    size_px: int = 512

    def __post_init__(self) -> None:
        choices = get_args(Codec)
        if self.codec not in choices:
            raise InvalidRequest(
                f"unknown video codec {self.codec!r}; choose one of {', '.join(choices)}", reason="unknown_codec"
            )
        if self.size_px <= 0:
            raise InvalidRequest(f"size_px must be above 0, not {self.size_px}", reason="wrong_size")

"""A persona's base clip as the engine needs it: pictures of one size, and what the network keeps of each face."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.wav2lip.batching import LARGEST, Batches
from services.face.engines.wav2lip.network import Features
from services.face.engines.wav2lip.paste import Box, box_around, seen
from services.face.enrolment.clip import stored
from services.face.enrolment.clip.stored import BaseClip

Picture = NDArray[np.uint8]

#: Clips kept ready, each size counted; one takes up to 310 MB, half of that on a GPU.
KEPT: Final = 3
#: Pictures are kept as JPEG: ten seconds at 512 px are 197 MB as they are and 15 MB so, and one is opened in 2 ms.
_JPEG: Final = (cv2.IMWRITE_JPEG_QUALITY, 95)


class Base:
    """A clip at one size. Read-only after construction."""

    def __init__(self, clip: BaseClip, video: bytes, side: int, batches: Batches) -> None:
        """Blocking: goes through the whole clip once."""
        scale = side / clip.side
        self.clip = clip
        # Pixels are counted from the middle of the first one.
        self.points = np.asarray((clip.points + 0.5) * scale - 0.5, np.float32)
        self.boxes: list[Box] = [box_around(outline, side) for outline in (clip.boxes + 0.5) * scale - 0.5]
        self.faces: list[Features] = []
        self._files: list[NDArray[np.uint8]] = []
        waiting: list[NDArray[np.float32]] = []
        for place, picture in enumerate(stored.pictures(video)):
            method = cv2.INTER_AREA if side < clip.side else cv2.INTER_CUBIC
            sized = np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)
            _, file = cv2.imencode(".jpg", cv2.cvtColor(sized, cv2.COLOR_RGB2BGR), _JPEG)
            self._files.append(np.asarray(file, np.uint8))
            waiting.append(seen(sized, self.boxes[place]))
            if len(waiting) == LARGEST or place == clip.count - 1:
                self.faces += batches.look(np.stack(waiting))
                waiting = []

    def picture(self, place: int) -> Picture:
        """RGB [S, S, 3], a new one each time."""
        picture = cv2.imdecode(self._files[place], cv2.IMREAD_COLOR)
        assert picture is not None
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


class Bases:
    """The clips of the personas that were shown last."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._kept: OrderedDict[tuple[str, int, tuple[int, ...]], Base] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, folder: Path, side: int) -> Base:
        """Quick for one that is ready. Raises Unusable as `stored.read`."""
        with self._lock:
            key = (folder.name, side, stored.changed_at(folder))
            base = self._kept.pop(key, None) or Base(*stored.read(folder), side, self._batches)
            self._kept[key] = base
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return base

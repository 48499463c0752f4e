"""The portrait engine behind the contract of `services.face.engine`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.engine import Model
from services.common.logs import get_logger
from services.common.settings import SharedSettings
from services.face.engine import FaceInfo, FaceSession, Look, Slot
from services.face.engines.portrait.actor import Actor
from services.face.engines.portrait.correct import corrected
from services.face.engines.portrait.looks import PRESETS
from services.face.engines.portrait.portrait import read_portrait
from services.face.engines.portrait.renderer import Renderer
from services.face.engines.portrait.rig import Rig
from services.face.enrolment.folder import PORTRAIT, require_consent
from services.face.settings import PortraitOptions
from vivant.errors import InvalidRequest, NotFound, Unusable

_log = get_logger(__name__)

SIZES_PX = (256, 384, 512, 720)
#: The size that is made ready when the service starts.
USUAL_SIZE_PX = 512
#: Personas kept ready, each size counted; one takes about 25 MB at 512 px.
KEPT_RIGS = 8
_MODELS = (
    Model("ARKit displacements of the MakeHuman head", "CC0-1.0"),
    Model("FaceMesh tesselation", "Apache-2.0", "Copyright The MediaPipe Authors"),
)


class PortraitEngine:
    """Animates a persona's portrait on one CPU core."""

    def __init__(self, options: PortraitOptions, shared: SharedSettings) -> None:
        self._options = options
        self._personas_dir: Path = shared.personas_dir
        self._rigs: OrderedDict[tuple[str, int, tuple[int, ...]], Rig] = OrderedDict()
        self._lock = threading.Lock()
        self._refusals: dict[str, tuple[tuple[int, ...], NotFound | Unusable | None]] = {}
        self.info = FaceInfo(
            name="portrait",
            version="1",
            sizes_px=SIZES_PX,
            cues=tuple(PRESETS),
            models=_MODELS,
        )

    def load(self) -> None:
        """Makes the default persona ready and draws a second of it, which compiles all loops. Raises NotFound, Unusable.

        A default persona that has no portrait is a voice; then the first face that is shown takes longer to appear.
        """
        cv2.setNumThreads(1)
        default = self._options.default_persona
        if not (self._personas_dir / default / PORTRAIT).exists() and (self._personas_dir / default).is_dir():
            _log.warning("default_has_no_portrait", persona=default)
            return
        session = self.open(default, USUAL_SIZE_PX, 25, seed=0)
        silence = np.zeros(960, np.float32)
        for index in range(25):
            session.render(Slot(index, silence, 24000, 0, 0, (), Look.IDLE, None, False))
        session.close()

    def open(self, persona: str, size_px: int, fps: int, seed: int) -> FaceSession:
        """A session that shows `persona`. Raises as `rig`."""
        return PortraitSession(self.rig(persona, size_px), fps, seed)

    def rig(self, persona: str, size_px: int) -> Rig:
        """All of a persona that does not change. Quick for a persona and size that are ready; half a second for others.

        Raises as `require_size`, NotFound and Unusable as `require_consent` and `read_portrait`.
        """
        require_size(size_px)
        folder = self._personas_dir / persona
        require_consent(folder)
        with self._lock:
            key = (persona, size_px, _changed_at(folder))
            rig = self._rigs.pop(key, None) or Rig(corrected(read_portrait(folder)), size_px)
            self._rigs[key] = rig
            while len(self._rigs) > KEPT_RIGS:
                self._rigs.popitem(last=False)
            return rig

    def check(self, persona: str) -> None:
        """Raises NotFound and Unusable as `open`. Looks at a portrait again only when its files have changed."""
        folder = self._personas_dir / persona
        stamp = _changed_at(folder)
        known = self._refusals.get(persona)
        if known is None or known[0] != stamp:
            known = self._refusals[persona] = (stamp, _refusal(folder))
        if known[1]:
            raise known[1]


class PortraitSession:
    """One stream's face."""

    def __init__(self, rig: Rig, fps: int, seed: int) -> None:
        self._actor = Actor(seed, fps)
        self._renderer = Renderer(rig)

    def render(self, slot: Slot) -> NDArray[np.uint8]:
        """The picture of `slot`: RGB [S, S, 3], valid until the next call."""
        return self._renderer.draw(self._actor.step(slot))

    def close(self) -> None:
        """Nothing is held outside of this object."""


def require_size(size_px: int) -> None:
    """Raises InvalidRequest for a size that is not in `SIZES_PX`."""
    if size_px not in SIZES_PX:
        raise InvalidRequest(f"size_px is {size_px}; choose one of {', '.join(map(str, SIZES_PX))}", reason="unknown_size")


def _changed_at(folder: Path) -> tuple[int, ...]:
    """Numbers that change when the persona gets another portrait, is enrolled again, or its consent changes."""
    files = ("portrait.png", "derived/landmarks.json", "derived/person.png", "consent.toml")
    return tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in map(folder.joinpath, files))


def _refusal(folder: Path) -> NotFound | Unusable | None:
    """Why this persona cannot be shown, if it cannot."""
    try:
        require_consent(folder)
        read_portrait(folder)
    except (NotFound, Unusable) as exc:
        return exc
    return None

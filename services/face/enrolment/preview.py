"""What a newly enrolled portrait looks like: at rest, and with a few expressions."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.metronome import UNIT_MS
from services.face.engine import FRAMES_PER_SECOND, Cue, FaceEngine, FaceSession, Look, Slot

SIZE_PX: Final = 384
RATE_HZ: Final = 24_000
#: Shown when the engine knows them, the first three.
CUES: Final = ("warm_smile", "surprise", "concern", "amusement", "thought")


def preview(engine: FaceEngine, persona: str) -> NDArray[np.uint8]:
    """Blocking: RGB [S, 4 S, 3], neutral first. Raises what `FaceEngine.open` raises."""
    size = min(engine.info.sizes_px, key=lambda side: abs(side - SIZE_PX))
    known = [name for name in CUES if name in engine.info.cues][:3]
    session = engine.open(persona, size, FRAMES_PER_SECOND, seed=1)
    try:
        shots = [_settle(session, number, Cue(name, 1.0) if name else None) for number, name in enumerate((None, *known))]
    finally:
        session.close()
    return np.concatenate(shots, axis=1)


def _settle(session: FaceSession, number: int, cue: Cue | None) -> NDArray[np.uint8]:
    """The picture after a second of one expression."""
    silence = np.zeros(RATE_HZ * UNIT_MS // 1000, np.float32)
    picture = None
    for frame in range(FRAMES_PER_SECOND):
        index = number * FRAMES_PER_SECOND + frame
        picture = session.render(Slot(index, silence, RATE_HZ, 0, 0, (), Look.IDLE, cue, paused=False))
    assert picture is not None
    return picture.copy()

"""Wav2Lip behind the contract of `services.face.engine`."""

from __future__ import annotations

from math import gcd
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from services.common.engine import Model
from services.common.log_mel import SAMPLE_RATE_HZ
from services.common.settings import SharedSettings
from services.face.engine import FaceInfo, FaceSession, Slot
from services.face.engines.portrait.engine import USUAL_SIZE_PX, PortraitEngine, require_size
from services.face.engines.wav2lip.base import Bases
from services.face.engines.wav2lip.batching import Batches
from services.face.engines.wav2lip.mel import BEFORE, HEARD, mel
from services.face.engines.wav2lip.network import COLUMNS, FACE_PX, MELS, load
from services.face.engines.wav2lip.paste import mask_of, paste
from services.face.engines.wav2lip.shown import ClipShown, PortraitShown, Shown
from services.face.enrolment.clip import stored
from services.face.enrolment.folder import require_consent
from services.face.settings import PortraitOptions, Wav2LipOptions
from vivant.errors import Unusable

#: The painted mouth takes the place of the portrait's in two pictures, and leaves it in three.
_COMES: Final = 0.5
_GOES: Final = 0.34
_NOTICE: Final = "The published weights were trained on LRS2: research and personal use only, no commercial use."

Sound = NDArray[np.float32]


class Wav2LipEngine:
    """Each picture is one of the person's base clip, or drawn by the portrait engine; the network paints the mouth."""

    def __init__(self, options: Wav2LipOptions, shared: SharedSettings) -> None:
        self._options = options
        self._weights = shared.models_dir / "wav2lip" / options.weights
        self._portraits = PortraitEngine(PortraitOptions(default_persona=options.default_persona), shared)
        self._personas = shared.personas_dir
        self._batches: Batches | None = None
        self._bases: Bases | None = None
        drawn = self._portraits.info
        self.info = FaceInfo(
            name="wav2lip",
            version="1",
            sizes_px=drawn.sizes_px,
            phonemes=False,
            cues=drawn.cues,
            models=(Model("Wav2Lip", "research and personal use only", _NOTICE), *drawn.models),
        )

    def load(self) -> None:
        """Reads the weights. Raises Unusable, also when there is no such device, and as the portrait engine."""
        device = self._options.device
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise Unusable(
                f"FACE_WAV2LIP_DEVICE is {device}, and there is no GPU that torch can use; FACE_WAV2LIP_DEVICE=cpu is slow",
                reason="no_device",
            )
        half = device.startswith("cuda")
        torch.set_num_threads(1)
        self._batches = Batches(load(self._weights, device, half=half), device, half=half)
        self._batches.paint(np.zeros((MELS, COLUMNS), np.float32), np.zeros((6, FACE_PX, FACE_PX), np.float32))
        self._bases = Bases(self._batches)
        if stored.is_there(self._personas / self._options.default_persona):
            # Such a person needs no portrait.
            cv2.setNumThreads(1)
            self.open(self._options.default_persona, USUAL_SIZE_PX, 25, seed=0).close()
        else:
            self._portraits.load()

    def open(self, persona: str, size_px: int, fps: int, seed: int) -> FaceSession:
        """A session that shows `persona`. Raises as the portrait engine, and Unusable for a damaged clip (`clip_damaged`)."""
        assert self._batches is not None and self._bases is not None
        folder = self._personas / persona
        if not stored.is_there(folder):
            return Wav2LipSession(PortraitShown(self._portraits.rig(persona, size_px), fps, seed), self._batches)
        require_size(size_px)
        require_consent(folder)
        return Wav2LipSession(ClipShown(self._bases.of(folder, size_px)), self._batches)

    def check(self, persona: str) -> None:
        """Raises as `open`."""
        folder = self._personas / persona
        if not stored.is_there(folder):
            self._portraits.check(persona)
            return
        require_consent(folder)
        stored.read(folder)


class Wav2LipSession:
    """One stream's face."""

    def __init__(self, shown: Shown, batches: Batches) -> None:
        self._shown = shown
        self._batches = batches
        self._voice = Voice()
        self._share = 0.0

    def render(self, slot: Slot) -> NDArray[np.uint8]:
        """The picture of `slot`: RGB [S, S, 3], valid until the next call."""
        picture = self._shown.draw(slot)
        heard = self._voice.around(slot)
        speaking = slot.turn_id != 0 and not slot.paused
        self._share = min(1.0, self._share + _COMES) if speaking else max(0.0, self._share - _GOES)
        if self._share:
            face = self._shown.face()
            painted = self._batches.paint(mel(heard), face.given)
            paste(picture, face.box, mask_of(face.points, face.box), painted, self._share)
        return picture

    def close(self) -> None:
        """Nothing is held outside of this object."""


class Voice:
    """The sound around each picture, as the network wants it."""

    def __init__(self) -> None:
        self._past: Sound = np.zeros(0, np.float32)
        self._until = (0, 0)

    def around(self, slot: Slot) -> Sound:
        """Float32 [HEARD + 1] at 16 kHz around a slot; sound that is not there yet counts as silence."""
        rate = slot.sample_rate_hz
        before, length = (round(count * rate / SAMPLE_RATE_HZ) for count in (BEFORE + 1, HEARD + 1))
        past = self._past if (slot.turn_id, slot.turn_sample) == self._until else np.zeros(0, np.float32)
        self._until = (slot.turn_id, slot.turn_sample + len(slot.pcm))
        past = np.pad(past, (before, 0))[-before:]
        self._past = np.concatenate([past, slot.pcm])[-before:]
        sound = np.concatenate([past, slot.pcm, slot.ahead])[:length]
        sound = np.pad(sound, (0, length - len(sound)))
        common = gcd(rate, SAMPLE_RATE_HZ)
        heard = resample_poly(sound, SAMPLE_RATE_HZ // common, rate // common).astype(np.float32)
        return np.pad(heard, (0, max(0, HEARD + 1 - len(heard))))[: HEARD + 1]

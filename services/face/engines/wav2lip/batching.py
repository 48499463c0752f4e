"""The pictures of all streams go through one network, several at once: one picture at a time leaves most of a GPU idle."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from services.face.engines.wav2lip.network import Features, Wav2Lip

#: Larger ones bring nothing more.
LARGEST: Final = 8
#: Others are waited for so long: units of several streams leave at the same beat of 40 ms, but not in the same millisecond.
_TOGETHER_S: Final = 0.002

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Wanted:
    mel: Array
    face: Array | Features
    done: Future[Array]


class Batches:
    """Owns the network, in a thread of its own."""

    def __init__(self, network: Wav2Lip, device: str, *, half: bool) -> None:
        self._network, self._device = network, device
        self._kind = torch.float16 if half else torch.float32
        self._wanted: queue.SimpleQueue[_Wanted | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="wav2lip", daemon=True)
        self._thread.start()

    @torch.inference_mode()
    def look(self, faces: Array) -> list[Features]:
        """Blocking: what is kept of each face of [N, 6, 96, 96], 1.2 MB in single precision, half as much in half.

        It goes beside the pictures that are being painted: a person who is made ready holds nobody up.
        """
        kept: list[Features] = []
        for start in range(0, len(faces), LARGEST):
            seen = self._network.look(self._on_device(faces[start : start + LARGEST]))
            kept += [tuple(part.clone() for part in _row(seen, at)) for at in range(len(seen[0]))]
        return kept

    def paint(self, mel: Array, face: Array | Features) -> Array:
        """Blocking: mel [80, 16] and face [6, 96, 96], or what was kept of it, to the painted face, float32 [3, 96, 96].

        From any thread.
        """
        wanted = _Wanted(mel, face, Future())
        self._wanted.put(wanted)
        return wanted.done.result()

    def close(self) -> None:
        """Blocking: what is wanted already is painted."""
        self._wanted.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._wanted.get()) is not None:
            batch = [first, *self._others()]
            try:
                painted = self._paint(batch)
            except RuntimeError as exc:
                # Out of memory, a lost device: whoever waits is told, and the next batch is tried.
                for wanted in batch:
                    wanted.done.set_exception(exc)
                continue
            for wanted, face in zip(batch, painted, strict=True):
                wanted.done.set_result(face)

    def _others(self) -> list[_Wanted]:
        until = time.monotonic() + _TOGETHER_S
        others: list[_Wanted] = []
        while len(others) < LARGEST - 1 and (left := until - time.monotonic()) > 0:
            try:
                wanted = self._wanted.get(timeout=left)
            except queue.Empty:
                break
            if wanted is None:
                self._wanted.put(None)
                break
            others.append(wanted)
        return others

    @torch.inference_mode()
    def _paint(self, batch: list[_Wanted]) -> Array:
        mels = torch.from_numpy(np.stack([wanted.mel for wanted in batch])[:, None]).to(self._device, self._kind)
        painted = self._network.paint(mels, self._features([wanted.face for wanted in batch]))
        return np.asarray(painted.float().cpu().numpy(), np.float32)

    def _features(self, faces: list[Array | Features]) -> Features:
        """Of all faces, in order. Those that are new are looked at together."""
        new = [face for face in faces if isinstance(face, np.ndarray)]
        seen = self._network.look(self._on_device(np.stack(new))) if new else ()
        if len(new) == len(faces):
            return seen
        rows = iter(range(len(new)))
        each = [_row(seen, next(rows)) if isinstance(face, np.ndarray) else face for face in faces]
        return tuple(torch.cat(parts) for parts in zip(*each, strict=True))

    def _on_device(self, faces: Array) -> torch.Tensor:
        return torch.from_numpy(faces).to(self._device, self._kind, memory_format=torch.channels_last)


def _row(features: Features, at: int) -> Features:
    return tuple(part[at : at + 1] for part in features)

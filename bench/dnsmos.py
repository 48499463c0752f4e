"""DNSMOS P.835 overall quality of speech, 1 to 5, with the model inside the package `speechmos`.

The package's own code needs librosa, for a second score that is not used here; the model itself takes plain samples. Windows
of 9.01 s at a hop of 1 s, shorter speech repeated to that length, and the polynomial are those of the DNSMOS authors (Reddy
et al., "DNSMOS P.835", ICASSP 2022, and their published scripts).
"""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
_WINDOW: Final = int(9.01 * RATE_HZ)
_OVERALL: Final = (-0.06766283, 1.11546468, 0.04602535)


def overall(audio: NDArray[np.float32]) -> float:
    """The score of float32 samples [n] in [-1, 1] at 16 kHz; the mean over all windows."""
    repeats = -(-_WINDOW // len(audio))
    long = np.tile(audio, 1 << (repeats - 1).bit_length())
    scores = []
    for start in range(0, len(long) - _WINDOW + 1, RATE_HZ):
        raw = _model().run(None, {"input_1": long[None, start : start + _WINDOW]})[0][0][2]
        scores.append(np.polyval(_OVERALL, raw))
    return float(np.mean(scores))


@functools.cache
def _model() -> Any:
    spec = find_spec("speechmos")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("this measurement needs the package speechmos: pip install --require-hashes -r requirements/dev.txt")
    path = Path(spec.submodule_search_locations[0]) / "dnsmos_models" / "sig_bak_ovr.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

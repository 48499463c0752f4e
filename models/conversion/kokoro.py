"""Kokoro-82M cut in two, so that a clause need not be made as a whole before any of it is heard.

The front reads a clause: text, melody, and the decoder as far as its vocoder. The vocoder makes sound of any part of that. Its
norms (AdaIN) take mean and deviation over all that they are given, so a part would come out otherwise than in the whole; here
these figures are inputs. They are much the same in all that a voice says: whoever runs the model measures them once for each.

front: `tokens` int64 [1, n], `style` [1, 256], `speed` [1] -> `steps` [n], `energy` [1, 2T], `hidden` [1, 512, 2T],
`harmonics` [1, 22, 120T + 1], `timbre` [1, 128], T frames of 25 ms; norms: the last three -> `mean0`, `deviation0`, ... of each
norm, [1, channels, 1]; vocoder: the last three and these figures -> `audio` [600T].
Source: https://huggingface.co/hexgrad/Kokoro-82M; Li et al., "StyleTTS 2" (2023); Huang and Belongie, "Arbitrary Style Transfer
in Real-time with Adaptive Instance Normalization" (2017).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto

from models.conversion.surgery import figures, freeze, norms, part
from models.errors import FetchError

_AUDIO: Final = "audio"
#: Tensors of the published graph, and what they are called here.
_STEPS: Final = {"/encoder/Clip_output_0": "steps"}
_ENERGY: Final = {"/encoder/Reshape_1_output_0": "energy"}
_BETWEEN: Final = {
    "/decoder/decoder/decode.3/Div_4_output_0": "hidden",
    "/decoder/decoder/generator/Concat_3_output_0": "harmonics",
    "/decoder/Slice_output_0": "timbre",
}


def front(path: Path) -> bytes:
    """The front as ONNX; raises FetchError when the file holds another model."""
    return _written(_part(path, {}, _STEPS | _ENERGY | _BETWEEN))


def vocoder(path: Path) -> bytes:
    """The vocoder as ONNX; raises FetchError as `front` does."""
    model = _vocoder(path)
    freeze(model.graph)
    return _written(part(model, {}, {_AUDIO: _AUDIO}))


def norms_of_vocoder(path: Path) -> bytes:
    """The figures of the vocoder's norms as ONNX; raises FetchError as `front` does."""
    model = _vocoder(path)
    return _written(part(model, {}, figures(norms(model.graph))))


def _vocoder(path: Path) -> ModelProto:
    return _part(path, _BETWEEN, {_AUDIO: _AUDIO})


def _part(path: Path, begins: dict[str, str], ends: dict[str, str]) -> ModelProto:
    try:
        return part(onnx.load(str(path)), begins, ends)
    except (DecodeError, KeyError, ValueError) as exc:
        raise FetchError(f"{path} does not hold Kokoro-82M: {exc}") from exc


def _written(model: ModelProto) -> bytes:
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized

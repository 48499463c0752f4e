"""The network of Wav2Lip, so that the published weights fit.

K. Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild", 2020.

    mel [B, 1, 80, 16], face [B, 6, 96, 96] -> face [B, 3, 96, 96] in 0..1

The face is seen twice, blue first: with its lower half black, and whole, as a reference. Names of the layers are those of the
weights.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import nn

from vivant.errors import Unusable

FACE_PX: Final = 96
MELS: Final = 80
COLUMNS: Final = 16
PARAMETERS: Final = 36_298_035

Features = tuple[torch.Tensor, ...]


class _Conv(nn.Module):
    def __init__(self, into: int, out: int, size: int, stride: Any, padding: int, *, residual: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(into, out, size, stride, padding), nn.BatchNorm2d(out))
        self._residual = residual

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        found = self.conv_block(values)
        return torch.relu(found + values if self._residual else found)


class _Transposed(nn.Module):
    def __init__(self, into: int, out: int, stride: int, padding: int, more: int = 0) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.ConvTranspose2d(into, out, 3, stride, padding, more), nn.BatchNorm2d(out))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv_block(values))


def _same(channels: int, count: int) -> list[nn.Module]:
    return [_Conv(channels, channels, 3, 1, 1, residual=True) for _ in range(count)]


def _half(into: int, out: int, same: int) -> nn.Sequential:
    return nn.Sequential(_Conv(into, out, 3, 2, 1), *_same(out, same))


def _double(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(_Transposed(into, out, 2, 1, 1), *_same(out, 2))


class Wav2Lip(nn.Module):
    """See above."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(_Conv(6, 16, 7, 1, 3)),
                _half(16, 32, 2),
                _half(32, 64, 3),
                _half(64, 128, 2),
                _half(128, 256, 2),
                _half(256, 512, 1),
                nn.Sequential(_Conv(512, 512, 3, 1, 0), _Conv(512, 512, 1, 1, 0)),
            ]
        )
        self.audio_encoder = nn.Sequential(
            *(_Conv(1, 32, 3, 1, 1), *_same(32, 2)),
            *(_Conv(32, 64, 3, (3, 1), 1), *_same(64, 2)),
            *(_Conv(64, 128, 3, 3, 1), *_same(128, 2)),
            *(_Conv(128, 256, 3, (3, 2), 1), *_same(256, 1)),
            *(_Conv(256, 512, 3, 1, 0), _Conv(512, 512, 1, 1, 0)),
        )
        self.face_decoder_blocks = nn.ModuleList(
            [
                nn.Sequential(_Conv(512, 512, 1, 1, 0)),
                nn.Sequential(_Transposed(1024, 512, 1, 0), *_same(512, 1)),
                _double(1024, 512),
                _double(768, 384),
                _double(512, 256),
                _double(320, 128),
                _double(160, 64),
            ]
        )
        self.output_block = nn.Sequential(_Conv(80, 32, 3, 1, 1), nn.Conv2d(32, 3, 1, 1, 0), nn.Sigmoid())

    def forward(self, mel: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
        """See above."""
        return self.paint(mel, self.look(face))

    def look(self, face: torch.Tensor) -> Features:
        """What the network keeps of faces [B, 6, 96, 96], whatever is said: a tensor [B, C, H, W] for each block."""
        seen = []
        for block in self.face_encoder_blocks:
            face = block(face)
            seen.append(face)
        return tuple(seen)

    def paint(self, mel: torch.Tensor, features: Features) -> torch.Tensor:
        """The faces that these sounds make of what was kept of them."""
        values = self.audio_encoder(mel)
        for block, seen in zip(self.face_decoder_blocks, reversed(features), strict=True):
            values = torch.cat((block(values), seen), 1)
        painted: torch.Tensor = self.output_block(values)
        return painted


def load(path: Path, device: str, *, half: bool) -> Wav2Lip:
    """Reads `wav2lip_gan.pth` or `wav2lip.pth`. Raises Unusable when it is missing, or another network of that name."""
    if not path.is_file():
        raise Unusable(
            f"no weights {path}; for research and personal use only: python -m models fetch wav2lip, or --from a folder",
            reason="model_missing",
        )
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as exc:
        raise Unusable(f"{path} is no file of weights", reason="model_unusable") from exc
    weights = {name.removeprefix("module."): values for name, values in stored.get("state_dict", {}).items()}
    network = Wav2Lip()
    try:
        network.load_state_dict(weights)
    except RuntimeError as exc:
        # Several other networks go by this name.
        rule = f"they must have {len(network.state_dict())} tensors with {PARAMETERS:,} parameters"
        raise Unusable(
            f"the weights in {path} are not those of Wav2Lip at {FACE_PX} px: {rule}", reason="model_unusable"
        ) from exc
    network.eval().to(device)
    # Convolutions are a tenth quicker with the channels of a pixel side by side.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.half() if half else network

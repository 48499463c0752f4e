"""Weights of Wav2Lip made at random, in the shapes and in the form of the published ones."""

from __future__ import annotations

from pathlib import Path

import torch

from services.face.engines.wav2lip.network import Wav2Lip


def random_network() -> Wav2Lip:
    """The same each time; with running means in its norms, as trained ones have them."""
    torch.manual_seed(1)
    made = Wav2Lip().eval()
    with torch.no_grad():
        for name, buffer in made.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
    return made


def models_with_wav2lip(folder: Path) -> Path:
    """A folder of models with nothing else in it; names of tensors have the prefix that training on several GPUs leaves."""
    (folder / "wav2lip").mkdir(parents=True)
    weights = {f"module.{name}": values for name, values in random_network().state_dict().items()}
    torch.save({"state_dict": weights, "global_step": 1}, folder / "wav2lip" / "wav2lip_gan.pth")
    return folder

"""Weights of voice activity projection made at random, in the shapes and in the form of the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from services.common.settings import SharedSettings
from services.turn.engines.vap.package import VapConfig, VapGPT

WEIGHTS = "vap_mc_state_dict_en_kyoto_10hz_20000msec.pt"
ENCODER = "60k_epoch4-d0f474de.pt"
#: As the names say: 10 frames a second, 20 s of them.
FRAME_HZ, CONTEXT = 10.0, 200


def models_with_vap(folder: Path) -> Path:
    """A folder of models: these, and the others of the engine. What both encoders share is there once, as it is published."""
    kept = folder / "maai"
    kept.mkdir(parents=True)
    torch.manual_seed(3)
    # The package reads a file in any case; without `load_pretrained` nothing of it but that it is one.
    torch.save({"weights": {}}, kept / ENCODER)
    encoder = _model(kept / ENCODER)
    weights = encoder.encoder1.encoder.state_dict()
    torch.save({"config": {}, "weights": weights}, kept / ENCODER)
    torch.save(_published(encoder.state_dict()), kept / WEIGHTS)
    for other in ("silero-vad", "smart-turn"):
        (folder / other).symlink_to(SharedSettings().models_dir / other)
    return folder


def _model(encoder: Path) -> Any:
    model = VapGPT(VapConfig(frame_hz=FRAME_HZ, context_limit=CONTEXT))
    model.load_encoder(cpc_model=str(encoder))
    with torch.no_grad():
        # As made they hardly answer; a trained head has larger weights.
        model.vap_head.weight.normal_(0, 1.0)
    return model


def _published(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    once = {name: values for name, values in state.items() if not name.startswith(("encoder1.", "encoder2."))}
    prefix = "encoder1.downsample."
    shared = {name.replace("encoder1.", "encoder."): values for name, values in state.items() if name.startswith(prefix)}
    return once | shared

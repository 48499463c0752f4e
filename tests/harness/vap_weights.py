"""Weights of voice activity projection made at random, in the shapes and in the form of the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from services.common.settings import SharedSettings
from services.turn.engines.vap.package import MODELS, VapConfig

WEIGHTS = "vap_mc_state_dict_en_kyoto_10hz_20000msec.pt"
ENCODER = "60k_epoch4-d0f474de.pt"
#: One of each kind.
LISTENERS = (
    "vap-bc_state_dict_en_10hz_20000msec.pt",
    "vap-bc-2type_state_dict_jp_10hz_20000msec.pt",
    "vap-nod_state_dict_erica_10hz_20000msec.pt",
)
#: As the names say: 10 frames a second, 20 s of them.
FRAME_HZ, CONTEXT = 10.0, 200


def models_with_vap(folder: Path) -> Path:
    """A folder of models: these, and the others of the engine. What both encoders share is there once, as it is published."""
    kept = folder / "maai"
    kept.mkdir(parents=True)
    torch.manual_seed(3)
    # The package reads a file of the encoder in any case, so that there is one before there is one.
    torch.save({"weights": {}}, kept / ENCODER)
    made = {file: _model(file, kept / ENCODER) for file in (WEIGHTS, *LISTENERS)}
    torch.save({"config": {}, "weights": made[WEIGHTS].encoder1.encoder.state_dict()}, kept / ENCODER)
    for file, model in made.items():
        torch.save(_published(model.state_dict()), kept / file)
    for other in ("silero-vad", "smart-turn"):
        (folder / other).symlink_to(SharedSettings().models_dir / other)
    return folder


def _model(file: str, encoder: Path) -> Any:
    model = MODELS[file.partition("_state_dict")[0]](VapConfig(frame_hz=FRAME_HZ, context_limit=CONTEXT))
    model.load_encoder(cpc_model=str(encoder))
    with torch.no_grad():
        for name, values in model.named_parameters():
            # As made they hardly answer; a trained head has larger weights. That of who speaks chooses among 256.
            if name.endswith("_head.weight"):
                values.normal_(0, 1.0 if name.startswith("vap") else 0.1)
    return model


def _published(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    once = {name: values for name, values in state.items() if not name.startswith(("encoder1.", "encoder2."))}
    prefix = "encoder1.downsample."
    shared = {name.replace("encoder1.", "encoder."): values for name, values in state.items() if name.startswith(prefix)}
    return once | shared

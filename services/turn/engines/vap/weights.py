"""MaAI's networks with their published weights.

What a file is for, how often its model answers and how far back it hears stands nowhere but in its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch

from services.turn.engines.vap.package import MODELS, VapConfig
from vivant.errors import Unusable

#: The rates of the models with this encoder; those of 12.5 Hz have another one.
_RATES_HZ: Final = (5.0, 10.0, 20.0)
_NAME: Final = re.compile(
    r"(?P<kind>vap(_mc|-bc|-bc-2type|-nod)?)_state_dict_[a-z_]+_(?P<rate>[\d.]+)hz_(?P<context>\d+)msec\.pt"
)
#: Who speaks next.
SPEAKERS: Final = ("vap", "vap_mc")
#: When a listener says or nods something.
LISTENERS: Final = ("vap-bc", "vap-bc-2type", "vap-nod")
SIDES: Final = ("encoder1", "encoder2")
#: Parts of a network that none of our answers depends on.
_UNUSED: Final = ("va_classifier.",)
_PROJECTION: Final = "vap_head."
#: Parts that are the same in every network of its shape: the encoder, which has a file of its own; the table of what can
#: happen; the slopes of the attention.
_FIXED: Final = re.compile(r"encoder[12]\.encoder\.|objective\.|.*\.m$")


@dataclass(frozen=True)
class Shape:
    """What the name of a file of weights says."""

    kind: str
    """One of SPEAKERS or LISTENERS."""
    rate_hz: float
    """Answers a second."""
    context: int
    """Frames that are remembered."""

    @classmethod
    def of(cls, file: str, kinds: tuple[str, ...], variable: str) -> Shape:
        """Raises Unusable for a name that says nothing of it, or of a model of another kind."""
        match = _NAME.fullmatch(file)
        rate = float(match["rate"]) if match else 0.0
        if match is None or match["kind"] not in kinds or rate not in _RATES_HZ:
            raise Unusable(
                f"{variable} is {file!r}: a file of MaAI for two channels is needed, called as it is published: "
                f"{kinds[-1]}_state_dict_..._10hz_20000msec.pt (or {', '.join(kinds[:-1])}; 5, 10 or 20hz; another length)",
                reason="model_unusable",
            )
        return cls(match["kind"], rate, round(int(match["context"]) / 1000 * rate))


def read(weights: Path, encoder: Path, shape: Shape, device: str) -> Any:
    """A network, ready to answer. Raises Unusable when one of the files is missing, or is not what it should be."""
    stored, heard = _read(weights, "weights"), _read(encoder, "encoder")
    if not isinstance(heard.get("weights"), dict):
        raise _other(encoder, "those of the CPC encoder")
    model = MODELS[shape.kind](VapConfig(frame_hz=shape.rate_hz, context_limit=shape.context))
    try:
        # Only with a path to a file that exists: for any other it would go and fetch one.
        model.load_encoder(cpc_model=str(encoder))
        lacking = set(model.encoder1.encoder.state_dict()) - set(heard["weights"])
        missing = model.load_state_dict(_named(stored), strict=False).missing_keys
    except RuntimeError as exc:
        raise _other(weights, f"those of MaAI's {shape.kind} for two channels, with its CPC encoder") from exc
    if lacking:
        raise _other(encoder, f"those of the CPC encoder: {min(lacking)} is missing")
    absent = sorted(set(missing) & set(_needed(model, shape)))
    if absent:
        raise _other(weights, f"those of MaAI's {shape.kind} for two channels: {', '.join(absent)} missing")
    return model.eval().to(device)


def _read(path: Path, what: str) -> dict[str, Any]:
    if not path.is_file():
        raise Unusable(
            f"no file {path} ({what} of voice activity projection); services/turn/VAP.md says where it comes from",
            reason="model_missing",
        )
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as exc:
        raise Unusable(f"{path} is no file of weights", reason="model_unusable") from exc
    if not isinstance(stored, dict):
        raise _other(path, "a table of weights")
    return stored


def _named(stored: dict[str, Any]) -> dict[str, Any]:
    """The weights by the names of the model: what is published once for both encoders is there for each."""
    weights = {**(stored.get("encoder_state_dict") or {}), **stored.get("state_dict", stored)}
    shared = {name.removeprefix("encoder."): each for name, each in weights.items() if name.startswith("encoder.downsample.")}
    return weights | {f"{side}.{name}": each for side in SIDES for name, each in shared.items()}


def _needed(model: Any, shape: Shape) -> Iterator[str]:
    """What the file must have: the encoders come from theirs."""
    unused = _UNUSED if shape.kind in SPEAKERS else (*_UNUSED, _PROJECTION)
    for name, _ in model.named_parameters():
        if not (_FIXED.match(name) or name.startswith(unused)):
            yield name


def _other(path: Path, wanted: str) -> Unusable:
    return Unusable(f"the weights in {path} are not {wanted}", reason="model_unusable")

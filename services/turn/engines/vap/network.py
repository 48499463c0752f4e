"""The network of voice activity projection: reading its published weights, and one step of it.

E. Ekstedt and G. Skantze, "Voice Activity Projection", 2022; K. Inoue et al., "Real-time and Continuous Turn-taking Prediction
Using Voice Activity Projection", 2024. An encoder (CPC, its weights in a file of their own) for each side, attention within and
between the sides. It remembers: the state of its encoders, and the keys and values of the last seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from services.turn.engines.vap.package import VapConfig, VapGPT
from vivant.errors import Unusable

RATE_HZ: Final = 16_000
#: Sound before a frame that the encoder's filters reach into.
LEAD: Final = 320
#: The rates of the models with this encoder; those of 12.5 Hz have another one.
_RATES_HZ: Final = (5.0, 10.0, 20.0)
#: As the published files are called; how often it answers and how far back it hears stands nowhere else.
_NAME: Final = re.compile(r"vap(_mc)?_state_dict_[a-z_]+_(?P<rate>[\d.]+)hz_(?P<context>\d+)msec\.pt")
_SIDES: Final = ("encoder1", "encoder2")

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """Who will have the floor: the persona's share, 0..1; the rest is the user's."""

    now: float
    """In the next 0.6 s."""
    future: float
    """From 0.6 to 2 s ahead."""


@dataclass(frozen=True)
class Shape:
    """What the name of a file of weights says."""

    rate_hz: float
    """Answers a second."""
    context: int
    """Frames that are remembered."""

    @classmethod
    def of(cls, file: str) -> Shape:
        """Raises Unusable for a name that says nothing of it, or of a model of another kind."""
        match = _NAME.fullmatch(file)
        rate = float(match["rate"]) if match else 0.0
        if match is None or rate not in _RATES_HZ:
            raise Unusable(
                f"TURN_VAP_WEIGHTS is {file!r}: a file of MaAI for two channels is needed, called as it is published: "
                "vap_mc_state_dict_en_kyoto_10hz_20000msec.pt, or another language, 5, 10 or 20hz and another length",
                reason="model_unusable",
            )
        return cls(rate, round(int(match["context"]) / 1000 * rate))


@dataclass(frozen=True)
class State:
    """What a stream's steps so far have left."""

    cache: Any
    encoders: tuple[Any, ...]


class Network:
    """Used by one thread at a time; each stream has a `State` of its own."""

    def __init__(self, model: Any, shape: Shape, device: str) -> None:
        self._model = model
        self._shape = shape
        self._device = device
        self._recurrent = [getattr(model, side).encoder.gAR for side in _SIDES]
        self.frame = round(RATE_HZ / shape.rate_hz)
        """Samples of one step."""

    @torch.inference_mode()
    def step(self, user: Audio, persona: Audio, state: State | None) -> tuple[Answer, State]:
        """Both float32 [LEAD + frame] at 16 kHz, of the same time; `state`: that of the step before, None at the beginning."""
        for recurrent, hidden in zip(self._recurrent, state.encoders if state else (None, None), strict=True):
            recurrent.hidden = hidden
        sides = [torch.from_numpy(side)[None, None].to(self._device) for side in (user, persona)]
        found, cache = self._model(*self._model.encode_audio(*sides), cache=state.cache if state else None)
        newest = slice(1 - self._shape.context, None)
        kept = {name: [[each[..., newest, :] for each in part] for part in pair] for name, pair in cache.items()}
        answer = Answer(*(float(found[name][1]) for name in ("p_now", "p_future")))
        return answer, State(kept, tuple(recurrent.hidden for recurrent in self._recurrent))


def load(weights: Path, encoder: Path, device: str) -> Network:
    """Reads both files. Raises Unusable when one is missing, or is not what it should be."""
    shape = Shape.of(weights.name)
    stored, heard = _read(weights, "weights"), _read(encoder, "encoder")
    config = VapConfig(frame_hz=shape.rate_hz, context_limit=shape.context)
    model = VapGPT(config)
    if not isinstance(heard.get("weights"), dict):
        raise _other(encoder, "those of the CPC encoder")
    try:
        # Only with a path to a file that exists: for any other it would go and fetch one.
        model.load_encoder(cpc_model=str(encoder))
        unknown = model.load_state_dict(_named(stored), strict=False)
    except RuntimeError as exc:
        raise _other(weights, "those of MaAI's model for two channels, with its CPC encoder") from exc
    absent = [name for name in unknown.missing_keys if name in dict(model.named_parameters()) and not _fixed(name)]
    if absent:
        raise _other(weights, f"those of MaAI's model for two channels: {absent[0]} and {len(absent) - 1} more are missing")
    lacking = set(model.encoder1.encoder.state_dict()) - set(heard["weights"])
    if lacking:
        raise _other(encoder, f"those of the CPC encoder: {min(lacking)} is missing")
    return Network(model.eval().to(device), shape, device)


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
    return weights | {f"{side}.{name}": each for side in _SIDES for name, each in shared.items()}


def _fixed(name: str) -> bool:
    """The encoder's come from its own file, and the objective's are no weights but a table of what can be."""
    return ".encoder." in name or name.startswith("objective.")


def _other(path: Path, wanted: str) -> Unusable:
    return Unusable(f"the weights in {path} are not {wanted}", reason="model_unusable")

"""Voice activity projection, step by step: who will have the floor; with a second model, whether a listener would react now.

E. Ekstedt and G. Skantze, "Voice Activity Projection", 2022; K. Inoue et al., "Real-time and Continuous Turn-taking Prediction
Using Voice Activity Projection", 2024. An encoder for each side (CPC, the same for all models, so it hears once), attention
within and between the sides. What a stream has heard is in its `State`: that of the encoders, and keys and values of the last
seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from services.turn.engines.vap.weights import LISTENERS, SIDES, SPEAKERS, Shape, read
from vivant.errors import Unusable

RATE_HZ: Final = 16_000
#: Sound before a frame that the encoder's filters reach into.
LEAD: Final = 320
#: Of a model of a listener, its answers that are a reaction; the rest is none.
_REACTIONS: Final = {
    "vap-bc": ("p_bc",),
    "vap-bc-2type": ("p_bc_react", "p_bc_emo"),
    "vap-nod": ("p_nod_short", "p_nod_long", "p_nod_long_p"),
}

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """Who will have the floor: the persona's share, 0..1; the rest is the user's."""

    now: float
    """In the next 0.6 s."""
    future: float
    """From 0.6 to 2 s ahead."""
    reaction: float = 0.0
    """0..1 that a listener would say "mm-hm" or nod now; 0 without a model that knows."""


@dataclass(frozen=True)
class State:
    """What a stream's steps so far have left."""

    encoders: tuple[Any, ...]
    caches: tuple[Any, ...]


class Network:
    """Used by one thread at a time. `models` with their shapes: who speaks next, and maybe a listener."""

    def __init__(self, models: list[tuple[Any, Shape]], device: str) -> None:
        self._models = models
        self._device = device
        self._encoders = [getattr(models[0][0], side) for side in SIDES]
        self.frame = round(RATE_HZ / models[0][1].rate_hz)
        """Samples of one step."""

    @torch.inference_mode()
    def step(self, user: Audio, persona: Audio, state: State | None) -> tuple[Answer, State]:
        """Both float32 [LEAD + frame] at 16 kHz, of the same time; `state`: that of the step before, None at the beginning."""
        sides, remembered = [], []
        for encoder, sound, hidden in zip(
            self._encoders, (user, persona), state.encoders if state else (None, None), strict=True
        ):
            encoder.encoder.gAR.hidden = hidden
            sides.append(encoder.forward_shared(torch.from_numpy(sound)[None, None].to(self._device)))
            remembered.append(encoder.encoder.gAR.hidden)
        said: dict[str, Any] = {}
        caches = []
        for (model, shape), cache in zip(self._models, state.caches if state else (None,) * len(self._models), strict=True):
            # To a model of a listener the listener is the first side.
            first, second = sides if shape.kind in SPEAKERS else sides[::-1]
            found, grown = model(model.encoder1.forward_specific(first), model.encoder2.forward_specific(second), cache=cache)
            newest = slice(1 - shape.context, None)
            caches.append({name: [[each[..., newest, :] for each in part] for part in pair] for name, pair in grown.items()})
            said |= found if shape.kind in SPEAKERS else {"reaction": sum(found[name] for name in _REACTIONS[shape.kind])}
        answer = Answer(float(said["p_now"][1]), float(said["p_future"][1]), float(said.get("reaction", 0.0)))
        return answer, State(tuple(remembered), tuple(caches))


def load(folder: Path, weights: str, encoder: str, listener: str, device: str) -> Network:
    """Reads files of `folder`; `listener`: "" for none. Raises Unusable when one is missing, or is not what it should be."""
    shape = Shape.of(weights, SPEAKERS, "TURN_VAP_WEIGHTS")
    files = [(weights, shape)]
    if listener:
        second = Shape.of(listener, LISTENERS, "TURN_VAP_LISTENER")
        if second.rate_hz != shape.rate_hz:
            raise Unusable(
                f"TURN_VAP_LISTENER answers {second.rate_hz:g} times a second and TURN_VAP_WEIGHTS {shape.rate_hz:g} times; "
                "they hear the same frames, so their rates must be the same",
                reason="model_unusable",
            )
        files.append((listener, second))
    return Network([(read(folder / file, folder / encoder, each, device), each) for file, each in files], device)

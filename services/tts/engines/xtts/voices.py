"""What the model has learnt of each persona's voice: made once, and kept as long as recordings and weights are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from services.common import arrays
from services.common.logs import get_logger
from services.tts.engines.xtts.network import Latents, Network
from services.tts.recordings import read

_log = get_logger(__name__)

NAME: Final = "voice-xtts.npz"


def places(personas: Path, persona: str, elsewhere: Path | None) -> Sequence[Path]:
    """The files in which the voice of a persona may be kept, the first that can be written before the others."""
    if elsewhere is not None:
        return (elsewhere.expanduser() / f"{persona}-xtts.npz",)
    spare = Path.home() / ".cache" / "vivant" / "voices" / f"{persona}-xtts.npz"
    return (personas / persona / "derived" / NAME, spare)


def learn(network: Network, persona: Path, kept_in: Sequence[Path]) -> Latents:
    """Blocking: the voice of the persona in this folder, as it was kept or made anew. Raises as `recordings.read`."""
    recordings = read(persona, network.most_s)
    key = hashlib.sha256(f"{recordings.sha256} {network.fingerprint}".encode()).hexdigest()
    for place in kept_in:
        if found := _kept(place, key):
            return found
    latents = network.learn(recordings.files)
    _log.info("voice_learnt", persona=persona.name, recordings=len(recordings.files))
    for place in kept_in:
        try:
            arrays.write(place, {"key": np.array(key), "manner": latents.manner, "timbre": latents.timbre})
        except OSError as exc:
            _log.info("voice_not_kept", path=str(place), error=exc.strerror)
        else:
            break
    return latents


def _kept(place: Path, key: str) -> Latents | None:
    try:
        file = arrays.read(place)
    except FileNotFoundError:
        return None
    except OSError as exc:
        _log.warning("voice_not_read", path=str(place), error=exc.strerror)
        return None
    except arrays.Damaged as exc:
        _log.warning("voice_damaged", path=str(place), error=str(exc), detail="it is made anew")
        return None
    if file.keys() != {"key", "manner", "timbre"} or str(file["key"]) != key:
        return None
    return Latents(file["manner"], file["timbre"])

"""Weights that are published for another runtime are converted when they are fetched, to the same bytes on every machine.

The graph of each network is written down here once, in ONNX's own operators; the services only run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

#: What the manifest may name after `convert`, and the function that does it: `(path of the weights) -> bytes`.
CONVERSIONS: Final[Mapping[str, str]] = {
    "ge2e": "models.conversion.ge2e:model",
    "kokoro-front": "models.conversion.kokoro:front",
    "kokoro-norms": "models.conversion.kokoro:norms_of_vocoder",
    "kokoro-vocoder": "models.conversion.kokoro:vocoder",
    "minilm": "models.conversion.minilm:model",
    "minilm-pieces": "models.conversion.minilm:pieces",
}


def convert(name: str, weights: Path) -> bytes:
    """The file that is made of another one; raises FetchError when that is not what the conversion expects."""
    # The packages for it are heavy, and most files need none.
    module, _, function = CONVERSIONS[name].partition(":")
    converted: bytes = getattr(import_module(module), function)(weights)
    return converted

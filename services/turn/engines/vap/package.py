"""The one place that imports MaAI.

Its package wants a sound card (pyaudio) and a window (pygame) as soon as it is imported, for microphones and pictures of its
own. We use its networks alone. Where those two are not installed, empty modules stand for them while MaAI is imported, and are
gone afterwards. Its threads, queues and downloads are in `maai.model`, `maai.input` and `maai.util`; nothing here calls them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

_NOT_NEEDED: Final = ("pyaudio", "pygame")


@contextmanager
def _standing_in() -> Iterator[None]:
    """Empty modules for what is not installed."""
    absent = [name for name in _NOT_NEEDED if find_spec(name) is None]
    sys.modules.update({name: ModuleType(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _quiet(*_: object) -> None:
    """Its modules print how they load, and one of them every answer; our logs are lines of JSON."""


def _imported(name: str) -> Any:
    module: Any = importlib.import_module(name)
    module.print = _quiet
    return module


with _standing_in():
    VapConfig: Final = _imported("maai.models.config").VapConfig
    _vap: Final = _imported("maai.models.vap").VapGPT
    #: By what the names of their files begin with; with noise or without, who speaks next is the same network.
    MODELS: Final = {
        "vap": _vap,
        "vap_mc": _vap,
        "vap-bc": _imported("maai.models.vap_bc").VapGPT_bc,
        "vap-bc-2type": _imported("maai.models.vap_bc_2type").VapGPT_bc_2type,
        "vap-nod": _imported("maai.models.vap_nod").VapGPT_nod,
    }
    for _each in ("maai.encoder", "maai.encoder_components"):
        _imported(_each)

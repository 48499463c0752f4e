"""Choosing an engine: a literal table in each service, and one way to load from it. There is no fallback."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from environment import WrongSetting
from services.common.settings import EngineSettings, Frozen, SharedSettings
from vivant.errors import Unusable

#: Packages that no lock has: which build is the right one depends on the device.
_BY_HAND: Final = {"torch": "torch==2.13.0", "torchaudio": "torchaudio==2.11.1", "torchcodec": "torchcodec==0.17.0"}


@dataclass(frozen=True)
class EngineSpec:
    """One row of a service's table."""

    name: str
    target: str
    """`module:Class`; the module is imported only when the engine is chosen."""
    options: type[Frozen]
    """Settings of this engine alone, read from the environment when it is chosen."""
    requirements: str
    """The lock that has its packages, for the error message: `requirements/asr.txt`."""


def choose(table: Sequence[EngineSpec], settings: EngineSettings, shared: SharedSettings) -> Any:
    """The engine that the settings name, constructed but not yet loaded. Raises as `find` and `load` do."""
    return load(find(table, settings.engine, settings.variable("engine")), shared)


def find(table: Sequence[EngineSpec], name: str, variable: str) -> EngineSpec:
    """The row called `name`; raises WrongSetting with the choices. `variable` is the setting to correct."""
    for spec in table:
        if spec.name == name:
            return spec
    choices = ", ".join(spec.name for spec in table)
    raise WrongSetting.of(variable, name, f"it is not an engine of this service; choose one of: {choices}")


def load(spec: EngineSpec, *args: Any) -> Any:
    """Imports the engine and constructs it with its options and `args`."""
    module_name, _, class_name = spec.target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as exc:
        if exc.name and exc.name.partition(".")[0] == "services":
            # A fault of ours, not of the installation.
            raise
        if not isinstance(exc, ModuleNotFoundError):
            # A package that is there says itself what it lacks.
            raise Unusable(
                f"engine {spec.name!r} cannot be imported: {' '.join(str(exc).split())}", reason="missing_package"
            ) from exc
        install = _BY_HAND.get(exc.name or "", f"--no-deps --require-hashes -r {spec.requirements}")
        raise Unusable(
            f"engine {spec.name!r} needs the package {exc.name!r}, which is not installed: pip install {install}",
            reason="missing_package",
        ) from exc
    return getattr(module, class_name)(spec.options(), *args)

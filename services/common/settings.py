"""Settings that every service has. Read from the environment once, in `__main__`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_models_dir() -> Path:
    """Where `make models` puts model files unless `VIVANT_MODELS_DIR` says otherwise."""
    return Path.home() / ".cache" / "vivant" / "models"


class Frozen(BaseSettings):
    """Base of all settings classes: immutable, fields documented by the string under each."""

    model_config = SettingsConfigDict(frozen=True, use_attribute_docstrings=True, extra="ignore")


class SharedSettings(Frozen):
    """Settings that are the same for all services; prefix `VIVANT_`."""

    model_config = SettingsConfigDict(env_prefix="VIVANT_")

    models_dir: Path = Field(default_factory=default_models_dir)
    """Folder with the model files."""
    personas_dir: Path = Path("personas")
    """Folder with one folder for each persona."""
    persona: str = "june"
    """Id of the persona that is there when nobody is named: on the page, for `vivant ask`, at every door. It is made ready at
    start."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""


def default_persona() -> str:
    """`VIVANT_PERSONA`, for services that may be told another one."""
    return SharedSettings().persona


class ServiceSettings(Frozen):
    """What each service has under its own prefix; subclasses set `env_prefix`, `port`, `metrics_port` and `engine`."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container."""
    port: int
    """Port of the gRPC server."""
    metrics_port: int
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = 4
    """Streams served at once; one more is refused with RESOURCE_EXHAUSTED."""

"""Settings that every service has. Read from the environment and `.env` once, in `__main__`.

A value that cannot be used raises WrongSetting: one line with the variable's name, its value and the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

import environment
from environment import WrongSetting
from services.common.values import meant
from vivant import addresses
from vivant.errors import InvalidRequest


def _host(text: str) -> str:
    try:
        return addresses.host(text)
    except InvalidRequest as exc:
        raise ValueError(exc.message) from exc


def _address(text: str) -> str:
    try:
        return addresses.target(text)
    except InvalidRequest as exc:
        raise ValueError(exc.message) from exc


Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, AfterValidator(_address)]
_HIDDEN: Final = "***"


class Frozen(BaseSettings):
    """Base of all settings classes: immutable, fields documented by the string under each."""

    model_config = SettingsConfigDict(
        frozen=True, use_attribute_docstrings=True, extra="ignore", validate_default=True, allow_inf_nan=False
    )

    @classmethod
    def variable(cls, field: str) -> str:
        """The name under which the environment has this field."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Self:
        """The settings that a process with this environment will have; raises WrongSetting."""
        return cls(**_values(cls, env))

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Source(settings_cls)

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        return meant(cls.model_fields[str(info.field_name)].annotation, value)

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            field = str(first["loc"][0])
            annotation = cls.model_fields[field].annotation
            secret = SecretStr in (annotation, *get_args(annotation))
            value = _HIDDEN if secret else values.get(field, first["input"])
            raise WrongSetting.of(cls.variable(field), value, _rule(first["msg"])) from exc


def _rule(message: str) -> str:
    """Pydantic's sentence as ours."""
    plain = message.removeprefix("Value error, ").partition(", unable to")[0]
    return plain.replace("a valid boolean", "true or false").replace("Input should be", "it must be", 1)


class _Source(PydanticBaseSettingsSource):
    """The values of a class from `environment.read`; what is not set or empty is left to the defaults."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return _values(self.settings_cls, environment.read())


def _values(settings: type[BaseSettings], env: Mapping[str, str]) -> dict[str, Any]:
    assert issubclass(settings, Frozen)
    return {field: value for field in settings.model_fields if (value := env.get(settings.variable(field)))}


class SharedSettings(Frozen):
    """Settings that are the same for all services; prefix `VIVANT_`."""

    model_config = SettingsConfigDict(env_prefix="VIVANT_")

    models_dir: Path = environment.MODELS_DIR
    """Folder with the model files."""
    personas_dir: Path = Path("personas")
    """Folder with one folder for each persona."""
    persona: str = "june"
    """Id of the persona that is there when nobody is named: on the page, for `vivant ask`, at every door. It is made ready at
    start."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """How much the logs say."""


def default_persona() -> str:
    """`VIVANT_PERSONA`, for services that may be told another one."""
    return SharedSettings().persona


class ServiceSettings(Frozen):
    """What each service has under its own prefix; subclasses set `env_prefix`, `port` and `metrics_port`."""

    host: Host = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container, :: for all addresses, IPv6 too."""
    port: Port
    """Port of the gRPC server."""
    metrics_port: Port
    """Port of /metrics, /healthz and /readyz."""
    capacity: int = Field(default=4, ge=1)
    """Streams served at once; one more is refused with RESOURCE_EXHAUSTED."""


class EngineSettings(ServiceSettings):
    """What each service with engines has besides; subclasses set the default."""

    engine: str
    """One of the names in the service's `engines/__init__.py`."""

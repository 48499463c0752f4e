"""Choosing and loading an engine: what is wrong is said as it is."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from environment import WrongSetting
from services.common.registry import EngineSpec, choose, find, load
from services.common.settings import EngineSettings, Frozen, Port, SharedSettings
from vivant.errors import Unusable


class OwnSettings(EngineSettings):
    model_config = SettingsConfigDict(env_prefix="OWN_")

    port: Port = 1
    metrics_port: Port = 2
    engine: str = "own"


def spec(module: str) -> EngineSpec:
    return EngineSpec("own", f"{module}:Engine", Frozen, "requirements/asr.txt")


def test_an_engine_that_does_not_exist_is_refused_with_the_choices() -> None:
    with pytest.raises(WrongSetting, match=r"ASR_ENGINE='other' cannot be used: .*choose one of: own"):
        find([spec("services")], "other", "ASR_ENGINE")


def test_the_variable_to_correct_is_that_of_the_service() -> None:
    with pytest.raises(WrongSetting, match=r"OWN_ENGINE='other' cannot be used: .*choose one of: own"):
        choose([spec("services")], OwnSettings(engine="other"), SharedSettings())


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(Unusable, match=r"'no_such_package'.*pip install .*--require-hashes -r requirements/asr\.txt") as caught:
        load(spec("no_such_package.engine"))
    assert caught.value.reason == "missing_package"


def test_what_a_package_says_that_it_lacks_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "picky_package.py").write_text('raise ImportError("""\nI need\n  the codec.""")\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Unusable, match=r"engine 'own' cannot be imported: I need the codec\.$"):
        load(spec("picky_package"))


def test_a_missing_module_of_ours_is_a_fault_and_no_matter_of_installing() -> None:
    with pytest.raises(ModuleNotFoundError):
        load(spec("services.no_such_engine"))

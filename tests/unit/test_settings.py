"""Every setting of every service: what cannot be used is named in one line, with the value and the rule."""

from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import SecretStr

import environment
from deploy.env_example import fields, settings_classes
from environment import WrongSetting
from services.asr.settings import FakeOptions as FakeEars
from services.common.settings import Frozen, SharedSettings
from services.common.values import meant
from services.gateway.settings import GatewaySettings
from services.llm.settings import FakeOptions as FakeModel
from services.llm.settings import LlmSettings, OpenaiOptions
from services.orchestrator.settings import OrchestratorSettings

NUMBERS = ("abc", "one", "1,5", "nan", "inf", "-99999", "1e999", "[]")
WORDS = ("nonsense", "12 34")
#: By the end of the field's name.
TEXTS = {
    "host": ("http://example.org:1", "two words", "a/b"),
    "address": ("http://example.org:1", "two words", "a/b"),
    "base_url": ("localhost:8000/v1", "ftp://localhost", "http://", "http://two words"),
    "url": ("localhost:8000/v1/realtime", "http://localhost", "ws://", "ws://two words"),
}


def kinds(annotation: Any) -> set[Any]:
    return set(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else {annotation}


def garbage(settings: type[Frozen], name: str) -> tuple[str, ...]:
    """Values that cannot be used for this field; none for free text, where everything is a value."""
    field = settings.model_fields[name]
    found = kinds(field.annotation)
    if found & {int, float}:
        return (*NUMBERS, "0", "65536", "70000") if name.endswith("port") else NUMBERS
    if bool in found or any(get_origin(kind) is Literal for kind in found):
        return WORDS
    if any(get_origin(kind) is tuple for kind in found):
        items = get_args(next(kind for kind in found if get_origin(kind) is tuple))
        return ('["cut', "[1, 2") + (("a,b",) if float in items else ())
    if any(get_origin(kind) is dict for kind in found):
        return WORDS
    if Path in found:
        return ("~nobody-of-this-name/folder",)
    return next((values for ending, values in TEXTS.items() if name.endswith(ending)), ())


CASES = [
    (settings, name, value)
    for _, settings in settings_classes()
    for name in settings.model_fields
    for value in garbage(settings, name)
]


@pytest.mark.parametrize(("settings", "name", "value"), CASES)
def test_what_cannot_be_used_is_named(settings: type[Frozen], name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = settings.variable(name)
    monkeypatch.setenv(variable, value)
    with pytest.raises(WrongSetting) as caught:
        settings()
    message = str(caught.value)
    assert message.startswith(f"{variable}={value!r} cannot be used: ")
    assert len(message.splitlines()) == 1
    with pytest.raises(WrongSetting) as told:
        settings.of({variable: value})
    assert str(told.value) == message


def test_most_fields_have_such_values() -> None:
    """So that the test above cannot become empty: only free text takes everything."""
    free = {
        settings.variable(name)
        for _, settings in settings_classes()
        for name, field in settings.model_fields.items()
        if not garbage(settings, name)
    }
    texts = {
        settings.variable(name)
        for _, settings in settings_classes()
        for name, field in settings.model_fields.items()
        if kinds(field.annotation) <= {str, SecretStr, type(None)}
    }
    assert free <= texts
    assert len(CASES) > 300


@pytest.mark.parametrize(
    ("settings", "variable"), [(each, name) for _, each in settings_classes() for name, *_ in fields(each)]
)
def test_an_empty_value_is_the_default(settings: type[Frozen], variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "")
    with_empty = settings()
    monkeypatch.delenv(variable)
    assert with_empty == settings()


@pytest.mark.parametrize("word", ["debug", "Debug", " DEBUG "])
def test_words_may_be_written_in_any_case(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVANT_LOG_LEVEL", word)
    monkeypatch.setenv(
        "LLM_WHO_IS_MEANT", word.strip().replace("debug", "memory").replace("Debug", "Memory").replace("DEBUG", "OFF")
    )
    assert SharedSettings().log_level == "DEBUG"
    assert LlmSettings().who_is_meant in ("memory", "off")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["hello there", "you, and you"]', ("hello there", "you, and you")),
        ("hello there, you", ("hello there", "you")),
        ("hello there", ("hello there",)),
        ("one,,two, ", ("one", "two")),
        ("[]", ()),
    ],
)
def test_a_list_is_json_or_has_commas(text: str, items: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_FAKE_SCRIPT", text)
    assert FakeEars().script == items
    monkeypatch.setenv("LLM_FAKE_WEIGHTS", "0.5, 1")
    assert FakeModel().weights == (0.5, 1.0)


def test_an_object_is_json() -> None:
    assert meant(dict[str, Any], '{"effort": "low", "stop": [1]}') == {"effort": "low", "stop": [1]}
    for text in ("effort=low", "[1]", "{cut"):
        with pytest.raises(ValueError, match="expected an object of JSON"):
            meant(dict[str, Any], text)


@pytest.mark.parametrize("text", ["yes", "True", "1", "on", " true "])
def test_yes_has_many_words(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LOOPBACK", text)
    assert GatewaySettings().loopback is True


def test_hosts_and_addresses_of_ipv6_are_taken_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HOST", "[::1]")
    monkeypatch.setenv("GATEWAY_ORCHESTRATOR_ADDRESS", "[fd00::2]:50050")
    monkeypatch.setenv("ORCHESTRATOR_ASR_ADDRESS", "dns:///asr.example.org:50051")
    assert (GatewaySettings().host, GatewaySettings().orchestrator_address) == ("::1", "[fd00::2]:50050")
    assert OrchestratorSettings().asr_address == "dns:///asr.example.org:50051"
    monkeypatch.setenv("GATEWAY_ORCHESTRATOR_ADDRESS", "fd00::2:50050")
    with pytest.raises(WrongSetting, match=r"GATEWAY_ORCHESTRATOR_ADDRESS='fd00::2:50050' cannot be used: .*in brackets"):
        GatewaySettings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_STUN_URLS", "stun.example.org:3478"),
        ("GATEWAY_TURN_URLS", '["http://example.org"]'),
        ("GATEWAY_ORIGINS", "https://example.org/page"),
        ("GATEWAY_ORIGINS", "example.org"),
    ],
)
def test_addresses_of_other_kinds_have_their_rule(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(WrongSetting, match=f"^{variable}=.*cannot be used: expected "):
        GatewaySettings()


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(WrongSetting, match=r"^LLM_OPENAI_API_KEY='\*\*\*' cannot be used: "):
        OpenaiOptions(api_key=["secret"])


def test_relative_folders_are_taken_from_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIVANT_PERSONAS_DIR", "my people")
    monkeypatch.setenv("ORCHESTRATOR_DECISIONS_DIR", "~/decisions")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert SharedSettings().personas_dir == environment.ROOT / "my people"
    assert OrchestratorSettings().decisions_dir == tmp_path / "decisions"

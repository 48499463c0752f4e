"""The file of Docker Compose, as far as it can be read without Docker."""

from __future__ import annotations

import importlib
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from environment import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
IMAGES = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")


SERVICES: dict[str, Any] = COMPOSE["services"]


def plain_name(name: str) -> str:
    """Whose place it takes."""
    return re.sub(r"-v\d$", "", name)


ABILITIES = ("asr", "turn", "llm", "tts", "face")
#: What takes the place of a service of the CPU default: its profiles, its engine unless a variable names another, and the
#: variable of its GPU.
VARIANTS = {
    "asr-v1": (["v1"], "riva", None),
    "turn-v1": (["v1"], "silence", None),
    "llm-v1": (["v1", "v2", "v3"], "openai", None),
    "tts-v1": (["v1"], "riva", None),
    "face-v1": (["v1"], "wav2lip", "FACE_GPU"),
    "asr-v2": (["v2", "v3"], "whisper", "ASR_GPU"),
    "turn-v2": (["v2", "v3"], "vap", "TURN_GPU"),
    "tts-v2": (["v2", "v3"], "xtts", "TTS_GPU"),
}


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_every_volume_and_every_image_exists(name: str) -> None:
    service = SERVICES[name]
    build, plain = service["build"], plain_name(name)
    assert re.search(rf"(?m)^FROM \w+ AS {build['target']}$", IMAGES)
    assert build["target"] == plain or build["args"]["SERVICE"] == plain
    for volume in service["volumes"]:
        source, place, *_ = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")
        assert source in COMPOSE["volumes"] or source == "./personas"
        assert re.search(rf"mkdir [^\n]*{place}\b", IMAGES), (
            "a folder that the image does not have belongs to nobody it runs as"
        )
    for argument in set(build.get("args", {})) - {"SERVICE"}:
        assert re.search(rf"(?m)^ARG {argument}=$", IMAGES)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_takes_the_place_of_its_service(name: str) -> None:
    profiles, engine, gpu = VARIANTS[name]
    ability = plain_name(name)
    variant, plain = SERVICES[name], SERVICES[ability]
    assert variant["profiles"] == profiles
    assert not set(plain["profiles"]) & set(profiles)
    assert variant["networks"]["default"]["aliases"] == [ability]
    assert variant["healthcheck"] == plain["healthcheck"]
    setting = f"{ability.upper()}_ENGINE"
    assert {**plain["environment"], setting: None}.items() <= {**variant["environment"], setting: None}.items()
    assert variant["environment"][setting] == f"${{{setting}:-{engine}}}"
    assert device_of(variant) == (f"${{{gpu}:-0}}" if gpu else None)


@pytest.mark.parametrize("name", ABILITIES)
def test_one_variable_swaps_one_engine_in_every_profile(name: str) -> None:
    engines = {spec.name for spec in importlib.import_module(f"services.{name}.engines").ENGINES}
    setting = f"{name.upper()}_ENGINE"
    containers = [service for other, service in SERVICES.items() if "build" in service and plain_name(other) == name]
    for service in containers:
        found = re.fullmatch(rf"\$\{{{setting}:-(\w+)\}}", service["environment"][setting])
        assert found
        assert found[1] in engines
    default = importlib.import_module(f"services.{name}.settings").__dict__[f"{name.capitalize()}Settings"]
    assert containers[0]["environment"][setting] == f"${{{setting}:-{default.model_fields['engine'].default}}}"


@pytest.mark.parametrize("name", [name for name in SERVICES if plain_name(name) == "models"])
def test_the_models_of_whatever_engines_are_chosen_are_fetched(name: str) -> None:
    for profile, ability in itertools.product(SERVICES[name]["profiles"], ABILITIES):
        (service,) = [other for key, other in SERVICES.items() if plain_name(key) == ability and profile in other["profiles"]]
        assert f" {ability}.{service['environment'][f'{ability.upper()}_ENGINE']}" in SERVICES[name]["command"]


def test_the_speech_model_is_under_the_dialog_manager_in_v3_alone() -> None:
    variant, plain = SERVICES["orchestrator-v3"], SERVICES["orchestrator"]
    assert variant["environment"] == plain["environment"] | {"ORCHESTRATOR_SPEECH_ADDRESS": "speech:50056"}
    assert (variant["ports"], variant["healthcheck"]) == (plain["ports"], plain["healthcheck"])
    assert variant["networks"]["default"]["aliases"] == ["orchestrator"]
    assert SERVICES["speech"]["environment"]["SPEECH_PORT"] == 50056
    assert SERVICES["speech"]["environment"]["SPEECH_ENGINE"] == "${SPEECH_ENGINE:-realtime}"


def test_models_on_gpus_are_pinned_each_by_a_variable_of_its_own() -> None:
    pinned = {name: device_of(service) for name, service in SERVICES.items() if "deploy" in service}
    variants = {name: f"${{{gpu}:-0}}" for name, (_, _, gpu) in VARIANTS.items() if gpu}
    servers = {"vllm": "LLM_GPU", "riva": "RIVA_GPU", "moshi": "SPEECH_GPU", "audio2face": "AUDIO2FACE_GPU"}
    assert pinned == {name: f"${{{gpu}:-0}}" for name, gpu in servers.items()} | variants


def device_of(service: dict[str, Any]) -> str | None:
    if "deploy" not in service:
        return None
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    (number,) = device["device_ids"]
    return str(number)


@pytest.mark.parametrize("profile", ["cpu", "v1", "v2", "v3"])
def test_a_profile_has_every_service_once_and_waits_for_nothing_outside(profile: str) -> None:
    here = {name for name, service in SERVICES.items() if profile in service["profiles"]}
    named = sorted(plain_name(name) for name in here if "build" in SERVICES[name])
    assert named == sorted([*ABILITIES, "orchestrator", "gateway", "models", *(["speech"] if profile == "v3" else [])])
    for name in here:
        for other, condition in SERVICES[name].get("depends_on", {}).items():
            assert other in here or condition.get("required") is False, f"{name} waits for {other}"


def test_a_key_comes_from_the_environment_file_alone() -> None:
    """What Compose writes into a container's definition anybody can read who may ask the engine."""
    written = {key for service in SERVICES.values() for key in service.get("environment", {})}
    assert not [key for key in written if key.endswith(("_API_KEY", "_FUNCTION_ID"))]


@pytest.mark.parametrize("name", ["asr", "turn", "llm", "tts", "face"])
def test_an_engine_with_a_lock_of_its_own_can_be_built_into_the_image(name: str) -> None:
    engines = importlib.import_module(f"services.{name}.engines").ENGINES
    further = {spec.requirements for spec in engines} - {f"requirements/{name}.txt"}
    assert all((ROOT / lock).is_file() for lock in further)
    containers = [service for other, service in SERVICES.items() if "build" in service and plain_name(other) == name]
    for service in containers:
        built_in = service["build"]["args"].get("WITH", "")
        assert bool(further) == built_in.startswith(f"${{{name.upper()}_WITH:-")


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_a_container_of_ours_may_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize(
    ("setting", "folder"), [("LLM_EMBEDDINGS_DIR", "/embeddings"), ("LLM_CONVERSATIONS", "/conversations")]
)
def test_what_is_learnt_and_said_outlives_the_container(setting: str, folder: str) -> None:
    llm = SERVICES["llm"]
    assert llm["volumes"] == SERVICES["llm-v1"]["volumes"]
    kept = Path(llm["environment"][setting])
    assert folder in (str(kept), str(kept.parent))
    volume = next(volume for volume in llm["volumes"] if volume.endswith(f":{folder}"))
    assert volume.split(":")[0] in COMPOSE["volumes"]
    assert re.search(rf"chown vivant: [^\n]*{folder}\b", IMAGES)

"""The file of Docker Compose, as far as it can be read without Docker."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from environment import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
IMAGES = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")


SERVICES: dict[str, Any] = COMPOSE["services"]
#: What each ability is in the profile v1: the engine unless a variable names another, and the variable of its GPU.
V1 = {
    "asr": ("riva", None),
    "turn": ("silence", None),
    "llm": ("openai", None),
    "tts": ("riva", None),
    "face": ("wav2lip", "FACE_GPU"),
}


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_every_volume_and_every_image_exists(name: str) -> None:
    service = SERVICES[name]
    build, plain = service["build"], name.removesuffix("-v1")
    assert re.search(rf"(?m)^FROM \w+ AS {build['target']}$", IMAGES)
    assert build["target"] == plain or build["args"]["SERVICE"] == plain
    for volume in service["volumes"]:
        source, place, *_ = volume.split(":")
        assert source in COMPOSE["volumes"] or source == "./personas"
        assert re.search(rf"mkdir [^\n]*{place}\b", IMAGES), (
            "a folder that the image does not have belongs to nobody it runs as"
        )
    for argument in set(build.get("args", {})) - {"SERVICE"}:
        assert re.search(rf"(?m)^ARG {argument}=$", IMAGES)


@pytest.mark.parametrize("name", V1)
def test_a_variant_takes_the_place_of_its_service_and_one_variable_swaps_its_engine(name: str) -> None:
    variant, plain, (engine, gpu) = SERVICES[f"{name}-v1"], SERVICES[name], V1[name]
    setting = f"{name.upper()}_ENGINE"
    assert variant["environment"][setting] == f"${{{setting}:-{engine}}}"
    assert engine in {spec.name for spec in importlib.import_module(f"services.{name}.engines").ENGINES}
    assert variant["networks"]["default"]["aliases"] == [name]
    assert variant["healthcheck"] == plain["healthcheck"]
    assert plain["environment"].items() <= variant["environment"].items()
    assert not set(plain["profiles"]) & set(variant["profiles"])
    assert device_of(variant) == (f"${{{gpu}:-0}}" if gpu else None)


def test_models_on_gpus_are_pinned_each_by_a_variable_of_its_own() -> None:
    pinned = {name: device_of(service) for name, service in SERVICES.items() if "deploy" in service}
    assert pinned == {"vllm": "${LLM_GPU:-0}", "riva": "${RIVA_GPU:-0}", "face-v1": "${FACE_GPU:-0}"}


def device_of(service: dict[str, Any]) -> str | None:
    if "deploy" not in service:
        return None
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    (number,) = device["device_ids"]
    return str(number)


@pytest.mark.parametrize("profile", ["cpu", "v1"])
def test_what_a_profile_waits_for_is_in_it_or_may_be_missing(profile: str) -> None:
    here = {name for name, service in SERVICES.items() if profile in service["profiles"]}
    assert {name.removesuffix("-v1") for name in here} >= {
        "asr",
        "turn",
        "llm",
        "tts",
        "face",
        "orchestrator",
        "gateway",
        "models",
    }
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
    with_lock = SERVICES[name]["build"]["args"].get("WITH")
    assert with_lock == (f"${{{name.upper()}_WITH:-}}" if further else None)


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

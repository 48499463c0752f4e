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


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_volume_and_every_image_exists(name: str) -> None:
    service = COMPOSE["services"][name]
    build = service["build"]
    assert re.search(rf"(?m)^FROM \w+ AS {build['target']}$", IMAGES)
    assert build["target"] == name or build["args"]["SERVICE"] == name
    for volume in service["volumes"]:
        source, place, *_ = volume.split(":")
        assert source in COMPOSE["volumes"] or source == "./personas"
        assert re.search(rf"mkdir [^\n]*{place}\b", IMAGES), (
            "a folder that the image does not have belongs to nobody it runs as"
        )


@pytest.mark.parametrize("name", ["asr", "turn", "llm", "tts", "face"])
def test_an_engine_with_a_lock_of_its_own_can_be_built_into_the_image(name: str) -> None:
    engines = importlib.import_module(f"services.{name}.engines").ENGINES
    further = {spec.requirements for spec in engines} - {f"requirements/{name}.txt"}
    assert all((ROOT / lock).is_file() for lock in further)
    with_lock = COMPOSE["services"][name]["build"]["args"].get("WITH")
    assert with_lock == (f"${{{name.upper()}_WITH:-}}" if further else None)


@pytest.mark.parametrize(
    ("setting", "folder"), [("LLM_EMBEDDINGS_DIR", "/embeddings"), ("LLM_CONVERSATIONS", "/conversations")]
)
def test_what_is_learnt_and_said_outlives_the_container(setting: str, folder: str) -> None:
    llm = COMPOSE["services"]["llm"]
    kept = Path(llm["environment"][setting])
    assert folder in (str(kept), str(kept.parent))
    volume = next(volume for volume in llm["volumes"] if volume.endswith(f":{folder}"))
    assert volume.split(":")[0] in COMPOSE["volumes"]
    assert re.search(rf"chown vivant: [^\n]*{folder}\b", IMAGES)

"""The file of Docker Compose, as far as it can be read without Docker."""

from __future__ import annotations

import re
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
    assert build["target"] == name or build["args"] == {"SERVICE": name}
    for volume in service["volumes"]:
        source, place, *_ = volume.split(":")
        assert source in COMPOSE["volumes"] or source == "./personas"
        assert re.search(rf"mkdir [^\n]*{place}\b", IMAGES), (
            "a folder that the image does not have belongs to nobody it runs as"
        )


def test_what_is_learnt_of_a_story_outlives_the_container() -> None:
    llm = COMPOSE["services"]["llm"]
    kept = llm["environment"]["LLM_EMBEDDINGS_DIR"]
    volume = next(volume for volume in llm["volumes"] if volume.endswith(f":{kept}"))
    assert volume.split(":")[0] in COMPOSE["volumes"]
    assert re.search(rf"chown vivant: [^\n]*{kept}\b", IMAGES)

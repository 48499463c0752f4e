"""Each container image has the parts of the repository that its program imports."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from environment import ROOT

NAMES = ("asr", "turn", "llm", "tts", "face", "speech", "orchestrator", "gateway")
PROGRAMS = {name: f"services.{name}.__main__" for name in NAMES} | {"models": "models.__main__"}


def copied(image: str) -> list[Path]:
    """What the Dockerfile takes from the repository into this image, itself or by way of `contracts`."""
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    # Without a further lock, the service's own is taken again.
    text = text.replace("${WITH:-${SERVICE}}", image).replace("${SERVICE}", image)
    stages = dict(re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM |\Z)", text, re.DOTALL | re.MULTILINE))
    wanted = ["base", "models"] if image == "models" else ["base", "contracts", "service"]
    lines = re.findall(r"^COPY (?!--from)(\S+) (\S+)$", "".join(stages[name] for name in wanted), re.MULTILINE)
    return list(dict.fromkeys(Path(source) for source, _ in lines))


@pytest.mark.parametrize("image", PROGRAMS)
def test_an_image_has_what_its_program_imports(image: str, tmp_path: Path) -> None:
    for source in copied(image):
        assert (ROOT / source).exists()
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source).symlink_to(ROOT / source)
    env = os.environ | {"PYTHONPATH": f"{tmp_path}:{tmp_path / 'sdk'}"}
    program = f"import {PROGRAMS[image]}, environment; print(environment.ROOT)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(tmp_path), done.stderr


def test_what_an_image_takes_is_not_kept_from_it() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for source in {source for image in PROGRAMS for source in copied(image)}:
        taken = [source, *source.parents, source.parent / f"*{source.suffix}"]
        assert any(f"!{part}" in ignored for part in taken), source

"""The check of the engines for GPUs says so where there is none; what it does on one nobody has seen yet."""

import os
import subprocess
from pathlib import Path

from environment import ROOT


def test_without_a_gpu_it_refuses(tmp_path: Path) -> None:
    absent = tmp_path / "nvidia-smi"
    absent.write_text("#!/bin/sh\nexit 9\n")
    absent.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GPU_CHECK_DEVICE": "cuda"}
    done = subprocess.run([ROOT / "deploy" / "gpu_check.sh"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no NVIDIA GPU" in done.stderr
    assert not done.stdout

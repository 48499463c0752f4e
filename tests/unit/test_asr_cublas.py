"""cuBLAS comes as a Python package, which the system's loader does not search."""

import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

LOOK = """
import ctypes
from services.asr.engines import cublas
cublas.preload()
print([name for name in ("libcublasLt.so.12", "libcublas.so.12") if name in open("/proc/self/maps").read()])
"""


def package(folder: Path) -> None:
    """As pip leaves it; its libraries are small ones that are at hand: a loader does not ask what is in them."""
    (folder / "nvidia_cublas_cu12-12.0.dist-info").mkdir(parents=True)
    (folder / "nvidia_cublas_cu12-12.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: nvidia-cublas-cu12\nVersion: 12.0\n"
    )
    libraries = folder / "nvidia" / "cublas" / "lib"
    libraries.mkdir(parents=True)
    small = next(Path(str(distribution("ctranslate2").locate_file("ctranslate2.libs"))).glob("libgomp*"))
    for name in ("libcublasLt.so.12", "libcublas.so.12"):
        shutil.copy(small, libraries / name)


@pytest.mark.parametrize("installed", [True, False])
def test_its_libraries_are_loaded_from_the_package_if_there_is_one(tmp_path: Path, installed: bool) -> None:
    if installed:
        package(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{LOOK}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(["libcublasLt.so.12", "libcublas.so.12"] if installed else [])

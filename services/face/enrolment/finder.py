"""Runs `landmarks.py` in its own environment, with a deadline."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.logs import get_logger
from services.face.enrolment.checks import Face
from services.face.enrolment.picture import png
from vivant.errors import Internal, Timeout, Unusable

_log = get_logger(__name__)

SCRIPT: Final = Path(__file__).with_name("landmarks.py")


@dataclass(frozen=True)
class Found:
    """What is in a picture."""

    faces: tuple[Face, ...]
    """The largest first."""
    person: NDArray[np.uint8]
    """Mask [H, W], 255 where a person is."""


class Finder:
    """Finds faces with the Python of another environment."""

    def __init__(self, python: Path, timeout_s: float) -> None:
        self._python = python
        self._timeout_s = timeout_s

    async def find(self, image: NDArray[np.uint8]) -> Found:
        """Raises Unusable when the environment is missing, Timeout, or Internal when the script fails."""
        if not self._python.exists():
            raise Unusable(
                f"portraits are enrolled with an environment of its own, and {self._python} is missing; run: make enroll-env "
                "(or set FACE_ENROLL_PYTHON)",
                reason="no_enroll_environment",
            )
        with tempfile.TemporaryDirectory(prefix="vivant-enrol-") as folder:
            picture, mask = Path(folder, "picture.png"), Path(folder, "mask.png")
            await asyncio.to_thread(picture.write_bytes, png(image))
            answer = await self._run(str(picture), str(mask))
            person = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        if person is None or person.shape != image.shape[:2]:
            raise Internal("the landmark program left no usable mask", reason="enrolment_failed")
        return Found(tuple(_face(item) for item in answer["faces"]), np.asarray(person, np.uint8))

    async def _run(self, *arguments: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            self._python, SCRIPT, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                output, errors = await process.communicate()
        except TimeoutError:
            raise Timeout(
                f"finding the landmarks took longer than {self._timeout_s:.0f} s; try again, or set FACE_ENROLL_TIMEOUT_S",
                reason="enrolment_timeout",
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            _log.error("landmarks_failed", status=process.returncode, detail=errors.decode(errors="replace")[-2000:])
            raise Internal("the landmark program failed; the log of the face service says why", reason="enrolment_failed")
        return json.loads(output)


def _face(item: dict[str, Any]) -> Face:
    points, mirrored = (None if item[key] is None else np.array(item[key], np.float64) for key in ("points", "mirrored"))
    left, top, right, bottom = item["box"]
    return Face(float(item["score"]), (left, top, right, bottom), points, mirrored)

"""Runs `landmarks.py` in its own environment, with a deadline."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.logs import get_logger
from services.face.enrolment.checks import Face
from services.face.enrolment.picture import png
from vivant.errors import Internal, Timeout, Unusable

_log = get_logger(__name__)

SCRIPT: Final = Path(__file__).with_name("landmarks.py")
#: The mirror image tells whether it is a human face at all, which does not change within a clip; it costs a third of the time.
MIRRORED_EVERY: Final = 25
#: Four faces with their landmarks, twice.
_LONGEST_LINE: Final = 1024 * 1024


@dataclass(frozen=True)
class Found:
    """What is in a picture."""

    faces: tuple[Face, ...]
    """The largest first."""
    person: NDArray[np.uint8]
    """Mask [H, W], 255 where a person is."""


@dataclass(frozen=True)
class Followed:
    """One picture of a clip, and what is in it."""

    picture: NDArray[np.uint8]
    faces: tuple[Face, ...]
    mirrored: bool
    """Its mirror image was looked at too."""


class Finder:
    """Finds faces with the Python of another environment."""

    def __init__(self, python: Path, timeout_s: float) -> None:
        self._python = python
        self._timeout_s = timeout_s

    async def find(self, image: NDArray[np.uint8]) -> Found:
        """Raises Unusable when the environment is missing, Timeout, or Internal when the script fails."""
        self._require_environment()
        with tempfile.TemporaryDirectory(prefix="vivant-enrol-") as folder:
            picture, mask = Path(folder, "picture.png"), Path(folder, "mask.png")
            await asyncio.to_thread(picture.write_bytes, png(image))
            answer = await self._run(str(picture), str(mask))
            person = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        if person is None or person.shape != image.shape[:2]:
            raise Internal("the landmark program left no usable mask", reason="enrolment_failed")
        return Found(_faces(answer), np.asarray(person, np.uint8))

    async def follow(self, pictures: Iterator[NDArray[np.uint8]]) -> AsyncGenerator[Followed, None]:
        """The faces in each picture RGB [H, W, 3] of a clip, all of one size. Pictures are taken from the iterator in a thread.

        The time limit is for each picture. Raises as `find`, and as the iterator.
        """
        self._require_environment()
        picture = await asyncio.to_thread(next, pictures, None)
        if picture is None:
            return
        height, width = picture.shape[:2]
        index = 0
        async with self._program("--clip", str(width), str(height), str(MIRRORED_EVERY)) as program:
            while picture is not None:
                # One is looked at while the next is decoded.
                answer, following = await asyncio.gather(program.answer(picture), asyncio.to_thread(next, pictures, None))
                yield Followed(picture, _faces(answer), mirrored=index % MIRRORED_EVERY == 0)
                picture, index = following, index + 1

    async def _run(self, *arguments: str) -> Any:
        async with self._program(*arguments) as program:
            return await program.answer()

    def _require_environment(self) -> None:
        if not self._python.exists():
            raise Unusable(
                f"portraits are enrolled with an environment of its own, and {self._python} is missing; run: make enroll-env "
                "(or set FACE_ENROLL_PYTHON)",
                reason="no_enroll_environment",
            )

    @asynccontextmanager
    async def _program(self, *arguments: str) -> AsyncIterator[_Program]:
        """The landmark program, which does not outlive this."""
        pipe = asyncio.subprocess.PIPE
        # Into a file: a pipe that nobody reads would hold the program up once it is full.
        with tempfile.TemporaryFile() as errors:
            process = await asyncio.create_subprocess_exec(
                self._python, SCRIPT, *arguments, stdin=pipe, stdout=pipe, stderr=errors, limit=_LONGEST_LINE
            )
            try:
                yield _Program(process, errors, self._timeout_s)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


class _Program:
    """The landmark program while it runs: one line for each picture."""

    def __init__(self, process: asyncio.subprocess.Process, errors: IO[bytes], timeout_s: float) -> None:
        self._process, self._errors, self._timeout_s = process, errors, timeout_s

    async def answer(self, picture: NDArray[np.uint8] | None = None) -> Any:
        """Its next line, after it was given a picture if there is one. Raises Timeout, Internal."""
        assert self._process.stdin and self._process.stdout
        if picture is not None:
            self._process.stdin.write(picture.tobytes())
        try:
            async with asyncio.timeout(self._timeout_s):
                line = await self._process.stdout.readline()
                if line:
                    return json.loads(line)
                status = await self._process.wait()
        except TimeoutError:
            raise Timeout(
                f"finding the landmarks took longer than {self._timeout_s:.0f} s; try again, or set FACE_ENROLL_TIMEOUT_S",
                reason="enrolment_timeout",
            ) from None
        self._errors.seek(0)
        _log.error("landmarks_failed", status=status, detail=self._errors.read().decode(errors="replace")[-2000:])
        raise Internal("the landmark program failed; the log of the face service says why", reason="enrolment_failed")


def _faces(answer: dict[str, Any]) -> tuple[Face, ...]:
    return tuple(_face(item) for item in answer["faces"])


def _face(item: dict[str, Any]) -> Face:
    points, mirrored = (None if item[key] is None else np.array(item[key], np.float64) for key in ("points", "mirrored"))
    left, top, right, bottom = item["box"]
    return Face(float(item["score"]), (left, top, right, bottom), points, mirrored)

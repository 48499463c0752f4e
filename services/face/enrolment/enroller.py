"""Enrolment from the picture to the preview, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from services.face.engine import FaceEngine
from services.face.enrolment import checks, folder
from services.face.enrolment.clip import making
from services.face.enrolment.finder import Finder
from services.face.enrolment.picture import cut, open_picture, png
from services.face.enrolment.preview import preview
from vivant.errors import Full, Unusable, VivantError


@dataclass(frozen=True)
class Step:
    """What is being done now, and how much is behind us (0..1)."""

    done: float
    name: str


@dataclass(frozen=True)
class Enrolled:
    """The portrait can be animated."""

    preview: bytes
    """PNG."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class EnrolledClip:
    """There is a base clip."""

    preview: bytes
    """PNG."""
    warnings: tuple[str, ...]
    report: tuple[str, ...]
    """What was measured, a line each."""


class Enroller:
    """Makes portraits and clips ready, one at a time."""

    def __init__(self, engine: FaceEngine, finder: Finder, personas_dir: Path) -> None:
        self._engine = engine
        self._finder = finder
        self._personas = personas_dir
        self._one_at_a_time = asyncio.Lock()

    async def enrol(self, persona: str, image: bytes) -> AsyncGenerator[Step | Enrolled, None]:
        """Steps, then `Enrolled`. `persona` is a checked folder name; empty `image`: the portrait already in the folder.

        Raises Unusable with the rule that the picture breaks, and then leaves the folder as it was; Full while another portrait
        is being enrolled.
        """
        home = self.require_allowed(persona)
        async with self._one_at_a_time:
            yield Step(0.0, "opening the picture")
            data = image or folder.present(home)
            picture = await asyncio.to_thread(open_picture, data)
            yield Step(0.1, "finding the face")
            found = await self._finder.find(picture)
            height, width = picture.shape[:2]
            points = checks.choose(found.faces, width, height)
            warnings = checks.require_pose(points) + checks.require_sharp(picture, points)
            square = await asyncio.to_thread(cut, picture, points)
            if square is not picture:
                yield Step(0.5, "finding the landmarks")
                picture, found = square, await self._finder.find(square)
                points = checks.choose(found.faces, *reversed(picture.shape[:2]))
            yield Step(0.8, "trying it out")
            kept = not image and square is picture and data.startswith(b"\x89PNG")
            portrait = data if kept else await asyncio.to_thread(png, picture)
            shown = await self._commit(home, folder.results(portrait, points, found.person))
            yield Enrolled(shown, tuple(warnings))

    async def enrol_clip(self, persona: str, data: bytes) -> AsyncGenerator[Step | EnrolledClip, None]:
        """Steps, then `EnrolledClip`. Raises Unusable with the rule that the video breaks, and leaves the folder; Full."""
        home = self.require_allowed(persona)
        async with self._one_at_a_time:
            async with aclosing(making.make(data, self._finder)) as steps:
                async for step in steps:
                    if isinstance(step, making.Made):
                        await asyncio.to_thread(folder.replace, home, step.files)
                        yield EnrolledClip(step.preview, step.warnings, step.report)
                    else:
                        yield Step(step, "finding the face" if step < making.FOUND else "making the loop")

    def require_allowed(self, persona: str) -> Path:
        """The persona's folder; raises as `folder.require_consent`, and Full while somebody else is being enrolled."""
        if self._one_at_a_time.locked():
            raise Full("another portrait is being enrolled; try again in a few seconds", reason="full")
        home = self._personas / persona
        folder.require_consent(home)
        return home

    async def _commit(self, home: Path, files: dict[str, bytes]) -> bytes:
        """Puts the files in place and returns the preview as PNG; puts the old ones back when the engine cannot use the new."""
        before = await asyncio.to_thread(folder.snapshot, home)
        await asyncio.to_thread(folder.replace, home, files)
        try:
            return png(await asyncio.to_thread(preview, self._engine, home.name))
        except VivantError as exc:
            await asyncio.to_thread(folder.replace, home, before)
            raise Unusable(f"the face engine cannot use this portrait: {exc.message}", reason=exc.reason) from exc

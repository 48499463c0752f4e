"""`vivant enroll`: a persona's folder is checked, its life story learnt, its portrait or its base clip made ready."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from vivant import enrolment
from vivant._part import require_writable, save
from vivant.cli import screen
from vivant.errors import Internal, VivantError

Result = TypeVar("Result", enrolment.Enrolled, enrolment.EnrolledClip)


async def run_enroll(
    persona: str, portrait: Path | None, video: Path | None, output: Path | None, addresses: Mapping[str, str]
) -> int:
    """Prints what was found; the status is 0 if folder and portrait, or clip, can both be used."""
    console = screen.console()
    image = enrolment.read_portrait(portrait) if portrait else b""
    clip = enrolment.read_clip(video) if video else b""
    if output is not None:
        require_writable(output)
    folder_is_fine = await _check_folder(console, persona, addresses)
    if clip:
        preview = await _clip(console, persona, clip, addresses["face"])
    else:
        preview = await _portrait(console, persona, image, addresses["face"])
    if output is not None:
        save(output, preview)
        console.print(f"Look at the preview: {output}", markup=False)
    if folder_is_fine:
        console.print(f"Talk to {persona}: vivant chat --persona {persona}", markup=False)
    return 0 if folder_is_fine else 1


async def _portrait(console: Console, persona: str, image: bytes, address: str) -> bytes:
    enrolled = await _last(console, "portrait", enrolment.enroll_portrait(persona, image, address=address), address)
    _warn(console, enrolled.warnings)
    console.print(f"The portrait of {enrolled.persona} is ready.", style="green", markup=False)
    return enrolled.preview


async def _clip(console: Console, persona: str, clip: bytes, address: str) -> bytes:
    enrolled = await _last(console, "video", enrolment.enroll_clip(persona, clip, address=address), address)
    for line in enrolled.report:
        console.print(line, markup=False, highlight=False)
    _warn(console, enrolled.warnings)
    console.print(f"The base clip of {enrolled.persona} is ready, for FACE_ENGINE=wav2lip.", style="green", markup=False)
    return enrolled.preview


def _warn(console: Console, warnings: Sequence[str]) -> None:
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)


async def _check_folder(console: Console, persona: str, addresses: Mapping[str, str]) -> bool:
    """The portrait is worth enrolling even while the rest of the folder is not finished, so a refusal does not stop here."""
    try:
        found = await enrolment.get_persona(persona, address=addresses["llm"])
        await _learn(console, persona, addresses["llm"])
    except VivantError as exc:
        console.print(f"The folder of {persona} cannot be used yet: {exc.message}", style="red", markup=False)
        return False
    console.print(f"{found.name}: {found.description}".rstrip(": "), style="bold", markup=False)
    console.print(f"The life story has {found.passages} passages, and all can be recalled.", markup=False)
    asked = {name: address for name, address in addresses.items() if name != "face"}
    problems, silent = await enrolment.check_engines(found, asked)
    for problem in problems:
        console.print(f"{found.name} cannot talk here: {problem}", style="red", markup=False)
    if silent:
        note = f"Not checked, because it does not answer: {', '.join(silent)} (languages, voice)."
        console.print(note, style="yellow", markup=False)
    return not problems


async def _learn(console: Console, persona: str, address: str) -> None:
    with _progress(console) as progress:
        bar = progress.add_task("learning the life story", total=1.0)
        async for item in enrolment.prepare_persona(persona, address=address):
            if isinstance(item, enrolment.Progress):
                progress.update(bar, completed=item.done, description=item.step)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


async def _last(
    console: Console,
    what: str,
    steps: AsyncIterator[enrolment.Progress | Result],
    address: str,
) -> Result:
    """Shows the progress and returns what comes after it."""
    with _progress(console) as progress:
        bar = progress.add_task(what, total=1.0)
        async for item in steps:
            if not isinstance(item, enrolment.Progress):
                return item
            progress.update(bar, completed=item.done, description=item.step)
    raise Internal(f"{address} ended the enrolment without a result; see the log of the face service", reason="bad_grammar")

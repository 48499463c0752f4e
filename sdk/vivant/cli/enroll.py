"""`vivant enroll`: a persona's folder is checked, its portrait made ready."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from vivant import enrolment
from vivant._part import require_writable, save
from vivant.cli import screen
from vivant.errors import Internal, VivantError


async def run_enroll(persona: str, portrait: Path | None, output: Path | None, *, face_address: str, llm_address: str) -> int:
    """Prints what was found; the status is 0 if folder and portrait can both be used."""
    console = screen.console()
    image = enrolment.read_portrait(portrait) if portrait else b""
    if output is not None:
        require_writable(output)
    folder_is_fine = await _check_folder(console, persona, llm_address)
    enrolled = await _enroll(console, persona, image, face_address)
    for warning in enrolled.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    console.print(f"The portrait of {enrolled.persona} is ready.", style="green", markup=False)
    if output is not None:
        save(output, enrolled.preview)
        console.print(f"Look at the preview: {output}", markup=False)
    if folder_is_fine:
        console.print(f"Talk to {persona}: vivant chat --persona {persona}", markup=False)
    return 0 if folder_is_fine else 1


async def _check_folder(console: Console, persona: str, address: str) -> bool:
    """The portrait is worth enrolling even while the rest of the folder is not finished, so a refusal does not stop here."""
    try:
        found = await enrolment.get_persona(persona, address=address)
    except VivantError as exc:
        console.print(f"The folder of {persona} cannot be used yet: {exc.message}", style="red", markup=False)
        return False
    console.print(f"{found.name}: {found.description}".rstrip(": "), style="bold", markup=False)
    console.print(f"The life story has {found.passages} passages that can be recalled.", markup=False)
    return True


async def _enroll(console: Console, persona: str, image: bytes, address: str) -> enrolment.Enrolled:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("portrait", total=1.0)
        async for item in enrolment.enroll_portrait(persona, image, address=address):
            if isinstance(item, enrolment.Enrolled):
                return item
            progress.update(bar, completed=item.done, description=item.step)
    raise Internal(f"{address} ended the enrolment without a result; see the log of the face service", reason="bad_grammar")

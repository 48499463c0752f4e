"""How things look in the terminal."""

from __future__ import annotations

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vivant.events import Metrics, Notice, Ready, Severity
from vivant.info import Component, SystemInfo

_NOTICE_STYLE = {Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}
_BAR_WIDTH = 40


def console() -> Console:
    """Standard output; styles only where it is a terminal."""
    return Console(highlight=False, soft_wrap=True)


def errors() -> Console:
    """Standard error, for what is no result: failures, and what is waited for."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def failure(message: str) -> None:
    """Says on standard error what went wrong, in one line."""
    errors().print(f"vivant: {printable(message)}", style="red", markup=False)


def warning(message: str) -> None:
    """Says on standard error what is not as it should be, in one line."""
    errors().print(printable(message), style="yellow", markup=False)


def printable(text: str) -> str:
    """On one line, and without what would do something to the terminal: file names may hold anything."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def opening(ready: Ready) -> RenderableType:
    """Who is there, and the disclosure that everyone must see."""
    lines = [Text(f"{ready.persona.name}: {ready.persona.description}".rstrip(": "), style="bold")]
    lines.append(Text(ready.persona.disclosure, style="italic"))
    if ready.missing:
        lines.append(Text(f"Not available at the moment: {', '.join(ready.missing)}.", style="yellow"))
    return Group(*lines)


def notice(item: Notice) -> Text:
    """One line, in the colour of its severity."""
    return Text(f"{item.severity.value}: {item.message} ({item.reason})", style=_NOTICE_STYLE[item.severity])


def stages(metrics: Metrics) -> Table:
    """Where the time of a reply went: each stage as a bar from the one before it."""
    table = Table(title="Where the time went, from the end of the question", title_justify="left", box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("at", justify="right")
    table.add_column("took", justify="right")
    table.add_column("", width=_BAR_WIDTH)
    end = max((stage.at_ms for stage in metrics.stages), default=0.0)
    before = 0.0
    for stage in metrics.stages:
        at = max(stage.at_ms, before)
        bar = Bar(size=max(end, 1.0), begin=before, end=at, width=_BAR_WIDTH, color="cyan")
        table.add_row(stage.name.replace("_", " "), f"{stage.at_ms:.0f} ms", f"{at - before:.0f} ms", bar)
        before = at
    return table


def components(items: tuple[Component, ...] | list[Component]) -> Table:
    """Services and engines."""
    table = Table(title="Services", title_justify="left")
    for name in ("service", "engine", "version", "state", "sessions", "address"):
        table.add_column(name, overflow="fold")
    for item in items:
        info = item.info
        state = Text("ready", style="green") if item.ready else Text("not ready", style="red")
        table.add_row(
            item.service,
            info.engine if info else "?",
            info.version if info else "?",
            state,
            f"{info.active}/{info.capacity}" if info else "?",
            item.address,
        )
    return table


def models(items: tuple[Component, ...] | list[Component]) -> RenderableType | None:
    """Models with their licences, and the notices that must be shown; None: no models."""
    table = Table(title="Models", title_justify="left")
    for name in ("service", "model", "licence"):
        table.add_column(name, overflow="fold")
    notices = []
    for item in items:
        for model in item.info.models if item.info else ():
            table.add_row(item.service, model.name, model.licence)
            if model.notice:
                notices.append(Text(f"{model.name}: {model.notice}"))
    return Group(table, *notices) if table.row_count else None


def personas(system: SystemInfo) -> Table:
    """Who can be talked to."""
    table = Table(title="Personas", title_justify="left")
    for name in ("id", "name", "who"):
        table.add_column(name, overflow="fold")
    unseen = {item.persona_id: f"\nnot seen: {item.message}" for item in system.unseen}
    for persona in system.personas:
        name = f"{persona.name} (by default)" if persona.id == system.default_persona_id else persona.name
        table.add_row(persona.id, name, persona.description + unseen.get(persona.id, ""))
    return table

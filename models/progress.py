"""Shows on the terminal how far each model is; without a terminal, one line for each that is ready."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from models.manifest import Model


class Display:
    """The `models.fetch.Progress` of the command line, as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def expected(self, model: Model, count: int) -> None:
        with self._lock:
            self._totals[model.id] = self._totals.get(model.id, 0) + count
            self._bars.update(self._task(model), total=self._totals[model.id])

    def advanced(self, model: Model, count: int) -> None:
        with self._lock:
            self._bars.advance(self._task(model), count)

    def finished(self, model: Model) -> None:
        with self._lock:
            self._bars.update(self._task(model), visible=False)
            self._console.print(f"  ready  [bold]{model.id}[/]  {model.title}  ({model.licence})", highlight=False)
            if model.notice:
                self._console.print(f"         {model.notice}", highlight=False, style="dim")

    def _task(self, model: Model) -> TaskID:
        if model.id not in self._tasks:
            self._tasks[model.id] = self._bars.add_task(model.id, total=None)
        return self._tasks[model.id]

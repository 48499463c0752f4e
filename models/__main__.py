"""`python -m models`: fetch, list and verify model files."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import environment
from environment import WrongSetting
from models import endpoints, local, manifest
from models.errors import FetchError
from models.fetch import Fetcher
from models.manifest import Model
from models.progress import Display
from models.sources import Sources
from models.store import Store


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = _parser().parse_args(arguments)
    out, err = Console(), Console(stderr=True)
    try:
        # Also what is only in .env: an index, a token, a proxy.
        os.environ.update(environment.read())
        models = manifest.load()
        store = Store(args.models_dir or environment.models_dir(os.environ))
        status: int = args.command(args, models, store, out)
        return status
    except FetchError as exc:
        err.print(f"[bold red]models:[/] {escape(str(exc))}", highlight=False, soft_wrap=True)
        return 1
    except WrongSetting as exc:
        err.print(f"[bold red]models:[/] {escape(str(exc))}", highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        err.print("models: stopped; run it again and it continues where it was")
        return 130


def fetch(args: argparse.Namespace, models: Sequence[Model], store: Store, out: Console) -> int:
    """Brings the chosen models into the store."""
    chosen = _pinned(manifest.select(models, args.ids, everything=args.all), args.sha256)
    problems = [problem for model in chosen for problem in store.problems(model, thorough=args.verify)]
    for problem in problems:
        if problem.what != "is missing":
            out.print(
                f"{problem.model.id}/{problem.file.path} {problem.what}; fetching it again", highlight=False, soft_wrap=True
            )
    if problems:
        with Display(out) as display:
            if args.source:
                local.take(store, problems, args.source, display)
            else:
                with endpoints.open_client() as client:
                    Fetcher(store, Sources(client, hub=args.hub, hub_token=os.environ.get("HF_TOKEN")), display).fetch(problems)
    out.print(f"{len(chosen)} models are ready in {store.folder}", highlight=False)
    return 0


def verify(args: argparse.Namespace, models: Sequence[Model], store: Store, out: Console) -> int:
    """Hashes every file again; status 1 when one is missing or differs."""
    problems = [
        problem
        for model in manifest.select(models, args.ids, everything=args.all)
        for problem in store.problems(model, thorough=True)
    ]
    for problem in problems:
        out.print(f"{problem.model.id}/{problem.file.path} {problem.what}", highlight=False, soft_wrap=True)
    out.print(
        "Fetch what differs or is missing with: python -m models fetch" if problems else "Every file is as the manifest says."
    )
    return 1 if problems else 0


def show(_: argparse.Namespace, models: Sequence[Model], store: Store, out: Console) -> int:
    """A table of all models with their licences, whether they are here, and their notices."""
    table = Table(box=None, header_style="bold")
    for heading in ("model", "for", "MB", "here", "licence", "what"):
        table.add_column(heading, justify="right" if heading == "MB" else "left", no_wrap=heading == "model")
    for model in models:
        here = "yes" if not any(store.problems(model)) else "by default" if model.default else "on request"
        size = f"{model.size / 1e6:,.0f}" if model.size else "?"
        table.add_row(model.id, model.role, size, here, model.licence, model.title)
    out.print(table)
    for model in models:
        if model.notice:
            out.print(f"{model.id}: {model.notice}", style="dim", highlight=False)
    return 0


def _pinned(models: Iterable[Model], pins: Sequence[str]) -> list[Model]:
    """The models with the user's own hashes; raises FetchError for one that is malformed or names no file."""
    wanted: dict[str, str] = {}
    for pin in pins:
        name, _, sha256 = pin.partition("=")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
            raise FetchError(f"--sha256 {pin}: expected <model>/<file>=<64 hex digits>")
        wanted[name] = sha256.lower()
    made = []
    for model in models:
        files = tuple(
            dataclasses.replace(file, sha256=wanted.pop(f"{model.id}/{file.path}", file.sha256)) for file in model.files
        )
        made.append(dataclasses.replace(model, files=files))
    if wanted:
        raise FetchError(f"--sha256: no such file among the models to fetch: {', '.join(wanted)}")
    return made


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models", description="Fetch, list and verify model files.")
    parser.add_argument("--models-dir", type=Path, help="folder of the model files (default: VIVANT_MODELS_DIR)")
    commands = parser.add_subparsers(required=True, metavar="command")
    getting = commands.add_parser("fetch", help="fetch models; without ids, those that the CPU default needs")
    getting.add_argument("--from", dest="source", type=Path, metavar="DIR", help="take them from a folder, not the network")
    getting.add_argument("--hub", metavar="URL", help="address of the model hub (default: HF_ENDPOINT)")
    getting.add_argument("--sha256", action="append", default=[], metavar="MODEL/FILE=HEX", help="pin a file yourself")
    getting.add_argument("--verify", action="store_true", help="hash the files that are here again")
    getting.set_defaults(command=fetch)
    checking = commands.add_parser("verify", help="hash the files again and say what differs")
    checking.set_defaults(command=verify)
    for command in (getting, checking):
        command.add_argument(
            "ids", nargs="*", metavar="model", help=f"an id, or {manifest.DEFAULT}: what the CPU default needs"
        )
        command.add_argument("--all", action="store_true", help="every model of the manifest")
    commands.add_parser("list", help="show all models, their licences, and which are here").set_defaults(command=show)
    return parser


if __name__ == "__main__":
    sys.exit(main())

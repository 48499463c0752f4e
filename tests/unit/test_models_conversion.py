"""Weights that are converted when they are fetched: what is read of them, what the networks compute, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
import sys
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from models import local
from models.conversion import convert, ge2e
from models.conversion.torch_file import read_tensors
from models.errors import FetchError
from models.manifest import Archive, Model, ModelFile, Piece
from models.store import Store
from tests.harness.model_files import Count

Array = NDArray[np.float32]
MAGIC = 0x1950A86A20F9469CFC6C
TABLE = "embeddings.word_embeddings.weight"


# --- checkpoints of PyTorch ---------------------------------------------------------------------------------------------


class Storage:
    """What PyTorch names in place of the numbers of a tensor."""

    def __init__(self, key: str) -> None:
        self.key = key


class Tensor:
    def __init__(self, key: str, values: Array, offset: int, stride: tuple[int, ...]) -> None:
        self.made_of = (Storage(key), offset, values.shape, stride, False, OrderedDict())

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.made_of


class Objects(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Storage):
            return "storage", sys.modules["torch"].FloatStorage, obj.key, "cpu", 100, None
        return None


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that a checkpoint has from PyTorch."""

    def _rebuild_tensor_v2() -> None: ...

    class FloatStorage: ...

    top, utils = ModuleType("torch"), ModuleType("torch._utils")
    for module, named in ((top, FloatStorage), (utils, _rebuild_tensor_v2)):
        named.__module__, named.__qualname__ = module.__name__, named.__name__
        setattr(module, named.__name__, named)
        monkeypatch.setitem(sys.modules, module.__name__, module)


def checkpoint(path: Path, tensors: dict[str, Array], *, transposed: bool = False) -> Path:
    keys = {name: str(number) for number, name in enumerate(tensors)}
    state = OrderedDict()
    for name, values in tensors.items():
        stride = tuple(step // 4 for step in values.strides)
        state[name] = Tensor(keys[name], values, 1, stride[::-1] if transposed else stride)
    with path.open("wb") as file:
        for part in (MAGIC, 1001, {"little_endian": True}):
            pickle.dump(part, file, 2)
        Objects(file, 2).dump({"step": 5, "model_state": state})
        pickle.dump(list(keys.values()), file, 2)
        for values in tensors.values():
            # The tensor begins at the second number of its storage.
            file.write((values.size + 1).to_bytes(8, "little") + bytes(4) + values.tobytes())
    return path


@pytest.mark.usefixtures("torch")
def test_the_tensors_of_a_checkpoint_are_read_as_they_are(tmp_path: Path) -> None:
    written = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float32)}
    found = read_tensors(checkpoint(tmp_path / "x.pt", written), "model_state")
    assert found.keys() == written.keys()
    for name, values in written.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.usefixtures("torch")
def test_a_checkpoint_that_is_cut_short_or_stored_otherwise_is_refused(tmp_path: Path) -> None:
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}
    path = checkpoint(tmp_path / "x.pt", values)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FetchError, match="cut short"):
        read_tensors(path, "model_state")
    with pytest.raises(FetchError, match="not stored row by row"):
        read_tensors(checkpoint(tmp_path / "x.pt", values, transposed=True), "model_state")


def test_a_checkpoint_that_wants_to_run_something_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return print, ("this must not be printed",)

    path = tmp_path / "evil.pt"
    with path.open("wb") as file:
        for part in (MAGIC, 1001, {"little_endian": True}, Evil(), []):
            pickle.dump(part, file, 2)
    with pytest.raises(FetchError, match="has no place in a file of tensors"):
        read_tensors(path, "model_state")


# --- what the networks compute ------------------------------------------------------------------------------------------


def lstm(frames: Array, weights: dict[str, Array], layer: int) -> Array:
    """PyTorch's LSTM, `[frames, in]` to `[frames, 256]`, one frame after the other."""
    hidden, cell, outputs = np.zeros(256, np.float32), np.zeros(256, np.float32), []
    for frame in frames:
        gates = weights[f"lstm.weight_ih_l{layer}"] @ frame + weights[f"lstm.weight_hh_l{layer}"] @ hidden
        gates += weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        entry, forget, new, out = np.split(gates, 4)
        cell = cell / (1 + np.exp(-forget)) + np.tanh(new) / (1 + np.exp(-entry))
        hidden = np.tanh(cell) / (1 + np.exp(-out))
        outputs.append(hidden)
    return np.array(outputs)


@pytest.mark.usefixtures("torch")
def test_the_speaker_encoder_is_three_layers_and_a_linear_one(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (256, 256), "linear.bias": (256,)}
    for layer in range(3):
        shapes |= {f"lstm.weight_ih_l{layer}": (1024, 256 if layer else 40), f"lstm.weight_hh_l{layer}": (1024, 256)}
        shapes |= {f"lstm.bias_{kind}_l{layer}": (1024,) for kind in ("ih", "hh")}
    weights = {name: (chance.standard_normal(shape) * 0.1).astype(np.float32) for name, shape in shapes.items()}
    session = onnxruntime.InferenceSession(ge2e.model(checkpoint(tmp_path / "x.pt", weights)))
    mels = chance.random((2, 7, 40), np.float32)
    for piece, found in zip(mels, session.run(["prints"], {"mels": mels})[0], strict=True):
        hidden = piece
        for layer in range(3):
            hidden = lstm(hidden, weights, layer)
        expected = np.maximum(weights["linear.weight"] @ hidden[-1] + weights["linear.bias"], 0)
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


# --- as a part of fetching ----------------------------------------------------------------------------------------------


def published(folder: Path, weights: bytes, file: bytes) -> Model:
    """A model whose table of word pieces is made of `weights`; the manifest pins `file`."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "some_model-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("weights", weights)
    pieces = (Piece(Archive("wheel", "some-model", "1.0"), "weights"),)
    made = ModelFile("pieces.npy", pieces, len(file), hashlib.sha256(file).hexdigest(), convert="minilm-pieces")
    return Model("m", "llm", "A model", "MIT", "https://licence.example", (made,))


def test_what_is_pinned_is_the_file_that_is_made(tmp_path: Path) -> None:
    table, weights, made = np.ones((5, 384), np.float32), tmp_path / "weights", BytesIO()
    save_file({TABLE: table}, weights)
    np.save(made, table)
    store, model = Store(tmp_path / "models"), published(tmp_path / "usb", weights.read_bytes(), made.getvalue())
    local.take(store, store.problems(model), tmp_path / "usb", Count())
    assert list(store.problems(model, thorough=True)) == []
    np.testing.assert_array_equal(np.load(store.path(model, model.files[0])), table)


@pytest.mark.parametrize("names", [[], ["other"]])
def test_weights_of_something_else_are_refused(tmp_path: Path, names: list[str]) -> None:
    weights = tmp_path / "weights"
    save_file({name: np.ones(3, np.float32) for name in names}, weights)
    content = weights.read_bytes() if names else b"no weights"
    store, model = Store(tmp_path / "models"), published(tmp_path / "usb", content, b"file")
    with pytest.raises(FetchError, match="does not hold the weights of all-MiniLM-L6-v2"):
        local.take(store, store.problems(model), tmp_path / "usb", Count())
    assert list((store.folder / "m").iterdir()) == []
    with pytest.raises(FetchError, match="does not hold the weights of all-MiniLM-L6-v2"):
        convert("minilm", weights)

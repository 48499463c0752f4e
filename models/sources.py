"""Asks a package index, an npm registry or a model hub where one file is, how large, and what it hashes to."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote, urljoin

import httpx

from models import endpoints
from models.download import Digest, Request, explain
from models.errors import FetchError
from models.manifest import Archive, HubFile

#: The index's JSON form (PEP 691), else its HTML form (PEP 503), which older mirrors speak.
_SIMPLE: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_REDIRECTS: Final = 5


@dataclass
class Sources:
    """The three kinds of source. An address that is not given is found when first needed; see `models.endpoints`."""

    client: httpx.Client
    index: str | None = None
    npm: str | None = None
    hub: str | None = None
    hub_token: str | None = None

    def archive(self, archive: Archive) -> Request:
        """Where the package file is; raises FetchError when the registry does not have it."""
        return self._npm_tarball(archive) if archive.kind == "npm" else self._wheel(archive)

    def hub_file(self, wanted: HubFile, sha256: str | None) -> Request:
        """Where the hub's file is. The pin is `sha256`, else the hash that the hub states; without either it is refused."""
        url = f"{self._hub.rstrip('/')}/{wanted.repo}/resolve/{quote(wanted.revision)}/{quote(wanted.file)}"
        headers = {"Authorization": f"Bearer {self.hub_token}"} if self.hub_token else {}
        stated = self._head(url, headers)
        digest = Digest("sha256", sha256) if sha256 else _stated_digest(stated)
        if digest is None:
            raise FetchError(
                f"{wanted.repo}/{wanted.file}: neither the manifest nor the hub says what it hashes to; "
                "give the hash with --sha256 <model>/<file>=<hex>"
            )
        size = stated.get("X-Linked-Size") or stated.get("Content-Length")
        return Request(url, digest, int(size) if size else None, headers)

    @cached_property
    def _index(self) -> str:
        return self.index or endpoints.package_index()

    @cached_property
    def _npm(self) -> str:
        return self.npm or endpoints.npm_registry()

    @cached_property
    def _hub(self) -> str:
        return self.hub or endpoints.model_hub()

    def _wheel(self, archive: Archive) -> Request:
        page = httpx.URL(f"{self._index.rstrip('/')}/{archive.package}/")
        response = self._get(str(page), {"Accept": _SIMPLE})
        files = _index_files(response)
        stem = f"{re.sub(r'[-_.]+', '_', archive.package)}-{archive.version}-".lower()
        for name, url, sha256, size in files:
            if name.lower().startswith(stem) and name.endswith("-none-any.whl"):
                place = urljoin(str(response.url), url)
                # An index behind a password keeps its files behind the same one; its page links to them without it.
                same_host = httpx.URL(place).host == page.host and page.userinfo
                auth = httpx.BasicAuth(page.username, page.password) if same_host else None
                return Request(place, Digest("sha256", sha256) if sha256 else None, size, auth=auth)
        raise FetchError(f"{archive.package} {archive.version}: the package index has no such wheel")

    def _npm_tarball(self, archive: Archive) -> Request:
        url = f"{self._npm.rstrip('/')}/{quote(archive.package, safe='@')}"
        versions: dict[str, Any] = self._get(url, {"Accept": "application/vnd.npm.install-v1+json"}).json()["versions"]
        if archive.version not in versions:
            raise FetchError(f"{archive.package} {archive.version}: the npm registry has no such version")
        dist = versions[archive.version]["dist"]
        algorithm, _, encoded = dist.get("integrity", "").partition("-")
        digest = Digest("sha512", base64.b64decode(encoded).hex()) if algorithm == "sha512" else None
        return Request(dist["tarball"], digest)

    def _get(self, url: str, headers: dict[str, str]) -> httpx.Response:
        try:
            return self.client.get(url, headers=headers).raise_for_status()
        except httpx.HTTPError as exc:
            raise FetchError(explain(exc, url)) from exc

    def _head(self, url: str, headers: dict[str, str]) -> httpx.Headers:
        """The hub's own headers. It redirects to a store on another host, whose headers would tell something else."""
        headers = {"Accept-Encoding": "identity", **headers}
        place = url
        for _ in range(_REDIRECTS):
            try:
                response = self.client.head(place, headers=headers, follow_redirects=False)
                if not response.is_redirect:
                    return response.raise_for_status().headers
            except httpx.HTTPError as exc:
                raise FetchError(explain(exc, place)) from exc
            following = urljoin(place, response.headers["Location"])
            if "X-Linked-ETag" in response.headers or httpx.URL(following).host != httpx.URL(place).host:
                return response.headers
            place = following
        raise FetchError(f"{url}: the hub redirects in a circle")


def _stated_digest(headers: httpx.Headers) -> Digest | None:
    tag = (headers.get("X-Linked-ETag") or headers.get("ETag") or "").removeprefix("W/").strip('"')
    if _SHA256.fullmatch(tag):
        return Digest("sha256", tag)
    return Digest("git-blob", tag) if _GIT_SHA1.fullmatch(tag) else None


def _index_files(response: httpx.Response) -> list[tuple[str, str, str | None, int | None]]:
    """Name, address, SHA-256 and size of each file on a project's page."""
    if "json" in response.headers.get("Content-Type", ""):
        files = response.json()["files"]
        return [(file["filename"], file["url"], file["hashes"].get("sha256"), file.get("size")) for file in files]
    links = _Links()
    links.feed(response.text)
    return [_from_link(link) for link in links.found]


def _from_link(link: str) -> tuple[str, str, str | None, int | None]:
    url, _, fragment = link.partition("#")
    sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
    return httpx.URL(url).path.rsplit("/", 1)[-1], url, sha256, None


class _Links(HTMLParser):
    """Collects the links of a PEP 503 page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]

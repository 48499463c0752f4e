"""How a server of NVIDIA's is reached; the same for all kinds of them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from services.common.settings import Address, Frozen


class ServerOptions(Frozen):
    """Subclasses set `env_prefix`, `kind` and the default of `licence`."""

    kind: ClassVar[str]
    """What it is called in messages: "Riva server"."""

    address: Address | None = None
    """host:port of the server, your own or a hosted one (grpc.nvcf.nvidia.com:443)."""
    use_ssl: bool = False
    """Encrypt the connection; hosted servers want it."""
    ca_file: Path | None = None
    """PEM file of the authorities that are trusted instead of the usual ones, for a certificate of your own."""
    api_key: SecretStr | None = None
    """Sent as a bearer token."""
    function_id: SecretStr | None = None
    """Which function of a hosted server is asked, sent as `function-id`."""
    licence: str
    """The licence of the server's models, shown by `vivant info`."""
    timeout_s: float = Field(default=5.0, gt=0)
    """How long the server may leave what it owes: to take audio, or to answer it."""
    load_timeout_s: float = Field(default=600.0, gt=0)
    """How long to wait at start for a server that is not there yet."""

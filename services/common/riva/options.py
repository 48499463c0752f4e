"""How a Riva server is reached; the same for its recognition and its voices, which may be two servers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from services.common.settings import Address, Frozen


class ServerOptions(Frozen):
    """Subclasses set `env_prefix`."""

    address: Address | None = None
    """host:port of the Riva server, your own (riva:50051) or a hosted one (grpc.nvcf.nvidia.com:443)."""
    use_ssl: bool = False
    """Encrypt the connection; hosted servers want it."""
    ca_file: Path | None = None
    """PEM file of the authorities that are trusted instead of the usual ones, for a certificate of your own."""
    api_key: SecretStr | None = None
    """Sent as a bearer token."""
    function_id: SecretStr | None = None
    """Which function of a hosted server is asked, sent as `function-id`."""
    language: str = "en-US"
    """BCP 47, one of those that the server lists: the language where none is named."""
    licence: str = "NVIDIA Riva licence (see the server)"
    """The licence of the server's models, shown by `vivant info`."""
    timeout_s: float = Field(default=5.0, gt=0)
    """How long the server may leave what it owes: to take audio, to give the final words, or the next piece of sound."""
    load_timeout_s: float = Field(default=600.0, gt=0)
    """How long to wait at start for a server that is not there yet."""

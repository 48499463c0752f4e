"""What a Riva server is set with; the same for its recognition and its voices, which may be two servers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from services.common.nvidia import options
from services.common.settings import Address


class ServerOptions(options.ServerOptions):
    """Subclasses set `env_prefix`."""

    kind: ClassVar[str] = "Riva server"

    address: Address | None = None
    """host:port of the Riva server, your own (riva:50051) or a hosted one (grpc.nvcf.nvidia.com:443)."""
    licence: str = "NVIDIA Riva licence (see the server)"
    """The licence of the server's models, shown by `vivant info`."""
    timeout_s: float = Field(default=5.0, gt=0)
    """How long the server may leave what it owes: to take audio, to give the final words, or the next piece of sound."""
    language: str = "en-US"
    """BCP 47, one of those that the server lists: the language where none is named."""

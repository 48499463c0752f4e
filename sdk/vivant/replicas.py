"""Several servers behind one address: calls go to them in turn, and where one has no place, another may have one."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Final

#: Addresses that may stand for several servers: a name that has many, or a list of them.
_SEVERAL: Final = ("dns", "ipv4", "ipv6")
#: gRPC's own default is to stay with the first server that answers.
ROUND_ROBIN: Final = ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}))


def may_be_several(target: str) -> bool:
    """Whether an address in gRPC's own words may stand for more than one server."""
    return target.partition(":")[0] in _SEVERAL


async def count(target: str) -> int:
    """How many servers there are behind an address now; 1 where that cannot be told."""
    scheme, _, rest = target.partition(":")
    if not may_be_several(target):
        return 1
    if scheme != "dns":
        return len(rest.split(","))
    host = rest.rpartition("/")[2]
    name = (host.rpartition(":")[0] or host).strip("[]")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        # The call to it will say what is wrong.
        return 1
    return len({address[0] for *_, address in found})

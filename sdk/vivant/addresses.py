"""host:port as people write it, IPv6 in brackets, and which hosts are reached without a proxy."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from vivant.errors import InvalidRequest

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
#: Targets in gRPC's own words are passed on as they are: dns:///name:port, unix:path.
_SCHEME: Final = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|passthrough|xds):")


def host(text: str) -> str:
    """A name or an address without brackets; raises InvalidRequest with the rule."""
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    if not _address(bare) and not _HOST.fullmatch(bare):
        raise InvalidRequest(
            "expected a name or an address such as 127.0.0.1 or ::1, without http:// and without a port", reason="wrong_address"
        )
    return bare


def join(name: str, port: int) -> str:
    """host:port, an IPv6 address in brackets."""
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def split(address: str) -> tuple[str, int]:
    """Host without brackets, and port; raises InvalidRequest with the rule."""
    name, colon, port = address.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise InvalidRequest("expected host:port, for example localhost:50050", reason="wrong_address")
    if "/" in name:
        raise InvalidRequest("expected host:port, without http://", reason="wrong_address")
    if ":" in name and not name.startswith("["):
        raise InvalidRequest("expected host:port, an IPv6 address in brackets: [::1]:50050", reason="wrong_address")
    return host(name), int(port)


def target(address: str) -> str:
    """What gRPC connects to; raises InvalidRequest with the rule when `address` is not host:port."""
    return address if _SCHEME.match(address) else join(*split(address))


def is_near(name: str) -> bool:
    """Whether no proxy leads there: this machine, a private network, or a name without a dot, which only this network knows."""
    bare = name.strip("[]").rstrip(".").lower()
    address = _address(bare)
    if address is None:
        return "." not in bare or bare.endswith((".localhost", ".local", ".internal"))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_private


def is_near_target(address: str) -> bool:
    """The same for what `target` takes."""
    scheme = _SCHEME.match(address)
    if scheme and scheme[1] not in ("dns", "ipv4", "ipv6"):
        return True
    name = address[scheme.end() :].rpartition("/")[2] if scheme else address
    return is_near(name.rpartition(":")[0] or name)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None

"""Offering 127.0.0.1 to the browser, which aioice leaves out."""

from __future__ import annotations

import aioice.ice

from services.gateway.rtc.reliance import require, require_use

require(aioice.ice, "get_host_addresses")
require_use(aioice.Connection, "gather_candidates", "get_host_addresses")

_found_addresses = aioice.ice.get_host_addresses


def offer_loopback(*, enabled: bool) -> None:
    """For all connections of this process: whether ICE offers 127.0.0.1 too, for browsers on this machine."""

    def with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [*_found_addresses(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]

    aioice.ice.get_host_addresses = with_loopback if enabled else _found_addresses

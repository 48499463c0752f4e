"""One network path between a browser and the gateway: a connection of aioice that tells more than aioice's own."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aioice

from services.gateway.rtc.reliance import require

#: What STUN and TURN servers have not answered by then is left out of an answer.
_GATHER_S: Final = 1

require(aioice.Connection, "request_received", "get_component_candidates", "_early_checks", "_check_list")


class Path(aioice.Connection):
    """Takes the place of another path of its peer; see `Transport.use`."""

    def __init__(self, *, controlling: bool, **wishes: Any) -> None:
        super().__init__(controlling, **wishes)
        self.checked = asyncio.Event()
        """The browser knows the answer: a check of it has come."""

    def request_received(self, message: Any, addr: tuple[str, int], protocol: Any) -> None:
        super().request_received(message, addr, protocol)
        if self._early_checks:
            self.checked.set()

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[aioice.Candidate]:
        return await super().get_component_candidates(component, addresses, min(timeout, _GATHER_S))

    def pairs(self) -> list[str]:
        """What became of each pair of candidates that was tried."""
        return [f"{pair} {pair.state.name}{' nominated' if pair.remote_nominated else ''}" for pair in self._check_list]

"""What the processes of a system on this machine cost: CPU time and memory, of these processes and of nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psutil

_LOCAL: Final = ("127.0.0.1", "localhost", "[::1]")
#: Reading the memory of a process costs it a few milliseconds.
_INTERVAL_S: Final = 5.0


@dataclass(frozen=True)
class Memory:
    """Megabytes of all processes together."""

    rss: float = 0.0
    """What each has in memory; pages that several share count for each."""
    pss: float = 0.0
    """The same with each shared page counted once."""


class Processes:
    """The processes that listen on the given ports, with their children."""

    def __init__(self, addresses: Iterable[str]) -> None:
        ports = {address.rpartition(":")[2] for address in addresses if address.rpartition(":")[0] in _LOCAL}
        connections = psutil.net_connections("tcp")
        listening = {each.laddr.port: each.pid for each in connections if each.laddr and each.status == psutil.CONN_LISTEN}
        self._roots = [psutil.Process(pid) for port, pid in listening.items() if pid and str(port) in ports]
        self.peak = Memory()

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far by service."""
        return {
            root.cmdline()[-1].removeprefix("services."): sum(
                times.user + times.system for times in (process.cpu_times() for process in _family(root))
            )
            for root in self._roots
        }

    async def watch(self) -> None:
        """Keeps `peak` up to date until cancelled."""
        while True:
            now = await asyncio.to_thread(self._memory)
            self.peak = Memory(max(self.peak.rss, now.rss), max(self.peak.pss, now.pss))
            await asyncio.sleep(_INTERVAL_S)

    def _memory(self) -> Memory:
        rss = pss = 0.0
        for root in self._roots:
            for process in _family(root):
                with contextlib.suppress(psutil.NoSuchProcess):
                    info = process.memory_full_info()
                    rss += info.rss / 2**20
                    pss += info.pss / 2**20
        return Memory(rss, pss)


def _family(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]

"""Whether somebody is there who can hear, and how long a conversation waits for whoever comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

#: Who was given a conversation takes so long at most to make the connection.
_ARRIVAL_S: Final = 10.0
#: Who has closed the page comes back within so long, as one does who changes the microphone, or does not come back.
_GONE_S: Final = 2.0
#: Who has not connected within so long may lose the place to somebody who asks for one.
_SLOW_S: Final = 2.0
#: A browser that is there reports every second what it receives.
_DEAD_S: Final = 6.0


class Presence:
    """Is told of connections as they come and go; calls `leave` when nobody has come in time."""

    def __init__(self, resume_s: float, leave: Callable[[], None]) -> None:
        self._resume_s = resume_s
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.TimerHandle | None = None
        self._absent_since: float | None = self._loop.time()
        self._lost = False
        self.met = False
        """Somebody was there once and could hear."""

    def absent_s(self, quiet_s: float) -> float:
        """How long nobody has been there who could hear; 0 while somebody is, or is only just coming.

        `quiet_s` is how long nothing has come from the connection that there is.
        """
        if self._absent_since is None:
            return quiet_s if quiet_s >= _DEAD_S else 0.0
        absent = self._loop.time() - self._absent_since
        return absent if self._lost or absent >= _SLOW_S else 0.0

    def expect(self) -> None:
        """A connection is on its way."""
        self._absent(lost=False)
        self._wait(_ARRIVAL_S)

    def arrived(self) -> None:
        """The connection takes part. Whether it gets through is not known yet."""
        self.stop()
        self._absent(lost=False)

    def heard(self) -> None:
        """Somebody is there and can hear."""
        self.met, self._absent_since = True, None

    def lost(self) -> None:
        """The connection is over."""
        self._absent(lost=True)

    def wait(self, *, gone: bool) -> None:
        """Waits for the next connection, not long when the page is `gone`."""
        self._wait(min(self._resume_s, _GONE_S) if gone else self._resume_s)

    def stop(self) -> None:
        """Nobody is waited for any more."""
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

    def _absent(self, *, lost: bool) -> None:
        self._lost, self._absent_since = lost, self._loop.time()

    def _wait(self, seconds: float) -> None:
        self.stop()
        self._waiting = self._loop.call_later(seconds, self._leave)

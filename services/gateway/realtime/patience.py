"""How long words are waited for, once the sound in which they are expected has been passed on."""

from __future__ import annotations

import asyncio
from typing import Final

#: Words come within a second or so; when none have come for so long, none were said.
WORDS_WITHIN_S: Final = 6.0


class Patience:
    """Is told when words are expected; `lost` returns when none have come in time."""

    def __init__(self) -> None:
        self._expecting = asyncio.Event()
        self._due = 0.0

    def begin(self, *, sound_waits: bool) -> None:
        """From now on; while sound of which words are expected is still to be passed on, nobody loses patience."""
        self._due = asyncio.get_running_loop().time() + WORDS_WITHIN_S
        if sound_waits:
            self._expecting.clear()
        else:
            self._expecting.set()

    async def lost(self) -> None:
        """Waits until no words have come for too long. They are expected again from the next `begin` on."""
        while True:
            await self._expecting.wait()
            early = self._due - asyncio.get_running_loop().time()
            if early <= 0:
                self._expecting.clear()
                return
            await asyncio.sleep(early)

"""What waits to be written to one client, bounded in milliseconds.

A client that reads slowly loses new pictures first, then the oldest units. What is dropped is never a packet that a later
one builds on: no pictures are encoded while the outbox is long, and after whole units are gone the next one must be a keyframe.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from services.common.metronome import UNIT_MS
from services.common.playout.emission import Emission, Playback, State
from services.face.codecs import Encoded
from vivant.errors import VivantError

#: With more than this waiting no new pictures are made.
VIDEO_LIMIT_MS: Final = 200
#: With more than this waiting the oldest unit is dropped.
AUDIO_LIMIT_MS: Final = 1000


@dataclass(frozen=True)
class Outgoing:
    """A unit on its way out. `picture` None with `video`: the picture before it stays."""

    emission: Emission
    video: bool
    picture: Encoded | None


class Outbox:
    """A queue with one reader. Everything is called on the event loop."""

    def __init__(self) -> None:
        self._items: deque[Outgoing | Playback | VivantError] = deque()
        self._waiting = 0
        self._arrived = asyncio.Event()
        self._closed = False
        self.keyframe_due = False
        """A picture that later ones build on was dropped; until a keyframe comes they are of no use."""

    @property
    def wants_pictures(self) -> bool:
        """The client keeps up with the video."""
        return self._waiting * UNIT_MS <= VIDEO_LIMIT_MS

    def put(self, item: Outgoing) -> int:
        """Adds a unit; returns how many older ones were dropped for it."""
        if item.picture and item.picture.keyframe:
            self.keyframe_due = False
        elif self.keyframe_due:
            item = replace(item, picture=None)
        for event in item.emission.before:
            self.report(event)
        self._items.append(item)
        for event in item.emission.after:
            self.report(event)
        self._waiting += 1
        self._arrived.set()
        dropped = 0
        while self._waiting * UNIT_MS > AUDIO_LIMIT_MS:
            self._drop_oldest()
            dropped += 1
        return dropped

    def report(self, event: Playback | VivantError) -> None:
        """Adds a report, which is never dropped."""
        self._items.append(event)
        self._arrived.set()

    def silence(self, newest_turn_id: int) -> int:
        """Takes the voice of older turns out of all that waits; returns its samples. A reply that ended here did not finish.

        It fades out once, where it would have gone on: a fade-out that waits further on is of a place that is not reached any
        more.
        """
        samples = 0
        for place, item in enumerate(self._items):
            if isinstance(item, Outgoing) and 0 < item.emission.turn_id < newest_turn_id:
                self._items[place] = replace(item, emission=item.emission.taken_back(fade=not samples))
                samples += len(item.emission.voice)
            elif isinstance(item, Outgoing) and samples and 0 < item.emission.fading < newest_turn_id:
                self._items[place] = replace(item, emission=item.emission.taken_back(fade=False))
            elif isinstance(item, Playback) and item.state is State.FINISHED and samples and item.turn_id < newest_turn_id:
                self._items[place] = replace(item, state=State.CLEARED, position=max(0, item.position - samples))
        return samples

    async def get(self) -> Outgoing | Playback | VivantError | None:
        """The next item; None after `close`, when all has been read."""
        while not self._items:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        item = self._items.popleft()
        if isinstance(item, Outgoing):
            self._waiting -= 1
        return item

    def close(self) -> None:
        """Nothing more is coming."""
        self._closed = True
        self._arrived.set()

    def _drop_oldest(self) -> None:
        for place, item in enumerate(self._items):
            if isinstance(item, Outgoing):
                del self._items[place]
                break
        self._waiting -= 1
        # The pictures that wait build on the one that is gone, up to the next keyframe.
        self.keyframe_due = True
        for place, item in enumerate(self._items):
            if isinstance(item, Outgoing) and item.picture:
                if item.picture.keyframe:
                    self.keyframe_due = False
                    break
                self._items[place] = replace(item, picture=None)

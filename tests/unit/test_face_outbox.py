"""What a slow client loses, and that what it still gets can be decoded."""

from __future__ import annotations

import asyncio

import numpy as np

from services.face.codecs import Encoded
from services.face.outbox import AUDIO_LIMIT_MS, VIDEO_LIMIT_MS, Outbox, Outgoing
from services.face.playout import Emission, Playback, State

KEY = Encoded(b"key", keyframe=True)
DELTA = Encoded(b"delta", keyframe=False)


def unit(index: int, picture: Encoded | None = DELTA, turn_id: int = 0) -> Outgoing:
    return Outgoing(Emission(index, np.zeros(960, np.float32), turn_id, 960 * index, (), ()), True, picture)


async def drain(outbox: Outbox) -> list[Outgoing | Playback]:
    outbox.close()
    items = []
    while (item := await outbox.get()) is not None:
        items.append(item)
    return items


async def test_order_is_kept_and_reports_stay_beside_their_units() -> None:
    outbox = Outbox()
    started = Playback(1, State.STARTED, 0, 0)
    finished = Playback(1, State.FINISHED, 960, 1)
    outbox.put(unit(0))
    outbox.put(Outgoing(Emission(1, np.zeros(960, np.float32), 1, 0, [started], [finished]), False, None))
    items = await drain(outbox)
    assert items[1] == started
    assert items[3] == finished


async def test_a_waiting_reader_is_woken() -> None:
    outbox = Outbox()
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put(unit(0))
    assert isinstance(await reader, Outgoing)
    assert outbox.wants_pictures


async def test_pictures_stop_before_sound_is_lost() -> None:
    outbox = Outbox()
    dropped = 0
    stopped_at = None
    for index in range(100):
        if stopped_at is None and not outbox.wants_pictures:
            stopped_at = index
        dropped += outbox.put(unit(index, DELTA if outbox.wants_pictures else None))
    assert stopped_at == VIDEO_LIMIT_MS // 40 + 1
    items = await drain(outbox)
    assert len(items) == AUDIO_LIMIT_MS // 40
    assert dropped == 100 - len(items)
    assert [item.emission.index for item in items if isinstance(item, Outgoing)] == list(range(75, 100)), "the oldest are lost"


async def test_after_a_loss_nothing_goes_out_until_a_keyframe() -> None:
    outbox = Outbox()
    outbox.put(unit(0, KEY))
    for index in range(1, 30):
        outbox.put(unit(index, DELTA))
    assert outbox.keyframe_due
    outbox.put(unit(30, DELTA))
    outbox.put(unit(31, KEY))
    assert not outbox.keyframe_due
    outbox.put(unit(32, DELTA))
    pictures = [item.picture for item in await drain(outbox) if isinstance(item, Outgoing)]
    assert pictures[-2:] == [KEY, DELTA]
    assert set(pictures[:-2]) == {None}


async def test_pictures_that_stand_alone_survive_a_loss() -> None:
    outbox = Outbox()
    for index in range(30):
        outbox.put(unit(index, KEY))
    assert not outbox.keyframe_due
    assert all(isinstance(item, Outgoing) and item.picture for item in await drain(outbox))


async def test_the_voice_of_an_old_turn_is_taken_back() -> None:
    outbox = Outbox()
    outbox.put(unit(0, turn_id=7))
    outbox.put(unit(1, turn_id=7))
    outbox.report(Playback(7, State.FINISHED, 5000, 1))
    outbox.put(unit(2, turn_id=8))
    assert outbox.silence(8) == 1920
    assert outbox.silence(8) == 0
    items = await drain(outbox)
    assert [item.silenced for item in items if isinstance(item, Outgoing)] == [True, True, False]
    assert items[2] == Playback(7, State.CLEARED, 5000 - 1920, 1)

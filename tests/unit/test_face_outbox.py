"""What a slow client loses, and that what it still gets can be decoded."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from services.common.playout.emission import Emission, Playback, State
from services.face.codecs import Encoded
from services.face.outbox import AUDIO_LIMIT_MS, VIDEO_LIMIT_MS, Outbox, Outgoing

KEY = Encoded(b"key", keyframe=True)
DELTA = Encoded(b"delta", keyframe=False)


def unit(index: int, picture: Encoded | None = DELTA, turn_id: int = 0, level: float = 0.0, **fields: Any) -> Outgoing:
    voice = np.full(960, level, np.float32)
    return Outgoing(Emission(index=index, voice=voice, turn_id=turn_id, turn_sample=960 * index, **fields), True, picture)


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
    outbox.put(unit(1, None, turn_id=1, before=[started], after=[finished]))
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
    outbox.put(unit(0, turn_id=7, level=0.5, ducked=True))
    outbox.put(unit(1, turn_id=7, level=0.5, aside=np.full(960, 0.25, np.float32)))
    outbox.report(Playback(7, State.FINISHED, 5000, 1))
    outbox.put(unit(2, level=0.5, fading=7))
    outbox.put(unit(3, turn_id=8, level=0.5))
    assert outbox.silence(8) == 1920
    assert outbox.silence(8) == 0
    items = await drain(outbox)
    assert items[2] == Playback(7, State.CLEARED, 5000 - 1920, 1)
    waited = [item.emission for item in items if isinstance(item, Outgoing)]
    assert [(each.turn_id, each.turn_sample, each.ducked) for each in waited] == [(0, 0, False)] * 2 + [
        (0, 0, False),
        (8, 2880, False),
    ]
    faded = np.concatenate([np.full(1, 0.5), waited[0].pcm])
    assert np.abs(np.diff(faded)).max() < 0.01, "it fades out where it would have gone on"
    assert not faded[121:].any()
    assert set(waited[1].pcm) == {np.float32(0.25)}, "a little word beside the replies stays"
    assert not waited[2].pcm.any(), "and does not fade a second time"
    assert set(waited[3].pcm) == {np.float32(0.5)}


async def test_a_fade_that_waits_is_heard_when_nothing_before_it_was_taken_back() -> None:
    outbox = Outbox()
    outbox.put(unit(0, level=0.5, fading=7))
    assert outbox.silence(8) == 0
    (item,) = await drain(outbox)
    assert isinstance(item, Outgoing)
    assert item.emission.pcm.all()

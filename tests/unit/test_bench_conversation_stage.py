"""The user of the conversation benchmark: microphones that never stop, and lines that wait for their moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import vivant
from bench.conversation.scenarios import Cue, Expect, Line, Scenario
from bench.conversation.sounds import Sound, Sounds
from bench.conversation.stage import Actor, Microphones, play
from bench.conversation.take import Heard, Take

LOUD = Sound(np.full(1600, 9000, np.int16), ((0.0, 0.1),), 0.0)


class Ears:
    """A session that keeps what it is sent."""

    finished = False

    def __init__(self) -> None:
        self.chunks: list[tuple[str | None, str, NDArray[np.int16]]] = []
        self.did: list[str] = []
        self.enough = asyncio.Event()
        self.enough_at = 0

    async def send_audio(self, pcm: NDArray[np.int16], participant: str | None = None, *, addressees: str = "") -> None:
        self.chunks.append((participant, addressees, pcm))
        if len(self.chunks) == self.enough_at:
            self.enough.set()

    async def send_text(self, text: str, participant: str | None = None, *, addressees: str = "") -> None:
        self.did.append(text)

    async def interrupt(self) -> None:
        self.did.append("stop")


async def until(microphones: Microphones, ears: Ears, chunks: int) -> None:
    ears.enough_at = chunks
    running = asyncio.create_task(microphones.run())
    await ears.enough.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_everybody_has_a_microphone_that_is_never_silent() -> None:
    ears, take = Ears(), Take("made", 0)
    microphones = Microphones(cast(vivant.Session, ears), ("Ann", "Bob"), take)
    microphones.say(LOUD.samples, "Bob", "Ann")
    await until(microphones, ears, 16)
    ann = np.concatenate([pcm for speaker, _, pcm in ears.chunks if speaker == "Ann"])
    bob = np.concatenate([pcm for speaker, _, pcm in ears.chunks if speaker == "Bob"])
    assert 5 < ann.std() < 40
    assert np.abs(bob[:1600] - 9000.0).max() < 200
    assert 5 < bob[1600:].std() < 40
    assert {addressee for speaker, addressee, _ in ears.chunks if speaker == "Bob"} == {"Ann"}
    assert abs(float(take.microphone[:1600].mean()) - 9000) < 50


async def test_what_is_said_in_the_middle_is_recorded_when_it_is_said_to_be() -> None:
    ears, take = Ears(), Take("made", 0)
    microphones = Microphones(cast(vivant.Session, ears), ("",), take)
    ears.enough_at = 5
    running = asyncio.create_task(microphones.run())
    await ears.enough.wait()
    # It waits for the end of the chunk that is being recorded.
    for _ in range(3):
        await asyncio.sleep(0)
    at = microphones.say(LOUD.samples)
    ears.enough.clear()
    ears.enough_at = 12
    await ears.enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    first = int(np.flatnonzero(np.abs(take.microphone.astype(int)) > 4500)[0])
    assert first / 16_000 == pytest.approx(at - take.microphone_at)


def spoken_unit(take: Take, turn_id: int) -> Heard:
    now = asyncio.get_running_loop().time()
    pcm = np.full(960, 3000, "<i2").tobytes()
    return Heard.of(vivant.Unit(len(take.units), 0, pcm, None, turn_id, 0), now, take.rate_hz)


async def test_a_line_waits_for_the_reply_and_says_when_it_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.conversation.stage.PATIENCE_S", 0.05)
    ears, take = Ears(), Take("made", 0)
    session = cast(vivant.Session, ears)
    scenario = Scenario("made", "", ())
    actor = Actor(session, Microphones(session, ("",), take), take, Sounds({}, {}), scenario)
    await actor.perform(Line(Cue.START, Expect.ANSWER, (0.0,), typed="Tell me a story."))
    over = Line(Cue.REPLY, Expect.YIELD, (0.05,), stop=True)
    await actor.perform(over)
    assert ears.did == ["Tell me a story."]
    assert len(take.unsaid) == 1
    take.units.append(spoken_unit(take, 1))
    await actor.perform(over)
    assert ears.did == ["Tell me a story.", "stop"]
    assert take.said[-1].at - take.units[0].at >= 0.05


async def test_a_conversation_that_breaks_is_kept_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.conversation.stage._SETTLE_S", 0.05)

    class Broken(Ears):
        ready = cast(vivant.Ready, type("R", (), {"voice_rate_hz": 24_000}))

        async def __aenter__(self) -> Broken:
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

        def __aiter__(self) -> AsyncIterator[vivant.Event]:
            return self._events()

        async def _events(self) -> AsyncIterator[vivant.Event]:
            raise vivant.VivantError("the server has gone", reason="connection_lost")
            yield  # a generator

    class Client:
        def converse(self, **_: Any) -> Broken:
            return Broken()

    line = Line(Cue.START, Expect.ANSWER, (0.0,), typed="Hello?")
    take = await play(cast(vivant.Client, Client()), Scenario("made", "", (line,)), 0, Sounds({}, {}))
    assert take.broken.startswith("connection_lost")
    assert not take.said

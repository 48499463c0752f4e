"""Plays a scenario to a running system: microphones that are always on, and a user who waits for the right moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

import vivant
from bench.conversation.questions import CHUNK, MICROPHONE_HZ, NOISE_RMS, UNIT_S
from bench.conversation.scenarios import Cue, Expect, Line, Scenario
from bench.conversation.sounds import Sounds
from bench.conversation.take import Said, Take

#: A moment that has not come by then does not come.
PATIENCE_S: Final = 12.0
#: A reply is spoken to its end by then.
LONGEST_REPLY_S: Final = 40.0
#: After something that was said to somebody else, the persona is watched for so long.
WATCHED_S: Final = 4.0
#: An answer is waited for so long; "stop" may have one, and needs none.
_PATIENCE_S: Final = {Expect.ANSWER: PATIENCE_S, Expect.YIELD: 3.0}
#: The session is let settle before anybody speaks.
_SETTLE_S: Final = 1.0
_TAIL_S: Final = 1.5


@dataclass
class _Stream:
    """One microphone."""

    speaker: str
    clip: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    addressee: str = ""


class Microphones:
    """Send the room's noise, and what is said into them, 20 ms at a time; one for each speaker."""

    def __init__(self, session: vivant.Session, speakers: Sequence[str], take: Take) -> None:
        self._session = session
        self._streams = {speaker: _Stream(speaker) for speaker in speakers}
        self._take = take
        self._noise = np.random.default_rng(1)
        self._sent = 0
        self._chunks: list[NDArray[np.int16]] = []
        take.microphone_at = asyncio.get_running_loop().time()

    def say(self, samples: NDArray[np.int16], speaker: str = "", addressee: str = "") -> float:
        """Begins to speak now, over what was being said; returns when the first sample is recorded."""
        stream = self._streams[speaker]
        stream.clip, stream.addressee = samples, addressee
        return self._take.microphone_at + self._sent / MICROPHONE_HZ

    async def run(self) -> None:
        """Sends until cancelled; what was sent is then in the take."""
        loop = asyncio.get_running_loop()
        try:
            while not self._session.finished:
                # What is said from here on is in the next chunk, which begins when this one can be sent.
                recorded = [
                    (stream.speaker or None, stream.addressee or (), self._chunk(stream)) for stream in self._streams.values()
                ]
                self._sent += CHUNK
                await asyncio.sleep(self._take.microphone_at + self._sent / MICROPHONE_HZ - loop.time())
                for speaker, addressees, room in recorded:
                    await self._session.send_audio(_pcm(room), speaker, addressees=addressees)
                self._chunks.append(_pcm(np.sum([room for _, _, room in recorded], axis=0)))
        finally:
            self._take.microphone = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)

    def _chunk(self, stream: _Stream) -> NDArray[np.float64]:
        """The next 20 ms of one microphone: the room, and what is said in it."""
        room = self._noise.normal(0, NOISE_RMS, CHUNK)
        chunk, stream.clip = stream.clip[:CHUNK], stream.clip[CHUNK:]
        room[: len(chunk)] += chunk
        return room


def _pcm(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(sound, -32768, 32767).astype(np.int16)


class Player:
    """A client that plays later than it hears, and tells the server what it has played."""

    def __init__(self, session: vivant.Session, take: Take) -> None:
        self._session = session
        self._take = take

    async def run(self) -> None:
        """Reports each unit of a reply when it has been played, until the reply is said to be over."""
        loop, reported = asyncio.get_running_loop(), 0
        while True:
            await asyncio.sleep(UNIT_S)
            played = [u for u in self._take.units[reported:] if u.at + self._take.buffer_s + UNIT_S <= loop.time()]
            reported += len(played)
            if played and played[-1].turn_id:
                await self._session.played(played[-1].index)


class Actor:
    """Says the lines of one scenario, each when its moment comes."""

    def __init__(
        self, session: vivant.Session, microphones: Microphones, take: Take, sounds: Sounds, scenario: Scenario
    ) -> None:
        self._session = session
        self._microphones = microphones
        self._take = take
        self._sounds = sounds
        self._one_microphone = scenario.one_microphone
        self._clock = asyncio.get_running_loop().time
        self._began = self._over = self._clock()
        #: Replies up to this one were there before the line that is to be answered.
        self._mark = 0

    async def perform(self, line: Line) -> None:
        """Says one line when its moment comes, and waits until it is said."""
        if not await self._moment(line):
            self._take.unsaid.append(f"{line.what}: its moment, {line.after} + {line.delay_s(self._take.run)} s, did not come")
            return
        if line.expect in (Expect.ANSWER, Expect.YIELD, Expect.NOTHING):
            self._mark = self._take.newest_turn()
        said = await self._say(line)
        self._take.said.append(said)
        self._over = said.end
        await self._take.until(lambda: self._clock() >= said.end, said.end)
        if line.hush_s:
            await self._hush(line.hush_s)
        if line.expect is Expect.QUIET:
            await asyncio.sleep(WATCHED_S)

    async def listen_to_the_end(self) -> None:
        """Until the persona has finished."""
        await self._quiet(_TAIL_S)

    async def _say(self, line: Line) -> Said:
        if line.spoken:
            sound = self._sounds.of(line, self._take.run)
            speaker = "" if self._one_microphone else line.speaker
            at = self._microphones.say(sound.samples, speaker, line.addressee)
            spans = tuple((at + start, at + end) for start, end in sound.spans)
            return Said(line, at, spans, at + sound.floor_s)
        at = self._clock()
        if line.typed:
            await self._session.send_text(line.typed, line.speaker or None, addressees=line.addressee or ())
        else:
            await self._session.interrupt()
        return Said(line, at, floor=at)

    async def _moment(self, line: Line) -> bool:
        delay = line.delay_s(self._take.run)
        match line.after:
            case Cue.QUIET:
                return await self._quiet(delay)
            case Cue.REPLY:
                await self._take.until(self._answered, self._over + PATIENCE_S)
                first = self._take.first_audible(self._mark)
                if first is None or first.first is None:
                    return False
                due = first.first + delay
                await self._take.until(lambda: self._clock() >= due, due)
                return self._take.speaking_at(self._clock()) > self._mark
            case Cue.START | Cue.LINE:
                due = (self._began if line.after is Cue.START else self._over) + delay
                await asyncio.sleep(max(0.0, due - self._clock()))
        return True

    async def _quiet(self, for_s: float) -> bool:
        """Until the persona has answered, if it was asked something, and has been quiet for so long."""
        last = self._take.said[-1] if self._take.said else None
        if last and last.line.expect in _PATIENCE_S and not last.line.hush_s:
            await self._take.until(self._answered, self._over + _PATIENCE_S[last.line.expect])
        deadline = self._clock() + LONGEST_REPLY_S
        while self._clock() < deadline:
            since = max(self._take.last_sound(), self._over)
            if self._clock() >= since + for_s and not self._take.speaking_at(self._clock()):
                return True
            await asyncio.sleep(UNIT_S / 2)
        return False

    async def _hush(self, after_s: float) -> None:
        """Presses the stop button when the answer has been heard for so long."""
        if await self._take.until(self._answered, self._over + PATIENCE_S):
            await asyncio.sleep(after_s)
            await self._session.interrupt()

    def _answered(self) -> bool:
        return self._take.first_audible(self._mark) is not None


async def play(client: vivant.Client, scenario: Scenario, run: int, sounds: Sounds) -> Take:
    """One run of a scenario."""
    take = Take(scenario.name, run, buffer_s=scenario.buffer_ms / 1000)
    speakers = ("",) if scenario.one_microphone else scenario.speakers
    async with client.converse(video=vivant.Video("vp8", 512), microphone=MICROPHONE_HZ) as session:
        for name in filter(None, scenario.speakers if not scenario.one_microphone else ()):
            await session.introduce(name)
        microphones = Microphones(session, speakers, take)
        tasks = [asyncio.create_task(take.listen(session)), asyncio.create_task(microphones.run())]
        if scenario.buffer_ms:
            tasks.append(asyncio.create_task(Player(session, take).run()))
        try:
            await asyncio.sleep(_SETTLE_S)
            actor = Actor(session, microphones, take, sounds, scenario)
            for line in scenario.lines:
                if not take.broken:
                    await actor.perform(line)
            if not take.broken:
                await actor.listen_to_the_end()
        except vivant.VivantError as exc:
            take.broken = take.broken or f"{exc.reason}: {exc}"
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(vivant.VivantError):
                await asyncio.gather(*tasks, return_exceptions=True)
    return take

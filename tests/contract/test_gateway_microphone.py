"""What a session hears of the microphones that there are: at 8 kHz, in stereo, on one channel only, and against the rules."""

from __future__ import annotations

import asyncio
import itertools
import json
from fractions import Fraction
from typing import Any, Final

import aiohttp
import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from services.gateway.media import OpusVoice
from tests.harness.gateway_door import Browser, Door, gateway_to, house, silence
from tests.harness.scripted_session import Script, ScriptedSession, serving
from tests.harness.waiting import PATIENCE_S, until

HZ: Final = 16_000
PITCH_HZ: Final = 440
LEVEL: Final = 8000
#: Packets of 20 ms: silence, then a tone, then silence.
TONE: Final = range(60, 110)
PACKETS: Final = 150


class Tone(MediaStreamTrack):
    """A tone of a second in silence, at `rate` Hz, on these channels; one alone at 48 kHz as the mono Opus of browsers."""

    kind = "audio"

    def __init__(self, rate: int, channels: tuple[float, ...]) -> None:
        super().__init__()
        self._rate, self._channels = rate, channels
        # aiortc's own encoder makes stereo of everything.
        self._mono = OpusVoice(rate) if rate == 48_000 and len(channels) == 1 else None
        self._index = -1
        self._start: float | None = None

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        self._index += 1
        loop = asyncio.get_running_loop()
        self._start = self._start or loop.time()
        await asyncio.sleep(max(0.0, self._start + self._index / 50 - loop.time()))
        count = self._rate // 50
        at = np.arange(self._index * count, (self._index + 1) * count)
        wave = LEVEL * np.sin(2 * np.pi * PITCH_HZ * at / self._rate) * (self._index in TONE)
        sound = np.stack([wave * channel for channel in self._channels], axis=1).astype("<i2")
        if self._mono:
            [data] = self._mono.encode(sound.tobytes())
            packet = av.Packet(data)
            packet.pts, packet.time_base = int(at[0]), Fraction(1, self._rate)
            return packet
        layout = "stereo" if len(self._channels) == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, int(at[0]), Fraction(1, self._rate)
        return frame


async def heard(door: Door, servicer: ScriptedSession, microphone: Tone, codec: str) -> NDArray[np.int16]:
    """What the session gets, until the tone is long over; the chunks must follow each other without a gap."""
    browser = Browser()
    try:
        await browser.connect(door, microphone=microphone, codec=codec)
        await until(lambda: sum(len(chunk.pcm) for chunk in servicer.seen.get("audio", ())) >= PACKETS * HZ // 50 * 2)
    finally:
        await browser.close()
    chunks = servicer.seen["audio"]
    for before, after in itertools.pairwise(chunks):
        assert after.start_sample == before.start_sample + len(before.pcm) // 2
    return np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2")


@pytest.mark.parametrize(
    ("rate", "channels", "codec", "level"),
    [
        (8_000, (1.0,), "audio/PCMU", 1.0),
        (8_000, (1.0,), "audio/PCMA", 1.0),
        (48_000, (1.0, 1.0), "audio/PCMU", 1.0),
        (48_000, (1.0,), "audio/opus", 1.0),
        (48_000, (1.0, 1.0), "audio/opus", 1.0),
        # Both channels have a say, so that one alone has half.
        (48_000, (0.0, 1.0), "audio/opus", 0.5),
        (48_000, (1.0, 0.0), "audio/opus", 0.5),
    ],
    ids=["pcmu", "pcma", "pcmu-of-stereo", "opus-mono", "opus-stereo", "opus-right", "opus-left"],
)
async def test_a_microphone_is_heard_at_its_pitch_level_and_length(
    rate: int, channels: tuple[float, ...], codec: str, level: float
) -> None:
    async with serving(Script(unit_s=0.04)) as (address, servicer), gateway_to(address, video_px=128) as door:
        sound = (await heard(door, servicer, Tone(rate, channels), codec)).astype(float)
    loud = np.flatnonzero(np.abs(sound) > LEVEL * level / 4)
    begin, end = loud[0], loud[-1] + 1
    assert abs((end - begin) / HZ - len(TONE) / 50) < 0.02
    tone = sound[begin + HZ // 10 : end - HZ // 10]
    assert np.sqrt((tone**2).mean()) == pytest.approx(LEVEL * level / np.sqrt(2), rel=0.06)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
    assert spectrum.argmax() * HZ / len(tone) == pytest.approx(PITCH_HZ, abs=HZ / len(tone))
    # And nothing beside it that one would hear: no chopping, no other speed.
    beside = np.abs(np.arange(len(spectrum)) * HZ / len(tone) - PITCH_HZ) > 60
    assert (spectrum[beside] ** 2).sum() < 0.01 * (spectrum**2).sum()
    assert np.abs(sound[: begin - HZ // 20]).max() < 100


@pytest.mark.parametrize("length", [0, 1, 641, 3201, 3202, 12_000])
async def test_sound_of_a_wrong_length_is_refused_with_a_message(length: int) -> None:
    async with serving(Script(unit_s=0.04)) as (address, servicer), gateway_to(address, video_px=128) as door:
        async with door.http.ws_connect(f"{door.url}/api/stream") as socket:
            for fitting in (2, 640, 3200):
                await socket.send_bytes(bytes(fitting))
            await socket.send_bytes(bytes(length))
            bye: dict[str, Any] = {}
            async with asyncio.timeout(PATIENCE_S):
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        bye = json.loads(message.data)
                # What came before was heard.
                while len(servicer.seen.get("audio", ())) < 3:  # noqa: ASYNC110 - it has no event of its own
                    await asyncio.sleep(0.02)
        assert (bye["type"], bye["reason"]) == ("bye", "bad_sound")
        assert "16-bit mono PCM at 16000 Hz" in bye["message"]
        assert [len(chunk.pcm) for chunk in servicer.seen["audio"]] == [2, 640, 3200]


async def test_a_fault_in_hearing_ends_the_connection_and_another_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    async with house() as (door, servicer):
        with monkeypatch.context() as fault:
            fault.setattr("services.gateway.conversation.Conversation.hear", broken)
            first = Browser()
            await first.connect(door, microphone=silence())
            await until(lambda: first.pc.connectionState == "closed")
            await first.close()
        second = Browser()
        await second.connect(door, microphone=silence(), token=first.token)
        await second.message("ready", resumed=True)
        await second.until(lambda: servicer.seen.get("audio"))
        await second.close()
        assert len(servicer.configs) == 1

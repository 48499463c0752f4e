"""Formats of the Realtime protocol, and the pace at which sound is passed on."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from services.gateway.realtime.actions import EndTurn
from services.gateway.realtime.audio import RATE_HZ, Decoder, Encoder, Microphone, _from_linear, _to_linear
from services.gateway.realtime.wrong import ClientError


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_telephone_sound_comes_back_as_it_was(name: str) -> None:
    tone = np.sin(np.arange(RATE_HZ) * 2 * np.pi * 440 / RATE_HZ) * 10_000
    encoder, decoder = Encoder(name), Decoder(name)
    pcm = tone.astype("<i2").tobytes()
    sent = [encoder.encode(pcm[start : start + 1920]) for start in range(0, len(pcm), 1920)]
    assert abs(sum(map(len, sent)) - 8000) < 30
    heard = np.frombuffer(b"".join(map(decoder.decode, sent)), "<i2").astype(float)
    # Both filters give out what is centred on the sample that went in.
    error = heard[200:-200] - tone[200 : len(heard) - 200]
    assert 20 * np.log10(np.std(tone) / np.std(error)) > 30


def test_the_bytes_are_those_of_the_standard() -> None:
    mu_law, a_law = _to_linear("pcm_mulaw"), _to_linear("pcm_alaw")
    assert (mu_law[0x00], mu_law[0x80], mu_law[0xFF]) == (-32124, 32124, 0)
    assert (a_law[0x2A], a_law[0xAA], a_law[0xD5]) == (-32256, 32256, 8)
    for codec, table in (("pcm_mulaw", mu_law), ("pcm_alaw", a_law)):
        assert (table[_from_linear(codec)[table.astype(int) + 32768]] == table).all()


def test_pcm_passes_as_it_is() -> None:
    assert Decoder("audio/pcm").decode(b"\1\2") == Encoder("audio/pcm").encode(b"\1\2") == b"\1\2"


async def collect(microphone: Microphone, count: int) -> list[bytes | EndTurn]:
    pieces = []
    async for piece in microphone.pieces():
        pieces.append(piece)
        if len(pieces) == count:
            break
    return pieces


async def test_sound_leaves_at_the_pace_of_speech_and_its_end_behind_it() -> None:
    microphone = Microphone()
    microphone.put(bytes(RATE_HZ))
    microphone.mark(EndTurn())
    assert microphone.waiting_ms == 500
    began = asyncio.get_running_loop().time()
    pieces = await collect(microphone, 14)
    took = asyncio.get_running_loop().time() - began
    assert 0.2 < took < 2.0, "half a second, of which 0.2 s may come early"
    assert [len(piece) for piece in pieces if isinstance(piece, bytes)] == [1920] * 12 + [960]
    assert isinstance(pieces[-1], EndTurn)
    assert microphone.waiting_ms == 0


async def test_no_more_than_half_a_minute_waits() -> None:
    microphone = Microphone()
    microphone.put(bytes(2 * 29 * RATE_HZ))
    with pytest.raises(ClientError, match=r"These are 2\.0 s of sound, 29\.0 s wait already"):
        microphone.put(bytes(2 * 2 * RATE_HZ))
    assert microphone.waiting_ms == 29_000
    microphone.clear()
    microphone.put(bytes(1920))
    assert await collect(microphone, 1) == [bytes(1920)]


async def test_clearing_leaves_what_was_committed() -> None:
    microphone = Microphone()
    microphone.put(bytes(1920))
    microphone.mark(EndTurn())
    microphone.put(bytes(2 * RATE_HZ))
    assert microphone.clear() == RATE_HZ
    assert microphone.marked
    assert await collect(microphone, 2) == [bytes(1920), EndTurn()]
    assert not microphone.marked

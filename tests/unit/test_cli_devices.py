"""Microphone and loudspeaker, with a stand-in for the optional package."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from vivant.cli.devices import Devices
from vivant.errors import Unusable
from vivant.events import Unit


class Stream:
    """What sounddevice gives for an open device."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.running = False

    def start(self) -> None:
        self.running = True

    def close(self) -> None:
        self.running = False


class PortAudioError(Exception):
    pass


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    streams: list[Stream] = []

    def open_stream(**options: Any) -> Stream:
        streams.append(Stream(**options))
        return streams[-1]

    module = SimpleNamespace(
        RawInputStream=open_stream, RawOutputStream=open_stream, PortAudioError=PortAudioError, streams=streams
    )
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def unit(value: int) -> Unit:
    return Unit(0, 0, bytes([value]) * 8, None, 1, 0)


async def test_sound_goes_both_ways(sounddevice: SimpleNamespace) -> None:
    devices = Devices(16_000)
    devices.start(24_000)
    microphone, speaker = sounddevice.streams
    assert (microphone.options["samplerate"], microphone.options["blocksize"], speaker.options["samplerate"]) == (
        16_000,
        320,
        24_000,
    )
    microphone.options["callback"](b"\1\2", 1, None, None)
    assert await anext(devices.sound()) == b"\1\2"
    devices.play(unit(1))
    devices.play(unit(2))
    heard = bytearray(12)
    speaker.options["callback"](heard, 6, None, None)
    assert heard == b"\1" * 8 + b"\2" * 4
    speaker.options["callback"](heard, 6, None, None)
    assert heard == b"\2" * 4 + bytes(8)
    devices.stop()
    assert not microphone.running and not speaker.running


async def test_a_slow_loudspeaker_loses_the_oldest_sound(sounddevice: SimpleNamespace) -> None:
    devices = Devices(16_000)
    devices.start(24_000)
    for value in range(30):
        devices.play(unit(value))
    heard = bytearray(8)
    sounddevice.streams[1].options["callback"](heard, 4, None, None)
    assert heard == bytes([20]) * 8


async def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(Unusable, match="pip install sounddevice"):
        Devices(16_000)


async def test_without_a_device_it_says_so(sounddevice: SimpleNamespace) -> None:
    def no_device(**_: Any) -> Stream:
        raise PortAudioError("no default output device")

    sounddevice.RawOutputStream = no_device
    devices = Devices(16_000)
    with pytest.raises(Unusable, match="no default output device"):
        devices.start(24_000)
    assert not sounddevice.streams[0].running

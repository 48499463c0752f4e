"""Little words in the persona's voice, prepared once for all sessions: "mm-hm", "yeah"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.logs import get_logger
from services.orchestrator.links.clients import Peers
from vivant.common.v1 import common_pb2
from vivant.errors import VivantError
from vivant.face.v1 import face_pb2
from vivant.tts.v1 import tts_pb2

_log = get_logger(__name__)

#: -50 dBFS: what is below is silence, and goes; a breath of it stays.
_AUDIBLE: Final = 104
_BEFORE_S: Final = 0.01
_AFTER_S: Final = 0.04
_LONGEST_S: Final = 1.4
#: Who listens speaks more softly than who has the floor.
_SOFTER: Final = 0.6
#: Voices whose words are kept.
_MOST_VOICES: Final = 32

_Key = tuple[str, str, int, float, tuple[str, ...]]


@dataclass(frozen=True)
class BackchannelSound:
    """One little word."""

    text: str
    aside: face_pb2.Aside


class BackchannelSounds:
    """Keeps what was prepared for each voice."""

    def __init__(self, peers: Peers, timeout_s: float) -> None:
        self._peers = peers
        self._timeout_s = timeout_s
        self._kept: dict[_Key, tuple[BackchannelSound, ...]] = {}
        self._preparing = asyncio.Lock()

    async def of(self, config: tts_pb2.SynthesizeConfig, texts: Sequence[str]) -> tuple[BackchannelSound, ...]:
        """The words in the voice of `config`, without those of which nothing can be heard.

        Without a voice there are none, and the next session tries again.
        """
        key = (config.voice, config.language, config.audio.sample_rate_hz, config.speed, tuple(texts))
        async with self._preparing:
            if key not in self._kept:
                try:
                    prepared = tuple([sound for text in texts if (sound := await self._prepare(config, text)).aside.pcm])
                except VivantError as exc:
                    _log.warning("no_backchannels", reason=exc.reason, detail=exc.message)
                    return ()
                if len(self._kept) >= _MOST_VOICES:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[key] = prepared
            return self._kept[key]

    async def _prepare(self, config: tts_pb2.SynthesizeConfig, text: str) -> BackchannelSound:
        pcm, phonemes = bytearray(), list[common_pb2.Phoneme]()
        async with aclosing(self._peers.speak(config, _once(text), self._timeout_s)) as speech:
            async for audio in speech:
                pcm += audio.pcm
                phonemes += audio.phonemes
        return BackchannelSound(text, trimmed(np.frombuffer(bytes(pcm), "<i2"), phonemes, config.audio.sample_rate_hz))


def trimmed(voice: NDArray[np.int16], phonemes: Sequence[common_pb2.Phoneme], rate_hz: int) -> face_pb2.Aside:
    """Without the silence around it, softer, and with the sounds' times moved along. `voice`: int16 [n]."""
    loud = np.flatnonzero(np.abs(voice.astype(np.int32)) > _AUDIBLE)
    if not len(loud):
        return face_pb2.Aside()
    begin = max(0, int(loud[0]) - round(_BEFORE_S * rate_hz))
    end = min(int(loud[-1]) + 1 + round(_AFTER_S * rate_hz), begin + round(_LONGEST_S * rate_hz), len(voice))
    aside = face_pb2.Aside(pcm=(voice[begin:end] * _SOFTER).astype("<i2").tobytes())
    for item in phonemes:
        if item.start_sample >= begin and item.end_sample <= end:
            moved = aside.phonemes.add()
            moved.CopyFrom(item)
            moved.start_sample -= begin
            moved.end_sample -= begin
    return aside


async def _once(text: str) -> AsyncGenerator[str, None]:
    yield text

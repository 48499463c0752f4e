"""One stream of the riva engine: from each flush to the next it is one stream of Riva's.

Riva gives final words where it hears a pause, and when a client has no more to send. So at a flush its stream is half closed,
its last words are awaited, and the audio that follows begins another one, which counts from 0 again. A stream that breaks is
opened again, and hears once more what it had not made final. Invariants: each flush has one answer; all waiting has a bound.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.asr.engine import Event, Partial, StreamConfig
from services.asr.engines.outbox import Outbox
from services.asr.engines.riva.results import Clock, final_words, hypothesis
from services.asr.engines.riva.stretch import Stretch
from services.common.audio import to_pcm
from services.common.logs import get_logger
from services.common.nvidia.calls import Duplex
from services.common.resample import Resampler
from vivant.errors import Unavailable

_log = get_logger(__name__)

#: The models' own rate: what is sent is not converted there, and is no larger than it need be.
RIVA_HZ: Final = 16_000
#: Between attempts to open a stream that broke; then the caller's stream fails, and is opened again by whoever listens.
_BACKOFF_S: Final = (0.1, 0.3, 0.9)
#: A stream that has lived so long is steady: its end counts as the first again.
_STEADY_S: Final = 5.0
#: Of what is not final yet so much is kept, to be heard again: longer than anybody speaks without a pause that Riva hears.
_KEPT_S: Final = 20
#: A gap longer than this is not worth sending; so much of it is silence enough for Riva to hear a pause.
_SENT_GAP_S: Final = 2

#: Opens one of Riva's streams, whose answers go to the function.
Open = Callable[[Callable[[Any], None]], Duplex]
#: A request with audio, 16-bit PCM at RIVA_HZ.
AudioRequest = Callable[[bytes], Any]


class RivaSession:
    """See `services.asr.engine.Session`."""

    def __init__(self, config: StreamConfig, open_stream: Open, configure: Any, audio: AudioRequest) -> None:
        self._config = config
        self._open = open_stream
        self._configure = configure
        self._audio = audio
        self._rate = config.sample_rate_hz
        self._resampler = Resampler(self._rate, RIVA_HZ)
        self._outbox = Outbox()
        self._stretch = Stretch(0)
        self._listening: _Listening | None = None
        self._unheard = _Unheard(_KEPT_S * self._rate)
        self._attempts = 0
        self._end = 0
        self._told: Partial | None = None
        self._flushing = False

    async def push(self, samples: NDArray[np.float32], start_sample: int) -> None:
        if gap := start_sample - self._end:
            await self._pause(gap)
        await self._hear(samples)

    async def _pause(self, gap: int) -> None:
        """A gap in the stream: its beginning is sent as silence, over the rest no stream is kept open."""
        sent = min(gap, _SENT_GAP_S * self._rate)
        step = self._rate // 10
        for at in range(0, sent, step):
            await self._hear(np.zeros(min(step, sent - at), np.float32))
        if sent < gap:
            await self._complete()
            self._end += gap - sent

    async def _hear(self, samples: NDArray[np.float32]) -> None:
        pcm = to_pcm(self._resampler.push(samples))
        self._unheard.add(self._end, pcm, len(samples))
        self._end += len(samples)
        if self._listening is None:
            # Also what the one before had not heard to the end, if it broke.
            await self._begin()
            return
        try:
            await self._listening.stream.send(self._audio(pcm))
        except Unavailable as exc:
            await self._again(exc)

    async def _begin(self) -> None:
        """Opens a stream of Riva's with all that is unheard."""
        try:
            await self._send_unheard()
        except Unavailable as exc:
            await self._again(exc)

    async def _send_unheard(self) -> None:
        listening = _Listening(Clock(self._unheard.first_sample, self._rate), self._open, self._on_answer)
        self._listening = listening
        await listening.stream.send(self._configure)
        for pcm in self._unheard.pieces():
            await listening.stream.send(self._audio(pcm))

    async def _again(self, error: Unavailable) -> None:
        """Opens anew a stream that has broken, a few times, each after a longer wait; then raises what was wrong."""
        while self._listening is not None:
            if self._listening.age_s() > _STEADY_S:
                self._attempts = 0
            await self._listening.stream.close()
            self._listening = None
            self._stretch.lose()
            if not self._unheard:
                return
            if self._attempts == len(_BACKOFF_S):
                raise error
            _log.warning("stream_opened_again", reason=error.reason, detail=error.message, attempt=self._attempts + 1)
            await asyncio.sleep(_BACKOFF_S[self._attempts])
            self._attempts += 1
            try:
                await self._send_unheard()
                return
            except Unavailable as exc:
                error = exc

    async def _complete(self) -> None:
        """All that was sent is final when this returns."""
        while self._listening is not None:
            try:
                await self._listening.stream.complete()
                self._listening = None
            except Unavailable as exc:
                await self._again(exc)
        self._unheard.forget(self._end)
        self._attempts = 0

    def _on_answer(self, answer: Any, listening: _Listening) -> None:
        """An answer of Riva's: final results make place for what follows them, interim ones are shown."""
        interim = []
        for result in answer.results:
            if result.is_final:
                listening.final_s = max(listening.final_s, result.audio_processed)
                self._stretch.final(final_words(result, listening.clock, self._stretch.said_until))
                self._unheard.forget(self._stretch.said_until)
            elif not result.audio_processed or result.audio_processed >= listening.final_s:
                # Else it comes late: its words are final already.
                interim.append(result)
        if found := hypothesis(interim, listening.clock):
            self._stretch.hear(found)
        if self._config.partials and not self._flushing:
            self._tell(self._stretch.partial())

    def _tell(self, partial: Partial | None) -> None:
        """Shows what is understood, if it is anything new."""
        told = self._told
        if partial and (told is None or (partial.stable_text, partial.unstable_text) != (told.stable_text, told.unstable_text)):
            self._told = partial
            self._outbox.put(partial)

    async def flush(self, flush_id: int) -> None:
        await self._outbox.room()
        self._flushing = True
        await self._complete()
        self._flushing = False
        self._outbox.put(self._stretch.answer(flush_id, self._end, self._config.language))
        self._stretch, self._told = Stretch(self._end), None

    async def finish(self) -> None:
        await self.flush(0)
        self._outbox.end()

    def events(self) -> AsyncIterator[Event]:
        return self._outbox.events()

    async def close(self) -> None:
        if self._listening is not None:
            await self._listening.stream.close()
        self._outbox.end()


class _Listening:
    """One of Riva's streams, and where it lies in ours."""

    def __init__(self, clock: Clock, open_stream: Open, on_answer: Callable[[Any, _Listening], None]) -> None:
        self.clock = clock
        self.final_s = 0.0
        """The audio whose words are final ends here, in seconds of this stream."""
        self.stream = open_stream(lambda answer: on_answer(answer, self))
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.time()

    def age_s(self) -> float:
        return self._loop.time() - self._opened


class _Unheard:
    """The audio whose words are not final yet: at most `most` samples, the oldest are dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: deque[tuple[int, bytes, int]] = deque()
        self._samples = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def first_sample(self) -> int:
        return self._pieces[0][0]

    def pieces(self) -> tuple[bytes, ...]:
        return tuple(pcm for _, pcm, _ in self._pieces)

    def add(self, first_sample: int, pcm: bytes, samples: int) -> None:
        """`samples` of the stream, from `first_sample` on, as they are sent."""
        self._pieces.append((first_sample, pcm, samples))
        self._samples += samples
        while self._samples > self._most:
            self._drop()

    def forget(self, until_sample: int) -> None:
        """What begins before `until_sample` is final."""
        while self._pieces and self._pieces[0][0] < until_sample:
            self._drop()

    def _drop(self) -> None:
        self._samples -= self._pieces.popleft()[2]

"""One stream of the whisper engine: when to decode what, which words stand, and what can be forgotten.

Invariants: at most one decoding runs for a stream, and the newest audio wins; of the audio only the spectrogram since the
commit point is kept, never more than 30 s; words that were committed or sent as stable do not change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from enum import Enum, auto
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.asr.engine import Event, StreamConfig
from services.asr.engine import Final as FinalEvent
from services.asr.engines.outbox import Outbox
from services.asr.engines.speech_gate import SpeechGate
from services.asr.engines.whisper_answers import Answers
from services.asr.engines.whisper_decoder import Task
from services.asr.engines.whisper_ending import Endings, Judge, Settled
from services.asr.engines.whisper_features import LogMelStream
from services.asr.engines.whisper_rest import Decode, whole
from services.asr.engines.whisper_text import TimedWord
from services.asr.engines.whisper_transcript import Transcript
from services.asr.settings import WhisperOptions
from services.asr.voices.listening import Listening
from services.common.log_mel import FRAMES_PER_S, HOP_SAMPLES, SAMPLE_RATE_HZ
from services.common.resample import Resampler

#: Columns kept before the gate opens. The onset of a word is softer than what opens it, and Whisper errs less after silence:
#: on the 50 utterances of `make bench-asr` 8.7 % with 40 columns, 7.8 % with 60, 7.9 % with all there are.
_PRE_ROLL: Final = 80
#: Less speech than this between two flushes is a click or a breath.
_MIN_VOICED: Final = SAMPLE_RATE_HZ * 96 // 1000
#: With less speech than this a partial result would be a guess.
_MIN_GUESSED: Final = SAMPLE_RATE_HZ * 256 // 1000
#: After this much silence the words are decoded as if they were complete: so they are there when a flush comes, after 0.2 s.
_SETTLE: Final = SAMPLE_RATE_HZ * 64 // 1000
#: After this much silence it is found out who spoke.
_WHO: Final = SAMPLE_RATE_HZ * 128 // 1000
#: After this much silence they are committed and their audio is forgotten.
_CLOSE: Final = SAMPLE_RATE_HZ * 3 // 2
#: From this length on, partial results leave out older words: they must be cheap.
_ADVANCE: Final = 7 * FRAMES_PER_S
#: From this length on, older words are committed: the model sees 30 s at most, and errs more when it sees little.
_COMMIT: Final = 18 * FRAMES_PER_S
#: The latest words are never committed: what follows may change them.
_KEEP: Final = 3 * FRAMES_PER_S
#: With this much not committed the sender has to wait.
_FULL: Final = 24 * FRAMES_PER_S
#: A gap longer than this is not worth listening to: all that was said before it is committed by then.
_LISTENED_GAP_S: Final = 2


class _Kind(Enum):
    """Why something is decoded."""

    PARTIAL = auto()
    """To show what is understood so far: quick, with the stable words given."""
    COMMIT = auto()
    """To commit the older words of a long speech."""
    SETTLE = auto()
    """Nobody speaks: these are the final words unless somebody goes on."""


class WhisperSession:
    """See `services.asr.engine.Session`."""

    def __init__(
        self,
        config: StreamConfig,
        options: WhisperOptions,
        decode: Decode,
        gate: SpeechGate,
        listening: Listening | None = None,
        *,
        judge: Judge | None = None,
        mel: LogMelStream | None = None,
    ) -> None:
        self._config = config
        self._options = options
        self._decode = decode
        self._partial_columns = options.partial_ms * FRAMES_PER_S // 1000
        self._gate = gate
        self._listening = listening
        self._answers = Answers(config, gate, listening)
        self._resampler = Resampler(config.sample_rate_hz, SAMPLE_RATE_HZ)
        self._mel = mel or LogMelStream()
        self._transcript = Transcript()
        self._outbox = Outbox()
        self._next_sample = 0
        self._flushed_sample = 0
        self._speech_column: int | None = None
        self._open = False
        self._task: Task | None = None
        self._job: asyncio.Task[None] | None = None
        self._tried = 0
        self._shown_from = 0
        self._settled: Settled | None = None
        self._endings = Endings(judge, self._outbox, config.language, options)

    async def push(self, samples: NDArray[np.float32], start_sample: int) -> None:
        gap = start_sample - self._next_sample
        self._next_sample = start_sample + len(samples)
        if gap:
            await self._pause(gap)
        await self._hear(samples)

    async def _pause(self, gap: int) -> None:
        """A gap in the stream: the beginning is heard as silence, the rest is skipped in steps of one column."""
        rate = self._config.sample_rate_hz
        step = rate // FRAMES_PER_S
        skipped = max(0, gap - _LISTENED_GAP_S * rate) // step
        silence = np.zeros(gap - skipped * step, np.float32)
        for start in range(0, len(silence), rate // 10):
            await self._hear(silence[start : start + rate // 10])
            await self._idle()
        if skipped:
            self._mel.skip(skipped)
            self._gate.skip(skipped * HOP_SAMPLES)
            if self._listening:
                self._listening.skip(skipped * HOP_SAMPLES)

    async def _hear(self, samples: NDArray[np.float32]) -> None:
        audio = self._resampler.push(samples)
        self._mel.push(audio)
        self._gate.push(audio)
        if self._listening:
            self._listening.hear(audio)
        if not self._open and self._gate.speaking:
            self._open = True
            first = max(self._mel.start, self._gate.speech_start // HOP_SAMPLES - _PRE_ROLL)
            self._mel.forget(first)
            self._tried = self._shown_from = first
            if self._speech_column is None:
                self._speech_column = self._gate.speech_start // HOP_SAMPLES
        if self._open:
            await self._advance()
        else:
            self._mel.forget(self._mel.end - _PRE_ROLL)

    @property
    def _kept(self) -> int:
        return self._mel.end - self._mel.start

    @property
    def _spoken(self) -> bool:
        return self._gate.voiced >= _MIN_VOICED

    def _is_settled(self) -> bool:
        return self._settled is not None and self._settled.end * HOP_SAMPLES >= self._gate.speech_end

    async def _advance(self) -> None:
        """Starts the decoding that is due, if none runs."""
        silence = self._gate.position - self._gate.speech_end
        partials = self._config.partials
        if self._listening and self._speech_column is not None and self._spoken and _WHO <= silence < _CLOSE:
            self._listening.begin(self._speech_column * HOP_SAMPLES, self._gate.speech_end)
        if silence >= _CLOSE:
            await self._settle()
            self._close()
            return
        if self._job is not None:
            if not self._job.done() and self._kept < _FULL:
                if silence >= _SETTLE:
                    self._abandon_partial()
                return
            await self._idle()
        if not self._spoken:
            return
        if silence >= _SETTLE:
            if partials and not self._is_settled():
                self._start(_Kind.SETTLE)
        elif self._kept >= _COMMIT:
            self._start(_Kind.COMMIT)
        elif partials and self._gate.voiced >= _MIN_GUESSED and self._mel.end - self._tried >= self._partial_columns:
            self._start(_Kind.PARTIAL)

    def _start(self, kind: _Kind) -> None:
        quick = kind is _Kind.PARTIAL
        start, end = self._shown_from if quick else self._mel.start, self._mel.end
        options, transcript = self._options, self._transcript
        context = end - start + int((options.partial_padding_s if quick else options.padding_s) * FRAMES_PER_S)
        self._tried = end
        self._task = Task(
            columns=self._mel.cut(start, end),
            language=self._config.language,
            context=context if quick else max(context, int(options.context_s * FRAMES_PER_S)),
            prefix=transcript.prefix if quick else (),
            previous=transcript.shown_tokens if quick else transcript.committed_tokens,
            beam=1 if quick else options.beam,
            final=not quick,
            times=not quick or end - start >= _ADVANCE,
        )
        self._job = asyncio.create_task(self._run(kind, self._task, start, end), name="decode")
        if kind is _Kind.SETTLE:
            self._endings.prepare(end, self._task.columns)

    async def _run(self, kind: _Kind, task: Task, start: int, end: int) -> None:
        if kind is _Kind.PARTIAL:
            found = await self._decode(task)
        else:
            found = await whole(self._decode, task, self._answers.speech(start, end))
        if found is None or (found.looped and kind is _Kind.PARTIAL):
            return
        words, timed = found.words, [self._answers.placed(word, start) for word in found.timed]
        if self._transcript.empty and found.silent:
            words, timed = (), []
        if kind is _Kind.PARTIAL:
            self._transcript.hear(words)
            self._shown_from = round(self._transcript.advance(timed, end - _KEEP) or self._shown_from)
        else:
            self._transcript.show(words)
        if self._config.partials:
            self._report(end)
        if kind is _Kind.SETTLE:
            self._settled = Settled(end, timed, task.columns, found.encoded)
            if timed and self._is_settled():
                self._endings.begin(self._settled)
        elif kind is _Kind.COMMIT:
            self._commit(timed, end)

    def _report(self, end: int) -> None:
        partial = self._answers.partial(self._transcript, self._speech_column or 0, end, self._next_sample)
        if partial is not None:
            self._outbox.put(partial)

    def _commit(self, timed: Sequence[TimedWord], end: int) -> None:
        """Commits what may be; all of it where there is no place to cut, so that what is kept stays bounded."""
        until = min(end - _KEEP, self._shown_from) if self._config.partials else end - _KEEP
        cut = self._transcript.commit(timed, until)
        if cut is None:
            self._transcript.close(timed)
            self._shown_from = end
        self._mel.forget(end if cut is None else round(cut))
        self._settled = None

    def _close(self) -> None:
        """Commits what is settled and waits for speech again."""
        if self._settled is not None:
            self._transcript.close(self._settled.words)
        self._settled = None
        self._open = False
        self._gate.restart()
        self._mel.forget(self._mel.end - _PRE_ROLL)

    async def _settle(self) -> None:
        """Decodes what was said since the commit point, unless that is done. A partial result is not waited for."""
        self._abandon_partial()
        await self._idle()
        if self._open and self._spoken and not self._is_settled():
            self._start(_Kind.SETTLE)
            await self._idle()

    def _abandon_partial(self) -> None:
        """The complete words are wanted now, and a partial result would only be in their way."""
        if self._task is not None and not self._task.final:
            self._task.abandoned.set()

    async def _idle(self) -> None:
        """Waits for the decoding that runs, and raises what went wrong in it."""
        if self._job is not None:
            job, self._job = self._job, None
            await job

    async def flush(self, flush_id: int) -> None:
        await self._outbox.room()
        await self._settle()
        words = [*self._transcript.committed, *(self._settled.words if self._settled else ())]
        final = await self._answers.final(flush_id, words, self._flushed_sample, self._next_sample)
        self._outbox.put(final)
        if isinstance(final, FinalEvent) and self._settled is not None:
            await self._endings.tell(final, self._settled)
        self._transcript = Transcript()
        self._settled = self._speech_column = None
        self._open = False
        self._flushed_sample = self._next_sample
        self._gate.restart()
        self._mel.forget(self._mel.end)

    async def finish(self) -> None:
        await self.flush(0)
        await self._endings.finish()
        self._outbox.end()

    def events(self) -> AsyncIterator[Event]:
        return self._outbox.events()

    async def close(self) -> None:
        if self._task is not None:
            self._task.abandoned.set()
        if self._job is not None:
            self._job.cancel()
        self._endings.close()
        if self._listening:
            self._listening.close()
        self._outbox.end()

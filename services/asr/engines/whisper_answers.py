"""The results of one stream as the engine's contract has them: columns of the spectrogram become samples, voices become ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.asr.engine import Final, NoSpeech, Partial, StreamConfig, Word
from services.asr.engines.speech_gate import SpeechGate
from services.asr.engines.whisper_text import TimedWord
from services.asr.engines.whisper_transcript import Transcript
from services.asr.voices.listening import Listening
from services.common.log_mel import FRAMES_PER_S, HOP_SAMPLES


class Answers:
    """Columns count from the start of the stream, 100 a second; samples are the caller's."""

    def __init__(self, config: StreamConfig, gate: SpeechGate, listening: Listening | None) -> None:
        self._config = config
        self._gate = gate
        self._listening = listening

    def sample(self, column: float) -> int:
        """Where a column begins."""
        return round(column * self._config.sample_rate_hz / FRAMES_PER_S)

    def speech(self, start: int, end: int) -> list[tuple[float, float]]:
        """Where somebody speaks between two columns of the stream, in columns from the first one."""
        found = self._gate.speech(start * HOP_SAMPLES, end * HOP_SAMPLES)
        return [(first / HOP_SAMPLES - start, last / HOP_SAMPLES - start) for first, last in found]

    def placed(self, word: TimedWord, columns: int) -> TimedWord:
        """The word in columns of the stream. Attention counts pauses to the words beside them; the gate knows better."""
        at = [round((columns + time) * HOP_SAMPLES) for time in (word.start, word.end)]
        start, end = self._gate.within_speech(at[0], at[1])
        return replace(word, start=start / HOP_SAMPLES, end=end / HOP_SAMPLES)

    def partial(self, transcript: Transcript, start: int, end: int, last_sample: int) -> Partial | None:
        """What is understood so far of the speech between two columns; None: nothing."""
        stable, unstable = transcript.stable_text, transcript.unstable_text
        if not (stable or unstable):
            return None
        speaker = self._listening.latest if self._listening else ""
        return Partial(stable, unstable, self.sample(start), min(self.sample(end), last_sample), speaker)

    async def final(self, flush_id: int, timed: Sequence[TimedWord], first_sample: int, last_sample: int) -> Final | NoSpeech:
        """The answer to a flush of [first_sample, last_sample)."""
        if not timed:
            return NoSpeech(flush_id, first_sample, last_sample)
        words = [
            Word(
                word.text.strip(),
                max(first_sample, self.sample(word.start)),
                min(last_sample, self.sample(word.end)),
                word.confidence,
            )
            for word in timed
        ]
        text = "".join(word.text for word in timed).strip()
        start, end = words[0].start_sample, words[-1].end_sample
        speaker, given_up = "", dict[str, str]()
        if self._listening is not None:
            speaker = await self._listening.who(round(timed[0].start * HOP_SAMPLES), max(self._gate.speech_end, 0))
            given_up = self._listening.given_up
        return Final(flush_id, text, words, start, end, self._config.language, speaker, given_up)

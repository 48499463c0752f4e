"""One stream of any engine: segments, the end of the turn, overlap and backchannel opportunities, in the order of the audio.

Invariant: all events of one window of 32 ms are given before the next window is heard, so results depend on the audio alone and
not on how it was cut into messages. Inside, samples are at 16 kHz; events are on the user's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.ending import Ending
from services.common.reading.readers import LANGUAGES, reader
from services.common.reading.reading import Reading
from services.common.resample import Resampler
from services.turn.engine import (
    BackchannelOpportunity,
    EndOfTurn,
    Event,
    Overlap,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
    StreamConfig,
)
from services.turn.engines.echo import BandEnergies
from services.turn.engines.estimate import OVER, Estimate, Estimator, Words
from services.turn.engines.overlap import OverlapJudge
from services.turn.engines.segments import RATE_HZ, WINDOW, Segmenter, Window
from services.turn.engines.suspicion import Suspicion

#: Audio kept for the model of the end of the turn, and a little of what came before the turn.
_KEPT: Final = 8 * RATE_HZ
_BEFORE_TURN: Final = RATE_HZ // 2
#: `end_of_turn` is said again when the probability has changed by this much, or what waiting costs has grown so many times.
_NEWS: Final = 0.01
_COST_NEWS: Final = 1.05
#: A longer gap in the audio is skipped once the turn in it is over.
_GAP: Final = 4 * RATE_HZ
#: Words are about the speech that just ended when they reach this close to its end: a missing last word would mislead.
_WORDS_REACH: Final = RATE_HZ // 10
_OPPORTUNITY_S: Final = (0.2, 0.4)
#: Who speaks sooner after the persona took the floor had not finished.
_GOES_ON: Final = RATE_HZ // 2
_LONG_TURN: Final = 3 * RATE_HZ


class TurnSession:
    """See services.turn.engine.Session. `judge_s` of None leaves overlap and backchannel opportunities out."""

    def __init__(
        self,
        config: StreamConfig,
        segmenter: Segmenter,
        estimator: Callable[[Callable[[], NDArray[np.float32]]], Estimator],
        judge_s: float | None = None,
    ) -> None:
        self._rate = config.user_rate_hz
        self._bot_rate = config.bot_rate_hz
        self._reader = reader(config.language or LANGUAGES[0])
        self._resampler = Resampler(self._rate, RATE_HZ)
        self._segmenter = segmenter
        self._estimator = estimator(self._turn_audio)
        self._user_end = 0
        self._bot_end = 0
        self._rest = np.zeros(0, np.float32)
        self._audio: deque[NDArray[np.float32]] = deque(maxlen=_KEPT // WINDOW)
        self._speaker = ""
        self._user = BandEnergies(RATE_HZ)
        self._bot = BandEnergies(self._bot_rate or RATE_HZ)
        self._judge = OverlapJudge(self._user, self._bot, judge_s) if judge_s is not None else None
        self._compares = judge_s is not None and bool(self._bot_rate)
        self._suspicion = Suspicion()
        self._bot_heard = False
        self._taken: int | None = None
        self._turn_start: int | None = None
        self._segment_start = 0
        self._spoken = 0
        self._silent_since: int | None = None
        self._said, self._said_cost_s = -1.0, 0.0
        self._offered = False
        self._words_end = 0
        self._ending: Ending | None = None
        self._words_id: int | None = None
        self._reading: Reading | None = None

    def push_user(self, samples: NDArray[np.float32], start_sample: int, speaker: str) -> Iterator[Event]:
        """See Session."""
        if start_sample > self._user_end:
            yield from self._silence(start_sample - self._user_end)
        self._speaker = speaker
        self._user_end = start_sample + len(samples)
        yield from self._hear(self._resampler.push(samples))

    def push_bot(self, samples: NDArray[np.float32], start_sample: int) -> list[Event]:
        """See Session."""
        if start_sample > self._bot_end:
            self._bot.skip(start_sample - self._bot_end)
        self._bot_end = start_sample + len(samples)
        self._bot.push(samples)
        return []

    def push_words(
        self, stable_text: str, unstable_text: str, end_sample: int, ending: Ending | None = None
    ) -> Iterator[Event]:
        """See Session."""
        self._words_end, self._ending = round(end_sample * RATE_HZ / self._rate), ending
        if self._judge is not None and self._reader is not None:
            self._judge.heard(self._reader.read(f"{stable_text} {unstable_text}"), self._words_end)
        if ending is not None and self._silent_since is not None:
            yield from self._end_of_turn(self._segmenter.end, self._silent_since, asked=True)

    def push_turn_words(self, text: str, words_id: int) -> Iterator[Event]:
        """See Session."""
        self._words_id = words_id
        self._reading = self._reader.read(text) if self._reader is not None and text else None
        if text and self._silent_since is not None:
            yield from self._end_of_turn(self._segmenter.end, self._silent_since, asked=True)

    def turn_taken(self, at_sample: int) -> None:
        """See Session."""
        self._taken = round(at_sample * RATE_HZ / self._rate)

    def finish(self) -> Iterator[Event]:
        """See Session."""
        if self._segmenter.speaking:
            last = self._segmenter.stop()
            yield SpeechStopped(self._sample(last), self._user_end)
            self._silent_since = last
        echo = self._judge is not None and self._judge.not_speech
        if self._silent_since is not None and self._said < 1 and not echo:
            yield self._ended(OVER, self._silent_since, self._user_end)

    def close(self) -> None:
        """See Session."""

    def _silence(self, samples: int) -> Iterator[Event]:
        """A gap: heard as far as it may still say something, then skipped."""
        heard = min(samples, _GAP * self._rate // RATE_HZ)
        for at in range(0, heard, self._rate // 10):
            self._user_end += min(self._rate // 10, heard - at)
            yield from self._hear(self._resampler.push(np.zeros(min(self._rate // 10, heard - at), np.float32)))
        rest = (samples - heard) * RATE_HZ // self._rate // WINDOW
        if rest:
            self._segmenter.skip(rest)
            if self._compares:
                self._user.skip(rest * WINDOW)
                self._suspicion.skip(rest * WINDOW)
            self._audio.clear()

    def _hear(self, audio: NDArray[np.float32]) -> Iterator[Event]:
        known = len(self._rest)
        audio = np.concatenate([self._rest, audio])
        whole = len(audio) // WINDOW * WINDOW
        for begin in range(0, whole, WINDOW):
            samples = audio[begin : begin + WINDOW]
            yield from self._suspect(audio[max(known, begin) : begin + WINDOW])
            self._audio.append(samples)
            if self._compares:
                self._user.push(samples)
            yield from self._window(self._segmenter.push(samples))
        yield from self._suspect(audio[max(known, whole) :])
        self._rest = audio[whole:]

    def _suspect(self, audio: NDArray[np.float32]) -> Iterator[Event]:
        if self._judge is None or not self._compares:
            return
        persona, speech = self._judge.bot_sounding(self._suspicion.end + len(audio)), self._segmenter.speaking
        began = self._suspicion.push(audio, persona=persona, speech=speech)
        if began is not None:
            yield SpeechSuspected(self._sample(began), self._sample(self._suspicion.end))

    def _window(self, window: Window) -> Iterator[Event]:
        now = self._sample(window.end)
        if window.started is not None:
            yield SpeechStarted(self._sample(window.started), now, self._speaker)
            self._begin_speech(window)
        elif window.stopped:
            yield SpeechStopped(self._sample(window.last_speech), now)
            self._begin_silence(window)
        yield from self._overlap(window, now)
        if self._silent_since is not None:
            yield from self._end_of_turn(window.end, self._silent_since)

    def _begin_speech(self, window: Window) -> None:
        start = window.started or 0
        if self._taken is not None and start >= self._taken:
            # Sooner, the turn goes on, and what is said later in it is no other one either.
            self._turn_start = None if start >= self._taken + _GOES_ON else self._turn_start
            self._taken = None
        if self._turn_start is None:
            self._turn_start, self._spoken = start, 0
        self._segment_start = start
        self._silent_since = None
        if self._judge is not None:
            self._judge.started(start, window.end)

    def _begin_silence(self, window: Window) -> None:
        self._silent_since = window.last_speech
        self._spoken += window.last_speech - self._segment_start
        self._said, self._said_cost_s, self._offered = -1.0, 0.0, False
        self._estimator.begin()
        if self._judge is not None:
            self._judge.stopped(window.last_speech)

    def _overlap(self, window: Window, now: int) -> Iterator[Event]:
        if self._judge is None or not self._compares:
            return
        sounding = self._judge.bot_sounding(window.end)
        if sounding and not self._bot_heard and window.speaking:
            self._judge.persona_began(window.end)
        self._bot_heard = sounding
        verdict = self._judge.tick(window.end, window.probability, window.last_speech)
        if verdict is not None:
            yield Overlap(verdict.kind, verdict.probability, self._sample(verdict.start), now)

    def _end_of_turn(self, now: int, since: int, *, asked: bool = False) -> Iterator[Event]:
        """What is known of this silence, if it is news or was just asked for by new words."""
        if self._judge is not None and self._judge.not_speech:
            return
        if self._said >= 1:
            if asked:
                yield self._ended(OVER, since, self._sample(now))
            return
        silence_s = (now - since) / RATE_HZ
        known = self._words_end > since - _WORDS_REACH
        words = Words(self._reading, self._ending) if known else Words()
        estimate = self._estimator.estimate(silence_s, words)
        grown = estimate.waiting_cost_s > _COST_NEWS * self._said_cost_s
        news = grown or abs(estimate.probability - self._said) >= _NEWS or estimate.probability >= 1
        if not (news or asked):
            return
        self._said, self._said_cost_s = estimate.probability, estimate.waiting_cost_s
        yield self._ended(estimate, since, self._sample(now))
        if estimate.probability >= 1:
            self._turn_start = None
        elif self._judge is not None and self._fits_backchannel(silence_s, estimate.probability):
            self._offered = True
            yield BackchannelOpportunity(1 - estimate.probability, self._sample(now))

    def _ended(self, estimate: Estimate, since: int, detected_at: int) -> EndOfTurn:
        at = self._sample(since), detected_at
        return EndOfTurn(estimate.probability, *at, self._words_id, self._reading, estimate.waiting_cost_s)

    def _fits_backchannel(self, silence_s: float, probability: float) -> bool:
        """A pause that invites one, inside a turn that is not about to end, while the persona is silent."""
        return not self._offered and probability < 0.5 and not self._bot_heard and self._invites(silence_s)

    def _invites(self, silence_s: float) -> bool:
        """A short pause of a long turn."""
        return _OPPORTUNITY_S[0] <= silence_s <= _OPPORTUNITY_S[1] and self._spoken >= _LONG_TURN

    def _turn_audio(self) -> NDArray[np.float32]:
        """This turn so far, with half a second before it, at most 8 s: float32 [n] at 16 kHz."""
        start = self._turn_start if self._turn_start is not None else self._segment_start
        audio = np.concatenate(self._audio)
        return audio[-(self._segmenter.end - max(0, start - _BEFORE_TURN)) :]

    def _sample(self, at: int) -> int:
        return round(at * self._rate / RATE_HZ)

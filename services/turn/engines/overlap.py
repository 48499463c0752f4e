"""What a sound of the user over the persona's speech is: an interruption, a backchannel, or not meant as speech at all.

A verdict falls at the latest `judge_s` after the sound began, from what is known by then; later evidence may correct it, always
with the same start. While the sound goes on, or has ended and its words are not known, that verdict is a guess and says so: its
probability is below `SURE`. The persona is held meanwhile, so a late verdict costs a little silence, and a wrong one its
sentence. The rules, in this order:

1. It is the persona's own voice coming back (see echo): NOT_SPEECH, for as long as it stays one.
2. Its words ask for the floor ("stop", "no", "what"): INTERRUPTION, however short it is.
3. It goes on: an INTERRUPTION, surely so from 0.75 s on, or from 1.2 s when its words acknowledge.
4. It was short: BACKCHANNEL, once its words do not ask for the floor, or have not come in time. Half of all backchannels are
   shorter than 0.25 s, a drawn "mm-hm" takes 0.6 s. What else the words say is not believed: of a hum of half a second speech
   recognition makes "Mama" or "I don't know".
5. It was long: INTERRUPTION, unless its words acknowledge ("oh yeah, right").

Before 3 to 5: the detector was never sure that it was speech: NOT_SPEECH.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.common.reading.reading import LIKELY, Reading
from services.turn.engine import OverlapKind
from services.turn.engines.echo import BandEnergies, is_echo, likeness

RATE_HZ: Final = 16_000
_FRAME: Final = RATE_HZ // 100
#: Sound before the noticed onset that is compared too.
_BEFORE_S: Final = 0.1
#: Less than this is not compared.
_LEAST_ECHO_S: Final = 0.3
_LONGEST_ECHO_S: Final = 0.6
_ECHO_AGAIN_S: Final = 0.2
#: From this probability on a verdict is more than a guess.
SURE: Final = 0.6
_GUESS: Final = 0.5
#: Of less than this, the words of a part are not believed.
_HALF: Final = RATE_HZ // 2
_SHORT: Final = RATE_HZ * 75 // 100
_LONG: Final = RATE_HZ * 12 // 10
#: Silence after which it has probably ended; the segment needs longer to say so.
_BREATH: Final = RATE_HZ * 6 // 100
#: The words of a short sound are awaited for so long after its end.
_PATIENCE: Final = RATE_HZ * 45 // 100
#: Words that end this close to it are the words of all of it: of the first half of "stop" recognition makes "start".
_WORDS_REACH: Final = RATE_HZ // 10
#: Words that come later than this after the sound correct nothing any more.
_LATE_WORDS_S: Final = 2.0
#: A probability of speech that was never above this, averaged over some windows, is that of a cough, laughter or noise.
_DOUBT: Final = 0.6
_REMEMBERED: Final = 0.7
#: The persona counts as speaking this long after (and a little before) its last sound: it is heard later than it is sent.
_AFTERGLOW_S: Final = 0.4
_FORESIGHT_S: Final = 0.2


_NO_WORDS: Final = Reading(says_nothing=1.0)


@dataclass(frozen=True)
class Verdict:
    kind: OverlapKind
    probability: float
    start: int


@dataclass
class _Sound:
    """One segment of user speech over the persona; samples at 16 kHz."""

    start: int
    end: int = 0
    """0 while it goes on."""
    last: int = 0
    """One past its last speech so far."""
    windows: int = 0
    speech: float = 0.0
    """Running average of the detector's probability, and the highest that it has been."""
    confidence: float = 1.0
    words: Reading = _NO_WORDS
    words_end: int = 0
    """What they cover."""
    verdict: OverlapKind | None = None
    sure: bool = False
    """The verdict is more than a guess."""
    compared_at: int = 0
    alike: float = 0.0
    unlike: int = 0
    echo: bool = False

    def take(self, probability: float) -> None:
        """One more window."""
        self.windows += 1
        keep = min(_REMEMBERED, 1 - 1 / self.windows)
        self.speech = keep * self.speech + (1 - keep) * probability
        self.confidence = max(self.confidence, self.speech) if self.windows > 2 else self.speech


class OverlapJudge:
    """One stream. `user` and `bot` are the two sides' sounds, kept up to date by the session."""

    def __init__(self, user: BandEnergies, bot: BandEnergies, judge_s: float) -> None:
        self._user = user
        self._bot = bot
        self._judge = round(judge_s * RATE_HZ)
        self._sound: _Sound | None = None

    def bot_sounding(self, at: int) -> bool:
        """The persona is heard at 16 kHz sample `at` of the user's clock."""
        return self._bot.sounding(self._frame(at, -_AFTERGLOW_S), self._frame(at, _FORESIGHT_S))

    @property
    def not_speech(self) -> bool:
        """The newest sound was judged not to be speech."""
        return self._sound is not None and self._sound.verdict is OverlapKind.NOT_SPEECH

    def started(self, start: int, noticed: int) -> None:
        """User speech began at `start`."""
        self._sound = _Sound(start) if self.bot_sounding(noticed) or self.bot_sounding(start) else None

    def persona_began(self, at: int) -> None:
        """The persona began to speak while the user was speaking."""
        if self._sound is None:
            self._sound = _Sound(at)

    def stopped(self, end: int) -> None:
        """The speech ended at `end`."""
        if self._sound is not None:
            self._sound.end = end

    def heard(self, words: Reading, end: int) -> None:
        """How the words are read that cover user audio up to `end`."""
        sound = self._sound
        if sound is not None and end > sound.start and (not sound.end or end < sound.end + _LATE_WORDS_S * RATE_HZ):
            sound.words, sound.words_end = words, end

    def tick(self, now: int, speech: float, last_speech: int) -> Verdict | None:
        """One more window of user audio ended at `now` with this probability of speech; a new verdict if there is one."""
        sound = self._sound
        if sound is None:
            return None
        if not sound.end:
            sound.last = last_speech
            if now - last_speech < _BREATH:
                sound.take(speech)
        elif sound.end and now > sound.end + _LATE_WORDS_S * RATE_HZ:
            return None
        if sound.verdict is OverlapKind.INTERRUPTION and sound.sure:
            return None
        kind, probability = self._echo(sound, now) or self._meaning(sound, now)
        sure = probability >= SURE
        said = kind is sound.verdict if sound.sure else not sure and sound.verdict is not None
        if kind is None or said:
            return None
        sound.verdict, sound.sure = kind, sure
        return Verdict(kind, probability, sound.start)

    def _echo(self, sound: _Sound, now: int) -> tuple[OverlapKind, float] | None:
        """NOT_SPEECH while it is an echo; a sound once judged so must be unlike twice running to be heard as itself."""
        end = sound.end or now
        due = sound.compared_at <= end and (
            now - sound.compared_at >= _ECHO_AGAIN_S * RATE_HZ or (sound.verdict is None and now - sound.start >= self._judge)
        )
        if due and end - sound.start >= _LEAST_ECHO_S * RATE_HZ:
            sound.compared_at = now
            last = min(self._frame(end, 0), self._user.end)
            first = max(self._frame(sound.start, -_BEFORE_S), last - round(_LONGEST_ECHO_S * 100))
            sound.alike = likeness(self._user, self._bot, first, last)
            alike = is_echo(sound.alike, last - first)
            sound.unlike = 0 if alike else sound.unlike + 1
            sound.echo = alike or (sound.echo and sound.unlike < 2)
        return (OverlapKind.NOT_SPEECH, min(0.99, 0.5 + sound.alike / 2)) if sound.echo else None

    def _meaning(self, sound: _Sound, now: int) -> tuple[OverlapKind | None, float]:
        over = bool(sound.end) or now - sound.last >= _BREATH
        length = (sound.last if over else now) - sound.start
        acknowledges = sound.words.acknowledges >= LIKELY
        known = sound.words.says_nothing < LIKELY and sound.words_end >= sound.last - _WORDS_REACH
        if sound.words.wants_floor >= LIKELY and (known or length >= _HALF):
            return OverlapKind.INTERRUPTION, 0.9
        late = now - sound.start >= self._judge
        if (over or late) and sound.confidence < _DOUBT:
            return OverlapKind.NOT_SPEECH, max(SURE, 1 - sound.confidence)
        if length > (_LONG if acknowledges else _SHORT):
            return OverlapKind.INTERRUPTION, 0.75
        if over and acknowledges:
            return OverlapKind.BACKCHANNEL, 0.9
        if over and (known or now - sound.last >= _PATIENCE):
            return OverlapKind.BACKCHANNEL, 0.65
        return (OverlapKind.BACKCHANNEL if over else OverlapKind.INTERRUPTION, _GUESS) if late else (None, 0.0)

    def _frame(self, sample: int, offset_s: float) -> int:
        return sample // _FRAME + round(offset_s * 100)

"""What there is to draw: sounds, expressions and looks, in the units to which they belong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.common.playout.playout import Playout
from services.face.engine import AHEAD_S, Cue, Look, Phoneme
from services.face.slots import Slots

RATE = 24_000
UNIT = 960


def voice(samples: int, value: float = 0.5) -> NDArray[np.float32]:
    return np.full(samples, value, np.float32)


class Stream:
    """A playout, and what is drawn of it."""

    def __init__(self) -> None:
        self.playout = Playout(RATE)
        self.slots = Slots(self.playout)

    def say(
        self, turn_id: int, samples: int, start: int = 0, phonemes: list[Phoneme] | None = None, cue: Cue | None = None
    ) -> None:
        self.playout.push(turn_id, voice(samples), start)
        self.slots.speech(turn_id, start, phonemes or [], cue)

    def cues(self, units: int) -> list[Cue | None]:
        """Those of the units that leave next."""
        shown = []
        for _ in range(units):
            shown.append(self.slots.plan().cue)
            self.playout.emit()
        return shown


def test_speech_that_comes_after_the_plan_is_heard_at_once_and_seen_next() -> None:
    stream = Stream()
    assert stream.slots.plan().turn_id == 0
    stream.say(1, 2 * UNIT)
    assert stream.playout.emit().turn_id == 1
    slot = stream.slots.plan()
    assert (slot.turn_id, slot.turn_sample, slot.index) == (1, UNIT, 1)
    assert slot.pcm.min() == 0.5


def test_a_pause_after_the_plan_takes_the_voice_away_and_is_seen_next() -> None:
    stream = Stream()
    stream.say(1, 2 * UNIT)
    assert not stream.slots.plan().paused
    stream.playout.pause()
    assert stream.playout.emit().turn_id == 0
    slot = stream.slots.plan()
    assert slot.paused
    assert not slot.pcm.any()


def test_the_slot_shows_the_phonemes_around_it() -> None:
    stream = Stream()
    sounds = [Phoneme(chr(97 + number), number * 4800, (number + 1) * 4800, 0) for number in range(8)]
    for start in range(0, 38_400, 2400):
        stream.say(1, 2400, start, [item for item in reversed(sounds) if start <= item.start_sample < start + 2400])
    assert "".join(item.symbol for item in stream.slots.plan().phonemes) == "ab"
    stream.cues(20)
    slot = stream.slots.plan()
    assert slot.turn_sample == 19_200
    assert "".join(item.symbol for item in slot.phonemes) == "cdef"


def test_the_slot_shows_a_little_of_what_follows() -> None:
    stream = Stream()
    stream.say(1, UNIT + 200)
    assert len(stream.slots.plan().ahead) == 200
    stream.say(1, 5 * UNIT, start=UNIT + 200)
    assert len(stream.slots.plan().ahead) == round(AHEAD_S * RATE)
    assert len(Stream().slots.plan().ahead) == 0


def test_the_sounds_of_a_little_word_are_its_own() -> None:
    stream = Stream()
    stream.say(1, UNIT, phonemes=[Phoneme("a", 0, 900, 0)])
    stream.playout.aside(voice(2 * UNIT))
    stream.slots.aside([Phoneme("m", 0, 1900, 0)])
    seen = []
    stream.playout.end(1)
    for _ in range(3):
        slot = stream.slots.plan()
        seen.append((np.sign(slot.turn_id), [phoneme.symbol for phoneme in slot.phonemes]))
        stream.playout.emit()
    assert seen == [(1, ["a"]), (-1, ["m"]), (0, [])], "who has the floor is seen; both are heard"


SMILE = Cue("warm_smile", 1.0)


def test_an_expression_begins_with_its_message_and_ends_with_the_reply() -> None:
    stream = Stream()
    stream.say(1, UNIT)
    stream.say(1, UNIT, UNIT, cue=SMILE)
    stream.playout.end(1)
    assert stream.cues(3) == [None, SMILE, None]


def test_an_expression_of_a_reply_stays_while_its_voice_is_held_and_goes_when_it_is_cleared() -> None:
    stream = Stream()
    stream.say(1, 9 * UNIT, cue=SMILE)
    assert stream.cues(1) == [SMILE]
    stream.playout.pause()
    assert stream.cues(2) == [SMILE, SMILE]
    stream.playout.clear(2)
    assert stream.cues(1) == [None]


def test_an_expression_outside_a_reply_lasts_a_few_seconds() -> None:
    stream = Stream()
    stream.slots.look = Look.LISTENING
    nod = Cue("nod", 0.5)
    stream.slots.express(nod)
    assert stream.slots.plan().look is Look.LISTENING
    assert stream.cues(101) == [nod] * 100 + [None]
    stream.slots.express(nod)
    stream.slots.express(Cue("neutral", 1.0))
    assert stream.cues(1) == [None]

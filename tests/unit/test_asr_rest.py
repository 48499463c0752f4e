"""What the decoder leaves out behind a pause is decoded by itself, once, and only when it is sure of it."""

from __future__ import annotations

import numpy as np
import pytest

from services.asr.engines.whisper_decoder import Hypothesis, Task
from services.asr.engines.whisper_rest import whole
from services.asr.engines.whisper_text import TimedWord

#: Half a second of speech, a pause, and five seconds of speech.
SPEECH = [(20.0, 70.0), (150.0, 650.0)]
COLUMNS = 700


def word(text: str, start: float, end: float, confidence: float = 0.9) -> TimedWord:
    return TimedWord(f" {text}", (len(text),), start, end, confidence)


class Scripted:
    """Says these words, one list a decoding."""

    def __init__(self, *answers: list[TimedWord] | None) -> None:
        self._answers = list(answers)
        self.tasks: list[Task] = []

    async def __call__(self, task: Task) -> Hypothesis | None:
        self.tasks.append(task)
        said = self._answers.pop(0)
        return None if said is None else Hypothesis(tuple(said), tuple(said), looped=False, silent=False)


def task() -> Task:
    return Task(np.zeros((80, COLUMNS), np.float32), "en", 1200, previous=(7,), beam=5, final=True, times=True)


async def heard(decode: Scripted, speech: list[tuple[float, float]] = SPEECH) -> list[tuple[str, float, float]]:
    found = await whole(decode, task(), speech)
    assert found is not None
    assert found.words == found.timed
    return [(each.text.strip(), each.start, each.end) for each in found.timed]


@pytest.mark.parametrize("end", [60.0, 700.0], ids=["the end is seen too early", "the last word seems to last"])
async def test_what_was_said_behind_a_pause_is_found(end: float) -> None:
    decode = Scripted([word("well", 20, end)], [word("not", 50, 80), word("yet", 300, 540)])
    assert await heard(decode) == [("well", 20, 70), ("not", 160, 190), ("yet", 410, 650)]
    rest = decode.tasks[1]
    assert rest.columns.shape[1] == COLUMNS - 110
    assert rest.previous == (7, 4)
    assert (rest.beam, rest.final, rest.times) == (5, True, True)


async def test_words_that_cover_the_speech_are_decoded_once() -> None:
    decode = Scripted([word("well", 20, 65), word("not", 140, 400), word("yet", 400, 655)])
    assert len(await heard(decode)) == 3
    assert len(decode.tasks) == 1


async def test_word_times_may_be_a_little_off_beside_a_pause() -> None:
    decode = Scripted([word("well", 20, 200), word("not", 200, 400), word("yet", 400, 655)])
    assert len(await heard(decode)) == 3
    assert len(decode.tasks) == 1


async def test_a_long_sound_without_a_pause_is_one_word() -> None:
    decode = Scripted([word("sooo", 20, 700)])
    assert await heard(decode, [(20.0, 650.0)]) == [("sooo", 20, 700)]


@pytest.mark.parametrize("guess", [[], [word("thanks", 50, 80, 0.3)]], ids=["nothing", "a guess"])
async def test_a_guess_does_not_overrule_the_decoder(guess: list[TimedWord]) -> None:
    assert await heard(Scripted([word("well", 20, 60)], guess)) == [("well", 20, 60)]


async def test_it_comes_to_an_end_whatever_is_left_out() -> None:
    speech = [(100.0 * at, 100.0 * at + 70) for at in range(7)]
    decode = Scripted(*([word("um", 0, 30)] for _ in range(7)))
    said = await heard(decode, speech)
    assert len(decode.tasks) <= 7
    assert [start for _, start, _ in said] == sorted(start for _, start, _ in said)


async def test_what_is_no_longer_wanted_is_nothing() -> None:
    assert await whole(Scripted(None), task(), SPEECH) is None
    assert await whole(Scripted([word("well", 20, 60)], None), task(), SPEECH) is None

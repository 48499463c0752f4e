"""When the whisper session decodes what: with a scripted decoder, and no time passing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from services.asr.engine import Ends, Event, Final, NoSpeech, Partial, StreamConfig
from services.asr.engines.decode_pool import DecodePool
from services.asr.engines.speech_gate import SpeechGate
from services.asr.engines.whisper_decoder import Hypothesis, Task
from services.asr.engines.whisper_ending import Judge, Question
from services.asr.engines.whisper_session import WhisperSession
from services.asr.engines.whisper_text import TimedWord
from services.asr.settings import WhisperOptions
from services.common.ending import Ending
from tests.harness.waiting import until

RATE = 16_000
CHUNK = RATE // 50
#: The scripted speaker says one word in 40 columns.
WORD = 40


class Loud:
    def probability(self, window: Any, state: Any) -> tuple[float, Any]:
        return float(np.abs(window[64:]).max() > 0.05), state


class Scripted:
    """Hears a word every 400 ms of what it is given; can be held up."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.running = 0
        self.most_running = 0
        self.go = asyncio.Event()
        self.go.set()
        self.fails = False
        self.silent = False

    async def __call__(self, task: Task) -> Hypothesis | None:
        self.tasks.append(task)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        await self.go.wait()
        self.running -= 1
        if self.fails:
            raise RuntimeError("broken")
        if task.abandoned.is_set():
            return None
        # Words are numbered on from what was said before, as a real decoder does.
        first = task.prefix[0] if task.prefix else (task.previous[-1] + 1 if task.previous else 0)
        count = max(1, len(task.prefix), task.columns.shape[1] // WORD)
        timed = tuple(TimedWord(f" w{first + at}", (first + at,), at * WORD, at * WORD + 30, 0.9) for at in range(count))
        return Hypothesis(timed, timed if task.times else (), looped=False, silent=self.silent)


class Hasty(Scripted):
    """Takes the first pause for the end, once."""

    async def __call__(self, task: Task) -> Hypothesis | None:
        found = await super().__call__(task)
        assert found is not None
        if task.previous or not task.final:
            return found
        return replace(found, words=found.words[:2], timed=found.timed[:2])


class ScriptedJudge:
    """Hears a full stop everywhere; can be held up."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.encoded: list[Any] = []
        self.go = asyncio.Event()
        self.go.set()

    @property
    def judge(self) -> Judge:
        return Judge(self._encode, self._tell)

    async def _encode(self, columns: Any, context: int) -> Any:
        assert context >= columns.shape[1]
        self.encoded.append(columns)
        return columns

    async def _tell(self, question: Question) -> Ending | None:
        self.asked.append(question)
        await self.go.wait()
        return None if question.abandoned.is_set() else Ending(1.0, 0.0, 0.0)


class Stream:
    """A session and what came out of it."""

    def __init__(
        self, decode: Scripted, *, partials: bool = True, judge: ScriptedJudge | None = None, language: str = "en"
    ) -> None:
        gate: Any = SpeechGate(Loud())  # type: ignore[arg-type]
        self.session = WhisperSession(
            StreamConfig(RATE, language, partials), WhisperOptions(), decode, gate, judge=judge and judge.judge
        )
        self.at = 0
        self._heard: list[Event] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.session.events():
            self._heard.append(event)

    async def say(self, seconds: float, level: float = 0.3) -> None:
        noise = (np.random.default_rng(1).standard_normal(CHUNK) * level).clip(-1, 1).astype(np.float32)
        for _ in range(round(seconds * 50)):
            await self.session.push(noise, self.at)
            self.at += CHUNK
            for _ in range(4):
                await asyncio.sleep(0)

    async def rest(self, seconds: float) -> None:
        await self.say(seconds, 0.0)

    @property
    def heard(self) -> list[Event]:
        return list(self._heard)

    async def events(self) -> list[Event]:
        await self.session.finish()
        await self._reader
        return self._heard


@pytest.fixture
async def decode() -> AsyncIterator[Scripted]:
    yield Scripted()


async def test_partials_come_every_300_ms_of_speech(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(3.0)
    ends = [task.columns.shape[1] for task in decode.tasks]
    assert len(ends) >= 9
    assert max(np.diff(ends)) <= 31


async def test_one_decoding_at_a_time_and_no_backlog(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(1.0)
    decode.go.clear()
    before = len(decode.tasks)
    await stream.say(3.0)
    assert len(decode.tasks) - before <= 1
    decode.go.set()
    await stream.say(0.2)
    assert decode.most_running == 1
    # The next one is of the newest audio, not of what was missed.
    assert decode.tasks[-1].columns.shape[1] > 350


async def test_a_flush_after_a_pause_needs_no_further_decoding(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(2.0)
    await stream.rest(0.3)
    before = len(decode.tasks)
    await stream.session.flush(5)
    assert len(decode.tasks) == before
    assert decode.tasks[-1].final
    events = await stream.events()
    finals = [event for event in events if isinstance(event, Final)]
    assert [final.flush_id for final in finals] == [5]
    assert isinstance(events[-1], NoSpeech)
    assert events[-1].flush_id == 0


async def test_only_finals_are_searched_with_the_whole_beam(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(20.0)
    await stream.rest(0.3)
    await stream.session.flush(1)
    beams = {(task.final, task.beam) for task in decode.tasks}
    assert beams == {(False, 1), (True, WhisperOptions().beam)}


async def test_words_behind_a_pause_are_in_the_final_in_their_place() -> None:
    stream = Stream(Hasty(), partials=False)
    await stream.say(1.0)
    await stream.rest(0.8)
    await stream.say(3.0)
    final = next(event for event in await stream.events() if isinstance(event, Final))
    assert len(final.words) > 7
    starts = [word.start_sample for word in final.words]
    assert starts == sorted(starts)
    assert starts[2] >= 1.4 * RATE
    assert final.words[-1].end_sample > 4.0 * RATE


async def test_a_flush_in_the_middle_of_speech_gives_up_the_partial(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(1.0)
    decode.go.clear()
    await stream.say(0.4)
    flushing = asyncio.create_task(stream.session.flush(1))
    await asyncio.sleep(0)
    assert decode.tasks[-1].abandoned.is_set()
    decode.go.set()
    await flushing
    assert decode.tasks[-1].final
    assert not decode.tasks[-1].abandoned.is_set()
    assert sum(isinstance(event, Final) for event in await stream.events()) == 1


async def test_a_monologue_stays_bounded_and_complete(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(90.0)
    assert max(task.columns.shape[1] for task in decode.tasks) <= 30 * 100
    quick = [task.columns.shape[1] for task in decode.tasks if not task.final]
    assert max(quick) <= 13 * 100
    events = await stream.events()
    final = events[-1]
    assert isinstance(final, Final)
    assert 200 <= len(final.words) <= 240
    starts = [word.start_sample for word in final.words]
    assert starts == sorted(starts)
    stable = [event.stable_text for event in events if isinstance(event, Partial)]
    assert all(new.startswith(old) for old, new in pairwise(stable))
    assert len(set(stable)) > 100


async def test_a_monologue_without_partials_is_bounded_too(decode: Scripted) -> None:
    stream = Stream(decode, partials=False)
    await stream.say(60.0)
    assert 2 <= len(decode.tasks) <= 8
    assert all(task.columns.shape[1] <= 30 * 100 for task in decode.tasks)
    events = await stream.events()
    assert [type(event) for event in events] == [Final]


async def test_silence_is_never_decoded(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.rest(20.0)
    assert [type(event) for event in await stream.events()] == [NoSpeech]
    assert decode.tasks == []


async def test_a_click_is_no_speech(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.rest(0.5)
    await stream.say(0.04)
    await stream.rest(2.0)
    assert [type(event) for event in await stream.events()] == [NoSpeech]
    assert decode.tasks == []


async def test_what_the_model_holds_for_silence_is_no_speech(decode: Scripted) -> None:
    decode.silent = True
    stream = Stream(decode)
    await stream.say(1.0)
    await stream.rest(0.5)
    assert [type(event) for event in await stream.events()] == [NoSpeech]
    assert decode.tasks


async def test_a_gap_is_silence_and_costs_nothing(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(1.0)
    stream.at += 500 * RATE
    await stream.say(1.0)
    tasks = len(decode.tasks)
    events = await stream.events()
    assert tasks < 15
    final = events[-1]
    assert isinstance(final, Final)
    assert final.words[0].start_sample < RATE
    assert final.words[-1].end_sample > 501 * RATE


async def test_two_utterances_are_two_finals_in_their_own_time(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(1.0)
    await stream.session.flush(1)
    await stream.say(1.0)
    events = [event for event in await stream.events() if isinstance(event, Final)]
    assert [event.flush_id for event in events] == [1, 0]
    assert events[0].end_sample <= RATE <= events[1].start_sample


async def test_a_fault_in_the_decoder_ends_the_stream(decode: Scripted) -> None:
    stream = Stream(decode)
    await stream.say(0.3)
    decode.fails = True
    with pytest.raises(RuntimeError, match="broken"):
        await stream.say(1.0)


async def test_after_close_nothing_is_decoded(decode: Scripted) -> None:
    stream = Stream(decode)
    decode.go.clear()
    await stream.say(1.0)
    await stream.session.close()
    await asyncio.sleep(0)
    assert all(task.abandoned.is_set() for task in decode.tasks)


async def test_a_final_goes_before_the_partials_that_wait() -> None:
    pool = DecodePool(1)
    done: list[str] = []
    waiting = [
        asyncio.create_task(pool.run(lambda name=name: done.append(name), urgent=name == "final"))  # type: ignore[misc]
        for name in ("first", "partial", "final")
    ]
    await asyncio.gather(*waiting)
    assert done == ["first", "final", "partial"]
    pool.close()


async def test_a_cancelled_wait_gives_its_turn_on() -> None:
    pool = DecodePool(1)
    done: list[str] = []
    first = asyncio.create_task(pool.run(lambda: done.append("first"), urgent=False))
    given_up = asyncio.create_task(pool.run(lambda: done.append("given up"), urgent=True))
    last = asyncio.create_task(pool.run(lambda: done.append("last"), urgent=False))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(first, last)
    assert done == ["first", "last"]
    pool.close()


async def test_how_words_end_comes_after_them_and_holds_nothing_up(decode: Scripted) -> None:
    judge = ScriptedJudge()
    judge.go.clear()
    stream = Stream(decode, partials=False, judge=judge)
    await stream.say(1.2)
    await stream.rest(0.2)
    await stream.session.flush(7)
    await stream.rest(0.1)
    assert [type(event) for event in stream.heard] == [Final]
    judge.go.set()
    final, *rest = await stream.events()
    assert isinstance(final, Final)
    assert {type(event) for event in rest} == {Ends, NoSpeech}
    assert Ends(7, Ending(1.0, 0.0, 0.0)) in rest
    assert judge.asked[0].tokens == tuple(range(len(final.words)))


async def test_how_words_end_is_asked_as_soon_as_somebody_pauses_and_told_after_a_flush(decode: Scripted) -> None:
    judge = ScriptedJudge()
    stream = Stream(decode, judge=judge)
    await stream.say(1.2)
    assert not judge.asked
    await stream.rest(0.2)
    assert len(judge.asked) == 1
    await stream.session.flush(7)
    final, ends = [event for event in await stream.events() if isinstance(event, Final | Ends)]
    assert isinstance(final, Final)
    assert ends == Ends(7, Ending(1.0, 0.0, 0.0))
    assert len(judge.asked) == 1


async def test_who_goes_on_after_a_pause_is_asked_about_anew(decode: Scripted) -> None:
    judge = ScriptedJudge()
    stream = Stream(decode, judge=judge)
    for _ in range(2):
        await stream.say(1.2)
        await stream.rest(0.15)
    assert [question.abandoned.is_set() for question in judge.asked] == [True, False]
    await stream.session.flush(1)
    assert [event.flush_id for event in await stream.events() if isinstance(event, Ends)] == [1]


async def test_after_a_short_pause_the_words_before_it_are_heard_again(decode: Scripted) -> None:
    judge = ScriptedJudge()
    stream = Stream(decode, partials=False, judge=judge)
    for pause_s in (0.5, 3.0, 0.2):
        await stream.say(1.2)
        await stream.rest(0.2)
        await stream.session.flush(len(judge.asked) + 1)
        await stream.rest(pause_s)
    first, second, third = judge.asked
    assert second.tokens[: len(first.tokens)] == first.tokens
    assert second.length > 1.8 * first.length
    assert [columns.shape[1] for columns in judge.encoded] == [second.length], "what is decoded alone is encoded then"
    assert len(third.tokens) < len(second.tokens), "after a long one they belong to something else"
    await stream.events()


async def test_what_is_heard_again_is_bounded(decode: Scripted) -> None:
    judge = ScriptedJudge()
    stream = Stream(decode, partials=False, judge=judge)
    for number in range(1, 12):
        await stream.say(2.0)
        await stream.rest(0.2)
        await stream.session.flush(number)
    assert max(question.length for question in judge.asked) <= 1000
    await stream.events()


async def test_how_words_end_is_not_told_when_others_have_come(decode: Scripted) -> None:
    judge = ScriptedJudge()
    judge.go.clear()
    stream = Stream(decode, partials=False, judge=judge)
    await stream.say(1.2)
    await stream.rest(0.2)
    await stream.session.flush(1)
    await stream.say(1.2)
    await stream.rest(0.2)
    flushed = asyncio.create_task(stream.session.flush(2))
    await until(judge.asked[0].abandoned.is_set)
    judge.go.set()
    await flushed
    assert [event.flush_id for event in await stream.events() if isinstance(event, Ends)] == [2]


async def test_in_languages_without_an_example_it_is_not_asked(decode: Scripted) -> None:
    judge = ScriptedJudge()
    stream = Stream(decode, partials=False, judge=judge, language="de")
    await stream.say(1.2)
    await stream.rest(0.2)
    assert not [event for event in await stream.events() if isinstance(event, Ends)]
    assert not judge.asked

"""The riva engines without a server: whose words lie where, what stands, and what is heard again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from riva.client.proto import riva_asr_pb2, riva_tts_pb2

from environment import ROOT
from services.asr.engine import Final, NoSpeech, StreamConfig, Word
from services.asr.engines.riva.results import Clock, Hypothesis, final_words, hypothesis, probability
from services.asr.engines.riva.session import RivaSession
from services.asr.engines.riva.stretch import Stretch
from services.common.riva.alignment import Timed, placed
from services.common.riva.catalogue import Offer, tags
from services.tts.engines.riva.clause import Clause, clause_of
from services.tts.engines.riva.performance import Performance
from services.tts.spoken import spoken_words
from vivant.errors import Unavailable

RATE = 16_000


def result(text: str, *words: tuple[str, int, int], final: bool = True, seen_s: float = 1.0, stability: float = 0.1) -> Any:
    best = riva_asr_pb2.SpeechRecognitionAlternative(transcript=text, confidence=-0.1)
    for word, start, end in words:
        best.words.add(word=word, start_time=start, end_time=end)
    return riva_asr_pb2.StreamingRecognitionResult(
        alternatives=[best], is_final=final, audio_processed=seen_s, stability=stability
    )


# --- words in time ---


def test_words_take_the_times_of_the_same_words_whatever_their_marks() -> None:
    timed = [Timed("where", 0.0, 0.2), Timed("did", 0.25, 0.4)]
    assert placed(["Where", "did?"], timed, 0, 9) == [Timed("Where", 0.0, 0.2), Timed("did?", 0.25, 0.4)]


def test_what_is_written_otherwise_shares_the_time_of_what_was_said() -> None:
    timed = [
        Timed("i", 0.0, 0.1),
        Timed("was", 0.1, 0.2),
        Timed("twenty", 0.25, 0.5),
        Timed("five", 0.5, 0.75, 0.5),
        Timed("now", 1, 2),
    ]
    words = placed(["I", "was", "25", "now."], timed, 0, 9)
    assert words[1:] == [Timed("was", 0.1, 0.2), Timed("25", 0.25, 0.75, 0.5), Timed("now.", 1, 2)]


def test_words_without_any_times_share_what_there_is_by_their_letters() -> None:
    words = placed(["a", "cat", "sat."], [], 1.0, 2.0)
    assert [word.start for word in words] == pytest.approx([1.0, 1.2, 1.6])
    assert words[-1].end == pytest.approx(2.0)


@pytest.mark.parametrize(("given", "meant"), [(0.0, 1.0), (0.7, 0.7), (3.0, 1.0), (-0.105, 0.9), (-50.0, 0.0)])
def test_confidence_is_a_probability_whatever_the_model_gives(given: float, meant: float) -> None:
    assert probability(given) == pytest.approx(meant, abs=0.001)


def test_a_stream_of_rivas_counts_from_where_it_began_in_ours() -> None:
    said = result("Hello there. ", ("hello", 500, 700), ("there", 750, 1000))
    words = final_words(said, Clock(48_000, RATE), 0)
    assert [(word.text, word.start_sample, word.end_sample) for word in words] == [
        ("Hello", 56_000, 59_200),
        ("there.", 60_000, 64_000),
    ]
    assert words[0].confidence == pytest.approx(0.905, abs=0.001)


def test_untimed_words_lie_behind_those_that_were_final_before() -> None:
    words = final_words(result("so it is", seen_s=3.0), Clock(16_000, RATE), 32_000)
    assert (words[0].start_sample, words[-1].end_sample) == (32_000, 64_000)
    assert final_words(riva_asr_pb2.StreamingRecognitionResult(is_final=True), Clock(0, RATE), 0) == []


def test_interim_results_continue_each_other_and_are_stable_as_far_as_they_say() -> None:
    found = hypothesis(
        [result("to be", final=False, stability=0.9, seen_s=2), result(" or not", final=False, stability=0.1, seen_s=2)],
        Clock(1_000, RATE),
    )
    assert found == Hypothesis(("to", "be", "or", "not"), 2, 1_000 + round(1.6 * RATE), 1_000 + 2 * RATE)
    assert hypothesis([result("", final=False)], Clock(0, RATE)) is None


# --- from flush to flush ---


def heard(text: str, stable: int = 0, end: int = RATE) -> Hypothesis:
    return Hypothesis(tuple(text.split()), stable, end - RATE // 2, end)


def said(*words: str, start: int = 0) -> list[Word]:
    return [Word(word, start + 100 * index, start + 100 * index + 90, 1.0) for index, word in enumerate(words)]


def texts(stretch: Stretch) -> tuple[str, str]:
    partial = stretch.partial()
    assert partial is not None
    return partial.stable_text, partial.unstable_text


def test_stable_text_only_grows_whatever_comes() -> None:
    stretch = Stretch(0)
    assert stretch.partial() is None
    seen = []
    for found in (
        heard("where"),
        heard("where did"),
        heard("where did you"),
        heard("wear did you grow", stable=2),
        heard("where"),
    ):
        stretch.hear(found)
        seen.append(texts(stretch))
    assert seen == [
        ("", "where"),
        ("where", "did"),
        ("where did", "you"),
        ("where did", "you grow"),
        ("where did", ""),
    ]
    stretch.final(said("Where", "did", "you", "grow", "up?"))
    assert texts(stretch) == ("where did you grow up?", "")


def test_finals_in_the_wrong_order_are_answered_in_the_order_of_time() -> None:
    stretch = Stretch(0)
    stretch.final(said("and", "then.", start=5_000))
    stretch.final(said("First", "this.", start=1_000))
    stretch.final([])
    answer = stretch.answer(4, RATE, "en")
    assert isinstance(answer, Final)
    assert (answer.flush_id, answer.text) == (4, "First this. and then.")
    assert (answer.start_sample, answer.end_sample) == (1_000, 5_190)


def test_words_stay_within_their_stretch_and_do_not_overlap() -> None:
    stretch = Stretch(1_000)
    stretch.final([Word("a", 900, 1_500, 1.0), Word("b", 1_400, 1_450, 1.0), Word("c", 1_600, 9_000, 1.0)])
    answer = stretch.answer(1, 2_000, "en")
    assert isinstance(answer, Final)
    assert [(word.start_sample, word.end_sample) for word in answer.words] == [(1_000, 1_500), (1_500, 1_500), (1_600, 2_000)]
    assert Stretch(5).answer(2, 9, "en") == NoSpeech(2, 5, 9)


# --- the session, with a scripted server ---


class Stream:
    """A stream of Riva's that answers what it is told, and breaks when it is told."""

    def __init__(self, server: Server, on_answer: Callable[[Any], None]) -> None:
        self.server = server
        self.on_answer = on_answer
        self.sent = b""
        self.breaks_after: float = server.breaks.pop(0) if server.breaks else float("inf")

    async def send(self, request: Any) -> None:
        if request == "config":
            return
        self.sent += request
        if len(self.sent) > self.breaks_after:
            raise Unavailable("cut", reason="model_broke_off")

    async def complete(self) -> None:
        for answer in self.server.last_words.pop(0) if self.server.last_words else ():
            self.on_answer(riva_asr_pb2.StreamingRecognizeResponse(results=[answer]))

    async def close(self) -> None:
        pass


class Server:
    def __init__(self, last_words: Iterable[list[Any]] = (), breaks: Iterable[float] = ()) -> None:
        self.last_words = list(last_words)
        self.breaks = list(breaks)
        self.streams: list[Stream] = []

    def session(self, rate: int = RATE) -> RivaSession:
        def stream(on_answer: Callable[[Any], None]) -> Any:
            self.streams.append(Stream(self, on_answer))
            return self.streams[-1]

        return RivaSession(StreamConfig(rate, "en"), stream, "config", lambda pcm: pcm)


def sound(seconds: float, rate: int = RATE) -> Any:
    return np.arange(round(seconds * rate), dtype=np.float32) % 100 / 200


async def answers(session: RivaSession) -> list[Any]:
    await session.finish()
    return [event async for event in session.events() if isinstance(event, Final | NoSpeech)]


HELLO = result("Hello. ", ("hello", 100, 300))


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
async def test_words_after_a_flush_lie_behind_it(rate: int) -> None:
    server = Server([[HELLO], [HELLO]])
    session = server.session(rate)
    await session.push(sound(1.5, rate), 0)
    await session.flush(1)
    await session.push(sound(1, rate), 3 * rate // 2)
    first, second = await answers(session)
    assert (first.start_sample, first.end_sample) == (rate // 10, rate * 3 // 10)
    assert second.start_sample - first.start_sample == 3 * rate // 2
    assert [len(stream.sent) // 2 for stream in server.streams] == pytest.approx([24_000, 16_000], abs=40)


async def test_a_flush_without_audio_is_answered_without_asking() -> None:
    server = Server()
    session = server.session()
    await session.flush(1)
    assert await answers(session) == [NoSpeech(1, 0, 0), NoSpeech(0, 0, 0)]
    assert server.streams == []


async def test_over_a_long_gap_no_stream_is_kept_open() -> None:
    server = Server([[HELLO], [HELLO]])
    session = server.session()
    await session.push(sound(1), 0)
    await session.push(sound(1), 11 * RATE)
    (final,) = await answers(session)
    assert [len(stream.sent) // 2 / RATE for stream in server.streams] == [3.0, 1.0]
    assert [word.start_sample for word in final.words] == [RATE // 10, 11 * RATE + RATE // 10]


async def test_a_short_gap_is_heard_as_silence() -> None:
    server = Server([[HELLO]])
    session = server.session()
    await session.push(sound(0.5), 0)
    await session.push(sound(0.5), RATE)
    await answers(session)
    (stream,) = server.streams
    assert len(stream.sent) // 2 == RATE * 3 // 2
    assert not any(stream.sent[RATE : 2 * RATE])


async def test_a_broken_stream_is_opened_again_with_what_was_not_final() -> None:
    server = Server([[HELLO]], breaks=[2 * RATE])
    session = server.session()
    whole = sound(2)
    for at in range(0, len(whole), RATE // 10):
        if at == RATE * 8 // 10:
            server.streams[0].on_answer(riva_asr_pb2.StreamingRecognizeResponse(results=[HELLO]))
        await session.push(whole[at : at + RATE // 10], at)
    (final,) = await answers(session)
    _, again = server.streams
    # The first words end at 300 ms: what begins before that is not heard again.
    assert len(again.sent) // 2 == len(whole) - RATE * 3 // 10
    assert [word.start_sample for word in final.words] == [RATE // 10, RATE * 4 // 10]


async def test_a_server_that_breaks_every_stream_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.asr.engines.riva.session._BACKOFF_S", (0.0, 0.0, 0.0))
    server = Server(breaks=[0.0] * 9)
    session = server.session()
    with pytest.raises(Unavailable, match="cut"):
        await session.push(sound(0.1), 0)
    assert len(server.streams) == 4


async def test_what_is_kept_of_a_long_silence_is_bounded() -> None:
    server = Server(breaks=[2 * RATE * 60])
    session = server.session()
    for at in range(0, 61 * RATE, RATE // 10):
        await session.push(np.zeros(RATE // 10, np.float32), at)
    assert len(server.streams[1].sent) // 2 / RATE == pytest.approx(20, abs=1.1)


# --- what a server has, and what is needed to ask it ---


@pytest.mark.parametrize("service", ["asr", "tts"])
def test_the_lock_fits_on_top_of_that_of_the_service(service: str) -> None:
    riva, other = (
        dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements" / f"{name}.txt").read_text("utf-8"), re.MULTILINE))
        for name in ("riva", service)
    )
    both = riva.keys() & other.keys()
    assert {"grpcio", "protobuf"} <= both
    assert {name: riva[name] for name in both} == {name: other[name] for name in both}


def test_languages_are_found_by_their_nearest_region() -> None:
    offer = Offer({"a": ("en-US", "en-GB"), "b": ("de-DE",)}, "en-GB")
    assert offer.languages == ("en-GB", "en-US", "de-DE")
    assert tags(offer.languages) == ("en", "en-GB", "en-US", "de", "de-DE")
    assert [offer.tag(asked) for asked in ("en", "EN-us", "en-AU", "de", "fr")] == ["en-GB", "en-US", "en-GB", "de-DE", None]
    assert Offer({}, "en-US").tag("en") == "en-US"


# --- the voice ---


def clause(text: str, language: str = "en-US") -> Clause:
    return clause_of(spoken_words(text), language)


def test_what_is_sent_is_what_a_reader_would_say_and_the_words_stay_as_they_were_written() -> None:
    found = clause("Well **hi** 😀 & see example.org!")
    assert found.request(1) == "Well hi & see example dot org!"
    assert [word.text for word in found.words] == ["Well", "**hi** 😀", "&", "see", "example.org!"]
    assert found.request(1.25) == '<speak><prosody rate="125%">Well hi &amp; see example dot org!</prosody></speak>'
    assert clause("Я дома.", "ru-RU").request(1) == "Я дома."
    assert clause("Я дома.").request(1) != "Я дома."


def test_a_word_that_is_said_as_several_lasts_from_the_first_to_the_last() -> None:
    found = clause("See example.org now.")
    timed = [Timed(word, index, index + 1) for index, word in enumerate(("see", "example", "dot", "org", "now"))]
    assert found.timed(timed, 0, 9) == [(0, 1), (1, 4), (4, 5)]


def spoken(samples: int, **meta: Any) -> Any:
    fields = {"meta": riva_tts_pb2.SynthesizeSpeechResponseMetadata(**meta)} if meta else {}
    return riva_tts_pb2.SynthesizeSpeechResponse(audio=b"\x10\x27" * samples, **fields)


def perform(performance: Performance, *given: Any) -> list[Any]:
    return [speech for each in given for speech in performance.take(each)] + list(performance.end())


TIMES = [
    riva_tts_pb2.WordTiming(word="a", start_time=0, end_time=10),
    riva_tts_pb2.WordTiming(word="cat", start_time=10, end_time=50),
]


def test_sound_with_times_is_passed_on_as_it_comes() -> None:
    first, second = perform(Performance(clause("A cat"), 500), spoken(600, words=TIMES), spoken(600))
    assert [(word.text, word.start_sample, word.end_sample) for word in first.words] == [("A", 500, 740), ("cat", 740, 1_700)]
    assert (len(first.pcm), len(second.pcm), second.words) == (1_200, 1_200, [])


def test_sound_is_held_until_its_times_are_known() -> None:
    (whole,) = perform(Performance(clause("A cat"), 0), spoken(600), spoken(600, words=TIMES))
    assert len(whole.pcm) == 2_400 and len(whole.words) == 2


@pytest.mark.parametrize(
    ("meta", "boundary"),
    [({"processed_text": "a cat", "predicted_durations": [3.0, 0.0, 1.0, 1.0, 1.0]}, 600), ({"processed_text": "a cat"}, 400)],
)
def test_words_without_times_share_the_sound_by_durations_or_by_letters(meta: dict[str, Any], boundary: int) -> None:
    (whole,) = perform(Performance(clause("A cat"), 0), spoken(1_200, **meta))
    assert [(word.start_sample, word.end_sample) for word in whole.words] == [(0, boundary), (boundary, 1_200)]


def test_a_sound_a_little_shorter_than_its_times_is_made_longer() -> None:
    parts = perform(Performance(clause("A cat"), 0), spoken(1_000, words=TIMES))
    assert sum(len(part.pcm) for part in parts) // 2 == 1_200


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ([], "no sound"),
        ([riva_tts_pb2.SynthesizeSpeechResponse(audio=b"abc")], "half a sample"),
        ([spoken(10, words=[riva_tts_pb2.WordTiming(word="a", start_time=0, end_time=9_000)])], "beyond its sound"),
        ([spoken(24_000)] * 121, "does not end"),
    ],
)
def test_sound_that_cannot_be_is_refused(given: list[Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        perform(Performance(clause("A cat"), 0), *given)

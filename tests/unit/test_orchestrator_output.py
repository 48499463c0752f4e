"""The way out: what counts as heard, what a slow client loses, and who paces a session without a face."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from numpy.typing import NDArray

from services.common.metrics import Metrics
from services.orchestrator.dialog.events import Contribution
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking import outbox as outbox_module
from services.orchestrator.speaking.cut import Cut
from services.orchestrator.speaking.duck import LOWERED, Duck
from services.orchestrator.speaking.outbox import FRAMES_AT, UNITS_AT, Outbox
from services.orchestrator.speaking.pacer import Pacer
from services.orchestrator.speaking.playout import HeardTracker
from vivant.common.v1 import common_pb2
from vivant.errors import Full
from vivant.face.v1 import face_pb2
from vivant.session.v1 import session_pb2

UNIT = 960


def word(text: str, start: int, end: int) -> common_pb2.Word:
    return common_pb2.Word(text=text, start_sample=start, end_sample=end)


def unit(index: int, turn_id: int = 1, turn_sample: int = 0, *, frame: bool = False, key: bool = False) -> common_pb2.Unit:
    made = common_pb2.Unit(index=index, pcm=b"\1\1" * UNIT, turn_id=turn_id, turn_sample=turn_sample)
    if frame:
        made.frame.data, made.frame.keyframe = b"x", key
    return made


class TestLedger:
    @pytest.fixture
    def tracker(self) -> HeardTracker:
        tracker = HeardTracker()
        reply = tracker.begin(1)
        reply.text = "I grew up by the sea. "
        reply.words.extend(
            word(text, i * UNIT, (i + 1) * UNIT) for i, text in enumerate(["I", "grew", "up", "by", "the", "sea."])
        )
        return tracker

    def test_an_interrupted_reply_is_remembered_to_the_last_whole_word_that_was_sent(self, tracker: HeardTracker) -> None:
        for index in range(3):
            tracker.sent(unit(index, turn_sample=index * UNIT))
        assert tracker.heard_text(tracker.reply, interrupted=True) == "I grew up"

    def test_a_word_of_which_only_a_part_was_heard_is_not_remembered(self, tracker: HeardTracker) -> None:
        tracker.sent(unit(0, turn_sample=UNIT // 2))
        assert tracker.heard_text(tracker.reply, interrupted=True) == "I"

    def test_the_client_knows_better_what_was_played(self, tracker: HeardTracker) -> None:
        for index in range(4):
            tracker.sent(unit(index, turn_sample=index * UNIT))
        tracker.played(1)
        assert tracker.heard_text(tracker.reply, interrupted=True) == "I grew"

    def test_a_client_cannot_have_played_what_was_not_sent(self, tracker: HeardTracker) -> None:
        tracker.played(77)
        assert tracker.heard_text(tracker.reply, interrupted=True) == ""

    def test_a_reply_that_was_not_interrupted_was_heard_whole(self, tracker: HeardTracker) -> None:
        assert tracker.heard_text(tracker.reply, interrupted=False) == "I grew up by the sea."

    def test_a_client_may_say_afterwards_that_it_has_played_less(self, tracker: HeardTracker) -> None:
        for index in range(6):
            tracker.sent(unit(10 + index, turn_sample=index * UNIT))
        tracker.played(15)
        tracker.begin(2)
        reply = tracker.truncate(12)
        assert reply is not None
        assert (reply.turn_id, tracker.heard_text(reply, interrupted=False)) == (1, "I grew up")
        assert tracker.truncate(9) is reply
        assert tracker.heard_text(reply, interrupted=True) == ""
        assert tracker.truncate(99) is None
        tracker.begin(3)
        assert tracker.truncate(12) is None

    def test_units_of_another_turn_do_not_count(self, tracker: HeardTracker) -> None:
        tracker.sent(unit(0, turn_id=7, turn_sample=4 * UNIT))
        assert tracker.heard_text(tracker.reply, interrupted=True) == ""

    def test_the_rest_of_the_speech_begins_at_the_sample_after_the_last_one_sent(self, tracker: HeardTracker) -> None:
        for start in (0, 1000, 2000):
            pcm = b"".join(int(start + i).to_bytes(2, "little") for i in range(1000))
            tracker.reply.speech.append(face_pb2.Speech(turn_id=1, pcm=pcm, start_sample=start))
        tracker.sent(unit(0))
        tracker.sent(unit(1, turn_sample=UNIT))
        rest = tracker.reply.rest()
        assert [(speech.start_sample, len(speech.pcm) // 2) for speech in rest] == [(1920, 80), (2000, 1000)]
        assert int.from_bytes(rest[0].pcm[:2], "little") == 1920


class TestOutbox:
    @pytest.fixture
    def keyframes(self) -> list[int]:
        return []

    @pytest.fixture
    def sent(self) -> list[int]:
        return []

    @pytest.fixture
    def outbox(self, keyframes: list[int], sent: list[int]) -> Outbox:
        return Outbox(Metrics("session", "test"), lambda item: sent.append(item.index), lambda: keyframes.append(1))

    async def drain(self, outbox: Outbox, count: int | None = None) -> list[session_pb2.ConverseResponse]:
        """What a client reads: everything, or `count` messages and then no more."""
        read: list[session_pb2.ConverseResponse] = []
        full = asyncio.Event()

        async def write(response: session_pb2.ConverseResponse) -> None:
            if count is not None and len(read) >= count:
                full.set()
                await asyncio.Event().wait()
            read.append(response)

        running = asyncio.create_task(outbox.run(write))
        if count is None:
            outbox.close()
            await running
        else:
            await full.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return read

    async def test_order_is_kept_and_what_was_sent_is_reported(self, outbox: Outbox, sent: list[int]) -> None:
        outbox.put_unit(unit(0))
        outbox.put(session_pb2.ConverseResponse(turn=session_pb2.Turn(turn_id=1)))
        outbox.put_unit(unit(1))
        assert [item.WhichOneof("response") for item in await self.drain(outbox)] == ["unit", "turn", "unit"]
        assert sent == [0, 1]

    async def test_a_slow_client_loses_frames_first_then_units(self, outbox: Outbox) -> None:
        for index in range(UNITS_AT + 20):
            outbox.put_unit(unit(index, frame=True, key=index == 0))
        read = [item.unit for item in await self.drain(outbox)]
        assert len(read) == UNITS_AT
        assert [item.HasField("frame") for item in read] == [index < FRAMES_AT for index in range(UNITS_AT)]
        assert all(len(item.pcm) == 2 * UNIT for item in read)

    async def test_pictures_come_back_with_a_keyframe_that_was_asked_for(self, outbox: Outbox, keyframes: list[int]) -> None:
        for index in range(FRAMES_AT + 1):
            outbox.put_unit(unit(index, frame=True, key=index == 0))
        await self.drain(outbox, FRAMES_AT)
        delta, key = unit(100, frame=True), unit(101, frame=True, key=True)
        outbox.put_unit(delta)
        outbox.put_unit(key)
        assert keyframes == [1]
        assert not delta.HasField("frame"), "a delta frame without the one before it cannot be decoded"
        assert key.HasField("frame")

    async def test_an_interruption_silences_what_waits(self, outbox: Outbox) -> None:
        outbox.put_unit(unit(0, turn_id=1, frame=True, key=True))
        outbox.put_unit(unit(1, turn_id=2))
        Cut(24_000).waiting(outbox.units, 2)
        old, new = [item.unit for item in await self.drain(outbox)]
        assert (old.turn_id, set(old.pcm)) == (0, {0})
        assert old.HasField("frame"), "the picture goes on"
        assert (new.turn_id, set(new.pcm)) == (2, {1})

    async def test_a_client_that_reads_nothing_loses_the_session(self, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox_module, "WRITE_TIMEOUT_S", 0.02)

        async def never(_: session_pb2.ConverseResponse) -> None:
            await asyncio.Event().wait()

        outbox.put_unit(unit(0))
        with pytest.raises(Full, match="read nothing"):
            await outbox.run(never)

    async def test_unread_messages_are_bounded(self, outbox: Outbox) -> None:
        for _ in range(outbox_module.MESSAGES_AT):
            outbox.put(session_pb2.ConverseResponse())
        with pytest.raises(Full, match="unread"):
            outbox.put(session_pb2.ConverseResponse())


class TestCut:
    FADE = 120

    def voiced(self, index: int, turn_id: int) -> common_pb2.Unit:
        return common_pb2.Unit(index=index, pcm=np.full(UNIT, 8_000, "<i2").tobytes(), turn_id=turn_id, turn_sample=UNIT)

    def heard(self, *units: common_pb2.Unit) -> NDArray[np.int32]:
        return np.concatenate([np.frombuffer(each.pcm, "<i2") for each in units]).astype(np.int32)

    def test_the_voice_of_an_older_turn_fades_out_in_five_milliseconds(self) -> None:
        cut, units = Cut(24_000), [self.voiced(index, 1) for index in range(3)]
        assert [cut.passing(units[0], 1), cut.passing(units[1], 2), cut.passing(units[2], 2)] == [False, True, True]
        heard = self.heard(*units)
        assert np.abs(np.diff(heard)).max() < 100, "no jump"
        assert not heard[UNIT + self.FADE :].any()
        assert [(each.turn_id, each.turn_sample) for each in units[1:]] == [(0, 0), (0, 0)]

    def test_the_fade_of_the_face_does_not_come_after_it(self) -> None:
        cut, before, late, next_one = Cut(24_000), self.voiced(0, 1), self.voiced(1, 1), self.voiced(2, 0)
        cut.passing(before, 1)
        cut.passing(late, 2)
        cut.passing(next_one, 2)
        assert not self.heard(next_one)[: self.FADE].any()
        after = self.voiced(3, 0)
        cut.passing(after, 2)
        assert self.heard(after).all(), "what is said beside the replies stays"

    def test_what_waits_to_be_sent_fades_where_it_goes_on(self) -> None:
        cut, sent, waits = Cut(24_000), self.voiced(0, 1), [self.voiced(1, 1), self.voiced(2, 1)]
        for each in (sent, *waits):
            cut.passing(each, 1)
        cut.waiting(waits, 2)
        heard = self.heard(sent, *waits)
        assert np.abs(np.diff(heard)).max() < 100
        assert not heard[UNIT + self.FADE :].any()


class TestPacer:
    def pace(self, *requests: dict[str, Message], units: int) -> list[tuple[str, Any]]:
        """What comes out of a pacer in `units` ticks."""
        out: list[tuple[str, Any]] = []
        pacer = Pacer(24_000, lambda kind, message: out.append((kind, message)))
        for request in requests:
            pacer.send(**request)
        for _ in range(units):
            pacer.beat()
        return out

    def speech(self, samples: int, start: int = 0, turn_id: int = 3) -> dict[str, Message]:
        return {"speech": face_pb2.Speech(turn_id=turn_id, pcm=b"\1\1" * samples, start_sample=start)}

    def test_the_voice_goes_on_in_the_middle_and_ends_with_its_last_sample(self) -> None:
        end = {"speech_end": face_pb2.SpeechEnd(turn_id=3)}
        out = self.pace(self.speech(2000, start=4800), end, units=4)
        units = [message for kind, message in out if kind == "unit"]
        assert [(item.turn_id, item.turn_sample) for item in units] == [(3, 4800), (3, 5760), (3, 6720), (0, 0)]
        assert [len(item.pcm) for item in units] == [2 * UNIT] * 4
        assert units[2].pcm == b"\1\1" * 80 + bytes(2 * (UNIT - 80))
        states = [message.state for kind, message in out if kind == "playback"]
        assert states == [face_pb2.PLAYBACK_STATE_STARTED, face_pb2.PLAYBACK_STATE_FINISHED]

    def test_without_speech_it_still_beats(self) -> None:
        out = self.pace(units=3)
        assert [message.index for _, message in out] == [0, 1, 2]
        assert not any(any(message.pcm) for _, message in out)

    def test_pause_and_clear_take_the_voice_away_at_once(self) -> None:
        paused = self.pace(self.speech(9600), {"pause": face_pb2.Pause()}, units=1)
        assert paused[0][1].turn_id == 0
        cleared = self.pace(self.speech(9600), {"clear": face_pb2.Clear(newest_turn_id=4)}, self.speech(960), units=2)
        assert [message.turn_id for _, message in cleared] == [0, 0]


class TestDuck:
    """Units of a tone, so that a step between two samples is seen."""

    LEVEL = 8000.0
    STEP = 2 * np.pi * LEVEL / 100

    def pass_on(self, duck: Duck, index: int, turn_id: int = 1, fade: bool = False) -> common_pb2.Unit:
        voice = self.LEVEL * np.sin(2 * np.pi * np.arange(index * UNIT, (index + 1) * UNIT) / 100)
        if fade:
            voice *= np.maximum(0, np.linspace(1, -7, UNIT))
        passed = common_pb2.Unit(index=index, pcm=voice.astype("<i2").tobytes(), turn_id=turn_id)
        duck.passing(passed)
        return passed

    def level(self, passed: common_pb2.Unit) -> float:
        return float(np.abs(np.frombuffer(passed.pcm, "<i2")[200:].astype(int)).max())

    def assert_smooth(self, units: list[common_pb2.Unit]) -> None:
        sound = np.frombuffer(b"".join(each.pcm for each in units), "<i2").astype(int)
        assert np.abs(np.diff(sound)).max() <= 1.1 * self.STEP

    def test_the_voice_is_lowered_for_a_moment_and_rises_again_without_a_click(self) -> None:
        duck = Duck(24_000)
        units = [self.pass_on(duck, 0)]
        duck.begin()
        units += [self.pass_on(duck, index) for index in range(1, 12)]
        assert [each.ducked for each in units] == [False, *[True] * 8, False, False, False]
        levels = [round(self.level(each) / self.LEVEL, 2) for each in units]
        assert levels == [1.0, *[LOWERED] * 8, 1.0, 1.0, 1.0]
        self.assert_smooth(units)

    def test_a_voice_that_is_held_while_lowered_fades_from_there(self) -> None:
        duck = Duck(24_000)
        duck.begin()
        units = [self.pass_on(duck, 0), self.pass_on(duck, 1), self.pass_on(duck, 2, turn_id=0, fade=True)]
        self.assert_smooth(units[1:])
        duck.end()
        assert self.level(self.pass_on(duck, 3)) == pytest.approx(self.LEVEL, abs=10)


def test_a_timeline_counts_from_the_end_of_the_question_and_each_stage_once() -> None:
    timeline = Timeline(Metrics("session", "test"))
    timeline.begin(5, Contribution("Ann", "who are you", ended_at=16_000))
    assert timeline.mark(5, "end_of_turn", 20_000)
    assert timeline.mark(5, "first_unit", 32_000)
    assert not timeline.mark(5, "first_unit", 48_000)
    assert not timeline.mark(4, "first_unit", 48_000), "a turn that nobody began"
    assert [(stage.name, stage.at_us) for stage in timeline.report(5).stages] == [
        ("end_of_turn", 250_000),
        ("first_unit", 1_000_000),
    ]


def test_a_reply_that_was_begun_early_says_when_and_how_many_were() -> None:
    timeline = Timeline(Metrics("session", "test"))
    timeline.drafted("Ann", "I was thinking", 10_000)
    for at in (20_000, 21_000):
        timeline.drafted("Ann", "I was thinking about you", at)
    timeline.begin(5, Contribution("Ann", "I was thinking about you", ended_at=16_000))
    timeline.mark(5, "end_of_turn", 24_000)
    report = timeline.report(5)
    assert [(stage.name, stage.at_us) for stage in report.stages] == [("speculated", 250_000), ("end_of_turn", 500_000)]
    assert report.drafts == 2
    timeline.drafted("Ann", "and then", 30_000)
    timeline.begin(6, Contribution("Ann", "and then I left", ended_at=32_000))
    assert not timeline.reached(6, "speculated")
    assert timeline.report(6).drafts == 1

"""The way out: what counts as heard, what a slow client loses, and who paces a session without a face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from numpy.typing import NDArray

from services.common.audio import pcm_format
from services.common.metrics import Metrics
from services.common.metronome import Metronome
from services.orchestrator.dialog.events import Contribution
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking import outbox as outbox_module
from services.orchestrator.speaking.faceless import Faceless
from services.orchestrator.speaking.manner import Manner
from services.orchestrator.speaking.outbox import FRAMES_AT, UNITS_AT, Outbox
from services.orchestrator.speaking.output import Output
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
        outbox.put_unit(unit(100, frame=True))
        outbox.put_unit(unit(101, frame=True, key=True))
        assert keyframes == [1]
        delta, key = [item.unit for item in await self.drain(outbox)]
        assert not delta.HasField("frame"), "a delta frame without the one before it cannot be decoded"
        assert key.HasField("frame")

    async def test_each_client_has_units_of_its_own(self, outbox: Outbox) -> None:
        whole = unit(0, frame=True, key=True)
        blind = Outbox(Metrics("session", "test"), lambda item: None, lambda: None)
        outbox.put_unit(whole)
        blind.put_unit(whole, video=False)
        blind.clear(2)
        (heard,), (seen,) = await self.drain(blind), await self.drain(outbox)
        assert not heard.unit.HasField("frame") and set(heard.unit.pcm) == {0}
        assert seen.unit == whole == unit(0, frame=True, key=True)

    async def test_an_interruption_silences_what_waits(self, outbox: Outbox, sent: list[int]) -> None:
        outbox.put_unit(unit(0, turn_id=1, frame=True, key=True))
        outbox.put_unit(unit(1, turn_id=2))
        outbox.clear(2)
        old, new = [item.unit for item in await self.drain(outbox)]
        assert (old.turn_id, old.turn_sample, set(old.pcm)) == (0, 0, {0})
        assert old.HasField("frame"), "the picture goes on"
        assert (new.turn_id, set(new.pcm)) == (2, {1})
        assert sent == [0, 1]

    async def test_what_only_the_way_out_needs_is_not_sent(self, outbox: Outbox) -> None:
        outbox.put_unit(common_pb2.Unit(pcm=bytes(2 * UNIT), turn_id=1, ending=b"\1\1", fading_turn_id=3))
        (item,) = await self.drain(outbox)
        assert (item.unit.ending, item.unit.fading_turn_id) == (b"", 0)

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


#: A tone, so that a step between two samples is seen.
LEVEL = 8000
STEP = 2 * np.pi * LEVEL / 100
FADE = 120


def tone(units: int, start: int = 0, turn_id: int = 1) -> list[face_pb2.Speech]:
    """Some units of a reply that does not begin softly, so that a cut anywhere is heard."""
    starts = range(start, start + units * UNIT, UNIT)
    voice = np.cos(2 * np.pi * np.arange(start, start + units * UNIT) / 100) * LEVEL
    return [
        face_pb2.Speech(turn_id=turn_id, pcm=voice[at - start : at - start + UNIT].astype("<i2").tobytes(), start_sample=at)
        for at in starts
    ]


def heard(units: list[common_pb2.Unit]) -> NDArray[np.int32]:
    return np.concatenate([np.frombuffer(each.pcm, "<i2") for each in units]).astype(np.int32)


def assert_smooth(units: list[common_pb2.Unit]) -> None:
    """No click: the voice is nowhere further from one sample to the next than a tone, and a ramp of 5 ms over it, goes."""
    assert np.abs(np.diff(heard(units))).max() <= 1.2 * STEP + LEVEL / FADE


class Listening:
    """A client at the end of an output, whose face is a playout that hears what it is asked for when it is told to."""

    def __init__(self) -> None:
        self.metrics = Metrics("session", "test")
        self.tracker = HeardTracker()
        self.fed: list[Any] = []
        self.received: list[common_pb2.Unit] = []
        self.notices: list[session_pb2.Notice] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self._asked: list[dict[str, Message]] = []
        manner = Manner("", "june", "", "en", pcm_format(24_000), common_pb2.VideoFormat(), frozenset(), 1.0)
        self.output = Output(
            manner,
            self,  # type: ignore[arg-type]
            self.metrics,
            Timeline(self.metrics),
            self.tracker,
            now=lambda: 0,
            feed=self.fed.append,
            send=lambda **_: None,
            notify=self.notices.append,
            overhear=lambda _: None,
        )
        self.face = Faceless(24_000, self.output.on_face)
        self.output.raise_curtain()

    def link(self, ability: str, config: Any) -> Listening:
        assert ability == "face"
        return self

    def send(self, **payload: Message) -> None:
        self._asked.append(payload)

    def arrive(self) -> None:
        """What was sent gets to the face."""
        for payload in self._asked:
            self.face.send(**payload)
        self._asked.clear()

    def reply(self, units: int, turn_id: int = 1) -> None:
        """One that comes to the face whole."""
        reply = self.tracker.begin(turn_id)
        reply.speech.extend(tone(units, turn_id=turn_id))
        reply.complete = True
        for speech in reply.speech:
            self.output.direct(speech=speech)
        self.output.direct(speech_end=face_pb2.SpeechEnd(turn_id=turn_id))
        self.arrive()

    async def beat(self, count: int = 1, by: Faceless | None = None) -> None:
        for _ in range(count):
            (by or self.face).beat()
            for _ in range(3):
                await asyncio.sleep(0)

    async def write(self, response: session_pb2.ConverseResponse) -> None:
        await self.reading.wait()
        if response.HasField("unit"):
            self.received.append(response.unit)

    def stale(self) -> float:
        labels = {"service": "session", "engine": "test", "stage": "unit"}
        return self.metrics.registry.get_sample_value("vivant_stale_output_total", labels) or 0.0


@pytest.fixture
async def listening(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    async def never(_: Metronome) -> None:
        await asyncio.Event().wait()

    # The tests give the beat.
    monkeypatch.setattr(Metronome, "tick", never)
    made = Listening()
    client = made.output.audience.enter(common_pb2.Participant(id="ann"), session_pb2.Ready(), video=True)
    writing = asyncio.create_task(client.outbox.run(made.write))
    yield made
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


class TestOutput:
    async def test_a_cleared_reply_fades_out_in_the_next_unit(self, listening: Listening) -> None:
        listening.reply(20)
        await listening.beat(3)
        listening.output.clear(2)
        listening.arrive()
        await listening.beat(3)
        assert [each.turn_id for each in listening.received] == [1, 1, 1, 0, 0, 0]
        assert not heard(listening.received)[3 * UNIT + FADE :].any(), "once, and within 5 ms"
        assert_smooth(listening.received)
        assert (listening.tracker.reply.sent_samples, listening.stale()) == (3 * UNIT, 0)

    async def test_lips_that_do_not_move_are_told_and_units_go_on(self, listening: Listening) -> None:
        listening.reply(4)
        await listening.beat(2)
        listening.output.on_face("trouble", face_pb2.Trouble(reason="model_full", message="no credits", retryable=True))
        await listening.beat(2)
        (notice,) = listening.notices
        assert (notice.reason, notice.ability, notice.retryable) == ("lips_rest", "face", True)
        assert "no credits" in notice.message
        assert [each.turn_id for each in listening.received] == [1] * 4

    async def test_a_unit_that_was_under_way_is_not_heard(self, listening: Listening) -> None:
        """The face lets it go before it hears of the clear. The voice ends where it was, and not once more after that unit."""
        listening.reply(20)
        await listening.beat(3)
        listening.output.clear(2)
        await listening.beat(2)
        listening.arrive()
        await listening.beat(3)
        assert [(each.turn_id, each.turn_sample) for each in listening.received[2:]] == [(1, 2 * UNIT), *[(0, 0)] * 5]
        assert [each.index for each in listening.received] == list(range(8))
        assert heard(listening.received)[3 * UNIT : 3 * UNIT + FADE // 2].any()
        assert not heard(listening.received)[3 * UNIT + FADE :].any()
        assert_smooth(listening.received)
        assert (listening.tracker.reply.sent_samples, listening.stale()) == (3 * UNIT, 2)

    async def test_nor_does_a_lowered_voice_end_louder_than_it_was(self, listening: Listening) -> None:
        listening.reply(20)
        await listening.beat(2)
        listening.output.duck()
        listening.arrive()
        await listening.beat(2)
        listening.output.clear(2)
        await listening.beat()
        assert [each.ducked for each in listening.received] == [False, False, True, True, False]
        assert np.abs(heard(listening.received[4:])).max() <= LEVEL / 4
        assert_smooth(listening.received)

    async def test_who_reads_slowly_does_not_hear_the_rest_of_a_cleared_reply(self, listening: Listening) -> None:
        listening.reply(20)
        await listening.beat(2)
        listening.reading.clear()
        await listening.beat(6)
        listening.output.clear(2)
        listening.arrive()
        await listening.beat(2)
        listening.reading.set()
        await listening.beat()
        # Unit 2 was being written.
        assert [(each.index, each.turn_id) for each in listening.received] == [(i, int(i < 3)) for i in range(11)]
        assert not heard(listening.received)[3 * UNIT + FADE :].any()
        assert_smooth(listening.received)
        assert listening.tracker.reply.sent_samples == 3 * UNIT

    async def test_a_voice_that_was_held_ended_then(self, listening: Listening) -> None:
        listening.reply(20)
        await listening.beat(3)
        listening.output.hold()
        listening.arrive()
        await listening.beat(3)
        listening.output.clear(2)
        listening.arrive()
        await listening.beat(2)
        assert not heard(listening.received)[3 * UNIT + FADE :].any()
        assert_smooth(listening.received)

    async def test_a_reply_begins_while_the_one_before_ends(self, listening: Listening) -> None:
        listening.reply(20)
        await listening.beat(3)
        listening.output.clear(2)
        listening.reply(5, turn_id=2)
        await listening.beat(2)
        assert [(each.turn_id, each.turn_sample) for each in listening.received[3:]] == [(2, 0), (2, UNIT)]
        own = heard([common_pb2.Unit(pcm=each.pcm) for each in tone(1)])
        ending = heard(listening.received[3:4]) - own
        assert ending[: FADE // 2].any()
        assert not np.abs(ending[FADE:]).max() > 1

    async def test_the_voice_goes_on_without_a_face_where_it_was(self, listening: Listening) -> None:
        listening.reply(9)
        await listening.beat(3)
        async with asyncio.TaskGroup() as tasks:
            listening.output.lose_face(tasks)
            await listening.beat(2)
            assert len(listening.received) == 3, "nobody listens to the face any more"
            alone = listening.output._faceless
            assert alone is not None
            await listening.beat(8, by=alone)
            listening.output.close()
        assert [each.turn_sample for each in listening.received[:9]] == [UNIT * number for number in range(9)]
        assert [each.index for each in listening.received] == list(range(11))
        assert [event.state.name for event in listening.fed] == ["STARTED", "FINISHED"]
        assert_smooth(listening.received)

    async def test_a_voice_that_is_held_stays_held_without_a_face(self, listening: Listening) -> None:
        listening.reply(9)
        await listening.beat(3)
        listening.output.hold()
        async with asyncio.TaskGroup() as tasks:
            listening.output.lose_face(tasks)
            alone = listening.output._faceless
            assert alone is not None
            await listening.beat(2, by=alone)
            assert not heard(listening.received[3:]).any()
            listening.output.release()
            await listening.beat(by=alone)
            listening.output.close()
        assert (listening.received[-1].turn_id, listening.received[-1].turn_sample) == (1, 3 * UNIT)

    async def test_a_hold_was_meant_for_the_reply_of_then(self, listening: Listening) -> None:
        listening.reply(9)
        await listening.beat(3)
        listening.output.hold()
        listening.reply(9, turn_id=2)
        await listening.beat(2)
        async with asyncio.TaskGroup() as tasks:
            listening.output.lose_face(tasks)
            alone = listening.output._faceless
            assert alone is not None
            await listening.beat(2, by=alone)
            listening.output.close()
        assert [each.turn_id for each in listening.received] == [1, 1, 1, 2, 2, 2, 2]


class TestFaceless:
    def pace(self, *requests: dict[str, Message], units: int, start: int = 0) -> list[tuple[str, Any]]:
        """What comes out of it in `units` beats."""
        out: list[tuple[str, Any]] = []
        faceless = Faceless(24_000, lambda kind, message: out.append((kind, message)))
        if start:
            faceless.take_over(1, start)
        for request in requests:
            faceless.send(**request)
        assert not out, "it answers with the beat"
        for _ in range(units):
            faceless.beat()
        return out

    def speech(self, units: int, start: int = 0) -> list[dict[str, Message]]:
        return [{"speech": speech} for speech in tone(units, start)]

    def test_the_voice_goes_on_in_the_middle_and_ends_with_its_last_sample(self) -> None:
        end = {"speech_end": face_pb2.SpeechEnd(turn_id=1)}
        last = {"speech": face_pb2.Speech(turn_id=1, pcm=b"\1\1" * 80, start_sample=6720)}
        out = self.pace(*self.speech(2, 4800), last, end, units=4, start=4800)
        units = [message for kind, message in out if kind == "unit"]
        assert [(item.turn_id, item.turn_sample) for item in units] == [(1, 4800), (1, 5760), (1, 6720), (0, 0)]
        assert [len(item.pcm) for item in units] == [2 * UNIT] * 4
        assert np.abs(heard(units[:2]) - heard([common_pb2.Unit(pcm=each.pcm) for each in tone(2, 4800)])).max() <= 1
        assert units[2].pcm == b"\1\1" * 80 + bytes(2 * (UNIT - 80))
        assert [(message.state, message.position_samples) for kind, message in out if kind == "playback"] == [
            (face_pb2.PLAYBACK_STATE_FINISHED, 6800)
        ]

    def test_without_speech_it_still_beats(self) -> None:
        out = self.pace(units=3)
        assert [message.index for _, message in out] == [0, 1, 2]
        assert not any(any(message.pcm) for _, message in out)

    def test_what_only_concerns_the_picture_is_ignored(self) -> None:
        out = self.pace({"look": face_pb2.LookChange()}, {"keyframe": face_pb2.KeyframeRequest()}, units=1)
        assert [kind for kind, _ in out] == ["unit"]

    def test_pause_and_clear_take_the_voice_away_at_once(self) -> None:
        paused = self.pace(*self.speech(9), {"pause": face_pb2.Pause()}, units=1)
        assert paused[-1][1].turn_id == 0
        cleared = self.pace(*self.speech(9), {"clear": face_pb2.Clear(newest_turn_id=4)}, *self.speech(1), units=2)
        assert [message.turn_id for kind, message in cleared if kind == "unit"] == [0, 0]

    def test_it_lowers_the_voice_as_the_face_does(self) -> None:
        out = self.pace(*self.speech(9), {"duck": face_pb2.Duck()}, units=9)
        units = [message for kind, message in out if kind == "unit"]
        assert [each.ducked for each in units] == [True] * 8 + [False]
        assert np.abs(heard(units[1:8])).max() == LEVEL / 4
        assert_smooth(units)

    def test_a_little_word_is_mixed_in(self) -> None:
        out = self.pace(*self.speech(1), {"aside": face_pb2.Aside(pcm=np.full(UNIT, 100, "<i2").tobytes())}, units=1)
        assert np.abs(heard([out[-1][1]]) - heard([common_pb2.Unit(pcm=tone(1)[0].pcm)]) - 100).max() <= 1


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

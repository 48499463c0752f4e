"""Conversations that were recorded are decided the same again, and otherwise with another style."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from services.orchestrator.__main__ import service
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution, OverlapKind, PlaybackState, ms
from services.orchestrator.replay import main, replay, show
from services.orchestrator.session.recorder import Recorder, read
from tests.harness.virtual_talk import Talk
from vivant.errors import InvalidRequest, Unusable


class Recorded(Talk):
    """A conversation that is recorded as it goes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.lost: list[str] = []
        self.recorder = Recorder(path, self.style, lambda: self.lost.append("recording"))

    def _step(self, event: ev.Event) -> list[fx.Effect]:
        effects = super()._step(event)
        self.recorder.note(event, self.state, effects)
        return effects


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "decisions" / "one.jsonl"
    talk = Recorded(path)
    converse(talk)
    talk.recorder.close()
    assert not talk.lost
    return path


def converse(talk: Recorded) -> None:
    talk.say("I grew up by the sea", 0, 1500)
    turn_id = talk.answered(2000)
    talk(ev.SpeechStarted, 3000, "Spk1")
    talk(ev.Overlapped, 3300, "Spk1", OverlapKind.INTERRUPTION, probability=0.9)
    talk(ev.TextTyped, 4000, Contribution("Zoë", "and where is that?", typed=True, ended_at=ms(4000)))
    talk(ev.PlaybackChanged, 4500, turn_id, PlaybackState.FINISHED)


def test_the_same_events_give_the_same_decisions(recording: Path) -> None:
    decisions = replay(recording)
    assert all(decision.same for decision in decisions)
    assert "Commit" in [name for decision in decisions for name in decision.effects]
    assert [event for event, _, _ in read(recording)[1]] == [decision.event for decision in decisions]


def test_another_style_decides_otherwise(recording: Path) -> None:
    decisions = replay(recording, ["breaking_in_cost_s=1000.0"])
    other = [decision for decision in decisions if not decision.same]
    assert other, "it would have waited for the longest pause"
    assert "Commit" in other[0].effects_then
    assert "Commit" not in other[0].effects


def test_what_is_printed_says_what_differs(recording: Path) -> None:
    console = Console(record=True, width=200)
    assert show(recording, [], console)
    assert "all as then" in console.export_text()
    assert not show(recording, ["interruptible=false"], console)
    assert "decided otherwise" in console.export_text()


@pytest.mark.parametrize("change", ["no_such=1", "filler_after=soon", "longest_pause=[3]"])
def test_a_style_that_cannot_be_is_refused(recording: Path, change: str) -> None:
    with pytest.raises(InvalidRequest):
        replay(recording, [change])


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"style": {}}\n{"event": "Nothing", "phase": "", "effects": []}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match="no recording"):
        replay(path)


def test_the_command_line(recording: Path, tmp_path: Path) -> None:
    assert main([str(recording)]) == 0
    assert main([str(recording), "--set", "interruptible=false"]) == 2
    assert main([str(tmp_path / "none")]) == 1


def test_a_recording_that_breaks_off_is_replayed_up_to_there(recording: Path) -> None:
    whole = replay(recording)
    written = recording.read_bytes()
    for end in (len(written) - 1, len(written) - 5, written.index("ë".encode()) + 1):
        recording.write_bytes(written[:end])
        decisions = replay(recording)
        assert decisions == whole[: len(decisions)]
        assert len(decisions) >= 8
        assert all(decision.same for decision in decisions)


def test_a_cost_without_end_is_kept_as_json(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    talk = Recorded(path)
    talk(ev.SpeechStopped, 1200, "Ann", last_speech_at=ms(1000))
    talk(ev.EndOfTurn, 1240, "Ann", 1.0, math.inf)
    talk.recorder.close()

    def refused(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    for line in path.read_text("utf-8").splitlines():
        json.loads(line, parse_constant=refused)
    ended = replay(path)[-1].event
    assert isinstance(ended, ev.EndOfTurn) and ended.waiting_cost_s == math.inf


def test_what_is_said_may_hold_any_line_separator(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    talk = Recorded(path)
    talk(ev.TextTyped, 1000, Contribution("Ann", "one\u2028two\x85three", typed=True, ended_at=ms(1000)))
    talk.recorder.close()
    assert len(replay(path)) == 1


def test_a_disk_that_is_full_ends_the_recording_and_nothing_else() -> None:
    talk = Recorded(Path("/dev/full"))
    converse(talk)
    # What is written is held back for a while; more than that finds out at once.
    for second in range(5, 25):
        talk(ev.TextTyped, second * 1000, Contribution("Zoë", "and " * 500, typed=True, ended_at=ms(second * 1000)))
    assert talk.lost == ["recording"]
    talk.recorder.close()
    assert talk.lost == ["recording"]


def test_a_disk_that_is_full_at_the_end_is_noticed_too() -> None:
    talk = Recorded(Path("/dev/full"))
    converse(talk)
    assert not talk.lost
    talk.recorder.close()
    assert talk.lost == ["recording"]


def test_a_folder_that_has_gone_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    talk = Recorded(tmp_path / "file" / "one.jsonl")
    assert talk.lost == ["recording"]
    converse(talk)
    talk.recorder.close()
    assert talk.lost == ["recording"]


def test_a_folder_that_cannot_be_written_is_refused_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "decisions"):
        monkeypatch.setenv("ORCHESTRATOR_DECISIONS_DIR", str(folder))
        with pytest.raises(Unusable, match="ORCHESTRATOR_DECISIONS_DIR") as refused:
            service()
        assert refused.value.reason == "cannot_write"
        assert str(folder) in refused.value.message


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DECISIONS_DIR", str(tmp_path / "new" / "decisions"))
    service()
    assert list((tmp_path / "new" / "decisions").iterdir()) == []

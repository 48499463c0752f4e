"""Scenarios are data: what is shipped can be read, and what is wrong is refused with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.conversation.scenarios import Cue, Expect, read, scenarios
from bench.conversation.sounds import VOICES, cut, joined, pitched, recordings, speech_of


def written(folder: Path, text: str) -> Path:
    path = folder / "made.toml"
    path.write_text(text, "utf-8")
    return path


def test_all_scenarios_name_sounds_that_exist() -> None:
    known = recordings()
    shipped = scenarios()
    assert {"questions", "pauses", "story", "acknowledgements", "interruptions"} <= {scenario.name for scenario in shipped}
    for scenario in shipped:
        for line in scenario.lines:
            assert not line.recording or line.recording in known, f"{scenario.name}: {line.recording}"
            assert set(line.voices) <= set(VOICES), f"{scenario.name}: {line.what}"


def test_recordings_have_somebody_speaking_where_it_says() -> None:
    for name, sound in recordings().items():
        assert 0 <= sound.spans[0][0] < sound.spans[-1][1] <= len(sound.samples) / 16_000, name
        assert all(start < end for start, end in sound.spans), name


def test_lists_are_taken_in_turn(tmp_path: Path) -> None:
    path = written(
        tmp_path, 'about = "x"\nvoice = ["low", "high"]\n[[lines]]\ntext = "Hi."\nafter = "reply"\ndelay_s = [1, 2]\n'
    )
    (line,) = read(path).lines
    assert [line.delay_s(run) for run in range(3)] == [1, 2, 1]
    assert [line.voice(run) for run in range(3)] == ["low", "high", "low"]
    assert (line.after, line.expect) == (Cue.REPLY, Expect.ANSWER)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('[[lines]]\ntext = "Hi."\ntyped = "Hi."', "line 1: set exactly one of"),
        ("[[lines]]\nspeaker = 'Ann'", "line 1: set exactly one of"),
        ('[[lines]]\ntext = "Hi."\nwhen = 1', "line 1: unknown key when"),
        ('[[lines]]\ntext = "Hi."\nafter = "never"', "line 1: 'never' is not a valid Cue"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path, f'about = "x"\n{lines}\n'))


def test_an_unknown_scenario_is_answered_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"there is no scenario nothing; there are: .*questions"):
        scenarios(["nothing"])


def test_one_sound_is_cut_where_it_is_quietest_between_two_words() -> None:
    sound = (8000 * np.sin(np.arange(16_000) * 0.3)).astype(np.int16)
    sound[7_900:8_200] = 0
    first, second = cut(sound, [(7_700, 8_400)])
    assert 7_900 <= len(first) <= 8_200
    assert len(first) + len(second) == len(sound)
    assert (first[:7_000] == sound[:7_000]).all()
    assert (second[-7_000:] == sound[-7_000:]).all()
    hard, after = cut(np.full(16_000, 8_000, np.int16), [(8_000, 8_000)])
    assert hard[-1] == after[0] == 0


def test_parts_are_joined_with_the_pause_between_their_speech() -> None:
    part = np.zeros(16_000, np.int16)
    part[4800:8000] = 5000 * np.sin(np.arange(3200) / 5)
    sound = joined([part, part], [0.7])
    (first, second) = sound.spans
    assert first[1] - first[0] == pytest.approx(0.2, abs=0.011)
    assert second[0] - first[1] == pytest.approx(0.7, abs=0.001)
    begin, end = speech_of(sound.samples)
    assert begin / 16_000 == pytest.approx(first[0], abs=0.011)
    assert end / 16_000 == pytest.approx(second[1], abs=0.011)


def test_a_higher_voice_is_shorter_by_its_pitch() -> None:
    tone = (8000 * np.sin(np.arange(24_000) * 2 * np.pi * 200 / 24_000)).astype(np.int16)
    assert len(pitched(tone, 1.25)) == pytest.approx(16_000 / 1.25, rel=0.01)
    spectrum = np.abs(np.fft.rfft(pitched(tone, 1.25)))
    assert spectrum.argmax() * 16_000 / len(pitched(tone, 1.25)) == pytest.approx(250, rel=0.02)


def test_pauses_in_a_recording_are_found_though_the_room_is_not_silent() -> None:
    found = recordings()
    assert len(found["weather"].spans) == 1
    (first, second) = found["hello_world"].spans
    assert first[1] == pytest.approx(0.70, abs=0.05)
    assert second[0] == pytest.approx(1.70, abs=0.05)
    assert len(found["call_me_abbie"].spans) == 2

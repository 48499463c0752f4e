"""The driver audio2face without a server: weights in time, time codes in the sound, blend shapes on the portrait's channels."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from environment import ROOT
from services.face.engines.audio2face.echo import Echo
from services.face.engines.audio2face.messages import LARGEST, RATE_HZ, header, sound
from services.face.engines.audio2face.shapes import moves_a_jaw, places, shape, weights
from services.face.engines.audio2face.track import Track
from services.face.engines.portrait.basis import load_basis
from services.face.engines.portrait.expression import CHANNELS, Expression, channel
from services.face.engines.portrait.visemes import SEAL, TONGUE
from tests.harness.audio2face_server import NAMES


def row(value: float) -> np.ndarray:
    return np.full(CHANNELS, value, np.float32)


# --- weights in time ---


def test_weights_lie_between_those_around_a_moment_in_whatever_order_they_came() -> None:
    track = Track()
    for frame in (3, 0, 2, 1):
        track.put(frame / 30, row(frame / 10))
    for time_s in (0.0, 0.01, 0.05, 0.0999):
        found = track.at(time_s)
        assert found is not None and found == pytest.approx(np.full(CHANNELS, 3 * time_s), abs=1e-6)


def test_a_moment_takes_what_is_near_and_nothing_from_further_away() -> None:
    track = Track()
    assert track.at(0.0) is None
    track.put(1.0, row(0.5))
    assert [track.at(time_s) is None for time_s in (0.85, 0.95, 1.05, 1.15)] == [True, False, False, True]


def test_a_picture_is_woken_by_its_weights_and_by_the_end_of_all() -> None:
    track = Track()
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(track.at(0.5, 60)))
    waiting.start()
    track.put(0.55, row(0.9))
    track.put(0.45, row(0.5))
    waiting.join(60)
    assert isinstance(found[0], np.ndarray) and found[0][0] == pytest.approx(0.7)
    track.complete()
    assert track.at(9.0, 60) is None, "nobody waits for what will not come"


# --- time codes ---


def pcm(seconds: float, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(-9_000, 9_000, round(seconds * RATE_HZ)).astype("<i2").tobytes()


def piece(sent: bytes, at_s: float) -> bytes:
    begin = 2 * round(at_s * RATE_HZ)
    return sent[begin : begin + 1066]


@pytest.mark.parametrize("first_code_s", [0.0, 0.25, -0.1, 1_700_000_000.0])
def test_time_codes_count_from_where_their_sound_lies(first_code_s: float) -> None:
    echo, sent = Echo(), pcm(1)
    echo.sent(sent[:20_000])
    echo.sent(sent[20_000:])
    assert echo.heard(0.4 + first_code_s, piece(sent, 0.4))
    assert echo.start_s == pytest.approx(first_code_s, abs=1e-6)


def test_silence_proves_nothing_and_the_first_sound_behind_it_does() -> None:
    echo = Echo()
    sent = bytes(RATE_HZ) + pcm(0.5)
    echo.sent(sent)
    assert echo.heard(0.2, piece(sent, 0.0)) and echo.start_s == 0
    assert echo.heard(0.8, piece(sent, 0.6))
    assert echo.start_s == pytest.approx(0.2)


def test_sound_that_the_server_has_changed_a_little_is_still_found() -> None:
    echo, sent = Echo(), pcm(2)
    echo.sent(sent)
    samples = np.frombuffer(sent, "<i2").astype(np.float64)
    softened = (0.85 * samples + 0.15 * np.roll(samples, 1)).round().astype("<i2").tobytes()
    assert echo.heard(0.5, piece(softened, 0.2))
    assert echo.start_s == pytest.approx(0.3, abs=1e-3)


def test_sound_that_was_never_sent_is_noticed_and_none_at_all_is_not_missed() -> None:
    echo = Echo()
    echo.sent(pcm(0.5))
    assert not echo.heard(0.1, piece(pcm(0.5, seed=2), 0.1))
    assert echo.heard(0.1, b"")
    assert echo.start_s == 0


# --- blend shapes ---


def test_the_servers_names_are_found_among_ours_in_either_spelling() -> None:
    theirs, rows = places(NAMES)
    ours = {row: name for name, row in load_basis().channels.items()}
    used = {NAMES[n]: ours[row] for n, row in zip(theirs, rows, strict=True)}
    assert all(theirs == name[:1].upper() + name[1:] for theirs, name in used.items())
    assert set(used.values()) == {name for name in ours.values() if name.startswith(("jaw", "mouth", "cheekPuff"))}
    again, _ = places([name[:1].lower() + name[1:] for name in NAMES])
    assert np.array_equal(theirs, again)
    assert moves_a_jaw(NAMES) and not moves_a_jaw(["viseme_aa", "viseme_PP"])


def test_weights_are_held_within_bounds_and_only_the_mouths_are_taken() -> None:
    values = {"JawOpen": 1.7, "MouthPucker": -0.4, "MouthFunnel": float("nan"), "EyeBlinkLeft": 1.0, "BrowInnerUp": 1.0}
    found = weights([values.get(name, 0.0) for name in NAMES], places(NAMES))
    assert found[channel("jawOpen")] == 1
    assert np.delete(found, channel("jawOpen")) == pytest.approx(0)


def mouth(**given: float) -> np.ndarray:
    made = np.zeros(CHANNELS, np.float32)
    for name, value in given.items():
        made[channel(name)] = value
    return made


def test_lips_that_nearly_meet_are_sealed_and_open_or_resting_ones_are_not() -> None:
    assert shape(mouth())[SEAL] == 0
    assert shape(mouth(jawOpen=0.4))[SEAL] == 0
    assert shape(mouth(jawOpen=0.1, mouthLowerDownLeft=0.3, mouthLowerDownRight=0.3))[SEAL] == 0
    closing = [shape(mouth(jawOpen=0.15, mouthClose=value))[SEAL] for value in np.linspace(0, 0.3, 31)]
    assert closing[0] == 0 and max(closing) == 1
    assert np.abs(np.diff(closing)).max() < 0.5, "no snap"
    assert shape(mouth(jawOpen=0.15, mouthPucker=0.5))[TONGUE] == 0


def test_mouth_close_brings_the_lips_of_the_portrait_together() -> None:
    """What the seal is reckoned with is what the picture does."""
    moved = load_basis().displacements

    def gap(given: np.ndarray) -> float:
        return float(np.tensordot(Expression(weights=given).weights, moved[:, 14, 1] - moved[:, 13, 1], 1))

    assert 0 < gap(mouth(jawOpen=0.2, mouthClose=0.1)) < gap(mouth(jawOpen=0.2))


# --- messages ---


def test_sound_goes_out_in_pieces_that_the_server_takes() -> None:
    sent = pcm(3.5)
    pieces = [message.audio_with_emotion.audio_buffer for message in sound(sent)]
    assert b"".join(pieces) == sent
    assert max(map(len, pieces)) == LARGEST == 2 * RATE_HZ
    assert sound(b"") == []
    assert header().audio_stream_header.audio_header.samples_per_second == RATE_HZ


def test_the_lock_fits_on_top_of_that_of_the_service() -> None:
    driver, face = (
        dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements" / f"{name}.txt").read_text("utf-8"), re.MULTILINE))
        for name in ("audio2face", "face")
    )
    both = driver.keys() & face.keys()
    assert {"grpcio", "protobuf"} <= both
    assert {name: driver[name] for name in both} == {name: face[name] for name in both}

"""Telling speakers on one microphone apart by voice: the right label, and one label for who is alone.

`python -m bench.speakers` prints a table and ends in one line of JSON. Conversations are put together from real recordings:
five readers of LibriSpeech test-other, each with each, near the microphone, then each from one place in an imitated room and
the two men of an AMI meeting. None of them was used to choose a number. A turn is 0.7 to 6 s of one speaker, as likely short as
long, at its own level, colour and noise; speakers take turns at random. A label is right when it is the one of the speaker's
place in the order of first turns. *Parted* is the share that would be right if each label stood for whom it suits best: who was
mistaken for somebody else at first may never get the first label. Beside it, on the same prints: a new speaker wherever the
nearest known one is less similar than 0.75.

Everybody also talks alone, and the readers walk to and fro between the microphone and their place in the room while they do.
*Split*: somebody alone got a second label. *Split at the end*: among the last ten turns still. *Two taken for one*: a label was
given up though others had spoken most of it than of the label that took its place.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.speakers import material
from bench.speakers.scoring import TURNS, Labeller, OneThreshold, Score, Turns, alone, converse
from services.asr.voices.people import People
from services.asr.voices.voice_space import VoiceSpace
from services.asr.voices.voiceprint import Array, Voiceprints
from services.common.settings import SharedSettings

DATA: Final = Path(__file__).parents[1] / "data"
MEETING: Final = "dev00"
_MEETING_MIXES: Final = 10
#: Everybody talks alone so often: with other turns, and each in so many orders.
_ALONE: Final = 4
_ORDERS: Final = 5
#: Who walks does so after so many turns.
_STAYS: Final = 11


class Ear:
    """Makes prints, and notes the CPU seconds of each."""

    def __init__(self, model: Voiceprints) -> None:
        self._model = model
        self.spent: list[float] = []

    def turns(self, recordings: Sequence[Array], chance: np.random.Generator, echo: Array | None = None) -> Turns:
        """As many turns as a conversation has, near the microphone or from a place in a room."""
        made: Turns = []
        for _ in range(TURNS):
            sound = material.turn(recordings, chance)
            sound = material.near(sound, chance) if echo is None else material.far(sound, echo, chance)
            before = time.thread_time()
            made.append(self._model.of(sound))
            self.spent.append(time.thread_time() - before)
        return made


@dataclass(frozen=True)
class Material:
    """The turns of everybody, of which each two are mixed so often, and those of somebody alone, one after the other."""

    people: list[Turns]
    mixes: int
    alone: list[Turns]


def listen(ear: Ear) -> dict[str, Material]:
    """All turns, by material."""
    chance = np.random.default_rng(1)
    readers = list(material.readers(DATA / "librispeech_test_other").values())
    men = list(material.meeting(DATA / "turn" / "ami", MEETING).values())
    near = [[ear.turns(cuts, chance) for _ in range(_ALONE)] for cuts in readers]
    meeting = [[ear.turns(cuts, chance) for _ in range(_ALONE)] for cuts in men]
    echoes = [material.room(chance) for _ in readers]
    far = [[ear.turns(cuts, chance, echo) for _ in range(_ALONE)] for cuts, echo in zip(readers, echoes, strict=True)]
    pairs = [both for here, there in zip(near, far, strict=True) for both in zip(here, there, strict=True)]
    return {
        "readers": _material(near, 1, chance),
        "readers in a room": _material(far, 1, chance),
        "readers who walk": Material([], 0, [_walk(*both, chance) for both in pairs for _ in range(_ORDERS)]),
        "meeting": _material(meeting, _MEETING_MIXES, chance),
    }


def _material(made: list[list[Turns]], mixes: int, chance: np.random.Generator) -> Material:
    every = [own for again in made for own in again]
    return Material([again[0] for again in made], mixes, [_shuffled(own, chance) for own in every for _ in range(_ORDERS)])


def _shuffled(own: Turns, chance: np.random.Generator) -> Turns:
    return [own[index] for index in chance.permutation(len(own))]


def _walk(near: Turns, far: Turns, chance: np.random.Generator) -> Turns:
    """The turns of somebody who is now there, now here."""
    places = _shuffled(far, chance), _shuffled(near, chance)
    return [places[index // _STAYS % 2][index] for index in range(TURNS)]


def measure(materials: dict[str, Material]) -> dict[tuple[str, str], Score]:
    """The scores by material and way."""
    space = VoiceSpace.load()
    ways: dict[str, Callable[[], Labeller]] = {"here": lambda: People(space), "one threshold": OneThreshold}
    scores: dict[tuple[str, str], Score] = {}
    for (name, heard), (way, labels) in itertools.product(materials.items(), ways.items()):
        score = scores[name, way] = Score()
        chance = np.random.default_rng(2)
        for pair in itertools.combinations(heard.people, 2):
            for _ in range(heard.mixes):
                converse(pair, labels(), score, chance)
        for own in heard.alone:
            alone(own, labels(), score)
    return scores


def main() -> int:
    ear = Ear(Voiceprints(SharedSettings().models_dir / "resemblyzer" / "ge2e.onnx"))
    scores = measure(listen(ear))
    table = Table(title="Speakers told apart by voice")
    for column in (
        "material",
        "way",
        "turns",
        "right %",
        "parted %",
        "mixes",
        "two taken for one",
        "alone",
        "split",
        "split at the end",
    ):
        table.add_column(column, justify="left" if column in ("material", "way") else "right")
    for (name, way), score in scores.items():
        right = (f"{score.pct:.1f}", f"{score.parted_pct:.1f}") if score.turns else ("", "")
        numbers = (score.mixes, score.two_as_one, score.alone, score.split, score.split_at_end)
        table.add_row(name, way, str(score.turns), *right, *map(str, numbers))
    Console().print(table)
    ours = [score for (_, way), score in scores.items() if way == "here"]
    result = {
        "speaker_pct": round(scores["readers", "here"].pct, 1),
        "speaker_room_pct": round(scores["readers in a room", "here"].pct, 1),
        "speaker_meeting_pct": round(scores["meeting", "here"].pct, 1),
        "speaker_meeting_parted_pct": round(scores["meeting", "here"].parted_pct, 1),
        "speaker_baseline_pct": round(scores["readers", "one threshold"].pct, 1),
        "alone_split_pct": round(100 * sum(score.split for score in ours) / sum(score.alone for score in ours), 1),
        "alone_split_at_end_pct": round(
            100 * sum(score.split_at_end for score in ours) / sum(score.alone for score in ours), 1
        ),
        "two_as_one_pct": round(100 * sum(score.two_as_one for score in ours) / sum(score.mixes for score in ours), 1),
        "voiceprint_cpu_ms": round(1000 * statistics.mean(ear.spent), 1),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

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
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import speakers_material as material
from services.asr.voices.people import People
from services.asr.voices.voice_space import VoiceSpace
from services.asr.voices.voiceprint import Array, Voiceprints
from services.common.settings import SharedSettings

DATA: Final = Path(__file__).parent / "data"
MEETING: Final = "dev00"
TURNS: Final = 44
_MEETING_MIXES: Final = 10
#: Everybody talks alone so often: with other turns, and each in so many orders.
_ALONE: Final = 4
_ORDERS: Final = 5
_END: Final = 10
#: Who walks does so after so many turns.
_STAYS: Final = 11
_SIMILAR: Final = 0.75

#: The prints of a speaker's turns, with the seconds of speech that each is made of.
Turns = list[tuple[Array, float]]


class Labeller(Protocol):
    """What gives labels to the turns of one conversation, and has given up these for those."""

    def who(self, voiceprint: Array, seconds: float) -> str: ...

    @property
    def given_up(self) -> dict[str, str]: ...


@dataclass
class Score:
    """What one way to label made of the conversations of one material."""

    right: int = 0
    parted: int = 0
    turns: int = 0
    mixes: int = 0
    two_as_one: int = 0
    alone: int = 0
    split: int = 0
    split_at_end: int = 0

    @property
    def pct(self) -> float:
        return 100 * self.right / self.turns

    @property
    def parted_pct(self) -> float:
        return 100 * self.parted / self.turns


class OneThreshold:
    """The baseline: means of prints, and one least similarity."""

    given_up: Final[dict[str, str]] = {}

    def __init__(self) -> None:
        self._known: list[tuple[Array, int]] = []

    def who(self, voiceprint: Array, seconds: float) -> str:
        near = [float(voiceprint @ mean) / float(np.linalg.norm(mean)) for mean, _ in self._known]
        best = int(np.argmax(near)) if near else -1
        if best < 0 or near[best] < _SIMILAR:
            self._known.append((voiceprint, 1))
            return f"Spk{len(self._known)}"
        mean, count = self._known[best]
        self._known[best] = ((mean * count + voiceprint) / np.float32(count + 1), count + 1)
        return f"Spk{best + 1}"


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


def converse(people: Sequence[Turns], labels: Labeller, score: Score, chance: np.random.Generator) -> None:
    """One conversation of these people, labelled."""
    order, left = list[int](), [list(chance.permutation(len(own))) for own in people]
    spoken: dict[str, Counter[int]] = {}
    given_up: dict[str, str] = {}
    for _ in range(TURNS):
        speaker = int(chance.integers(len(people)))
        if speaker not in order:
            order.append(speaker)
        label = labels.who(*people[speaker][left[speaker].pop()])
        spoken.setdefault(label, Counter())[speaker] += 1
        score.right += label == f"Spk{order.index(speaker) + 1}"
        for younger in labels.given_up.keys() - given_up.keys():
            one, other = (spoken[name].most_common(1)[0][0] for name in (younger, labels.given_up[younger]))
            score.two_as_one += one != other
        given_up = dict(labels.given_up)
    places = itertools.permutations([*spoken.values(), *[Counter[int]()] * len(people)], len(people))
    score.parted += max(sum(turns[speaker] for speaker, turns in enumerate(own)) for own in places)
    score.turns += TURNS
    score.mixes += 1


def alone(own: Turns, labels: Labeller, score: Score) -> None:
    """Somebody talks alone: a second label is one too many."""
    given = [labels.who(*turn) for turn in own]
    score.split += len(set(given)) > 1
    score.split_at_end += set(given[-_END:]) != {"Spk1"}
    score.alone += 1


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

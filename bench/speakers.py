"""Telling speakers on one microphone apart by voice: the right label, and one label for who is alone.

`python -m bench.speakers` prints tables and ends in one line of JSON. Conversations of two are put together from real
recordings: five readers of LibriSpeech test-other, each with each, and the two of an AMI meeting. None of them was
used to choose a threshold. A turn is 0.7 to 6 s of one speaker, as likely short as long, at its own level, colour and noise;
speakers take turns at random. A label is right when it is the one of the speaker's place in the order of first turns.
Beside it, on the same prints: a new speaker wherever the nearest known one is less similar than 0.75, whatever the length.
"""

from __future__ import annotations

import csv
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
import soundfile
from rich.console import Console
from rich.table import Table

from services.asr.voices.people import People
from services.asr.voices.voiceprint import SAMPLE_RATE_HZ, Array, Voiceprints
from services.common.resample import Resampler
from services.common.settings import SharedSettings

DATA: Final = Path(__file__).parent / "data"
MEETING: Final = "dev00"
TURNS: Final = 44
SHORTEST_S: Final = 0.7
LONGEST_S: Final = 6.0
#: Somebody is heard in a meeting for at least so long by themselves.
_LEAST_S: Final = 4.0
_MEETING_MIXES: Final = 10
#: Everybody talks alone so often: with other turns, and each in so many orders.
_ALONE: Final = 4
_ORDERS: Final = 5
_SIMILAR: Final = 0.75

#: The prints of a speaker's turns, with the seconds of speech that each is made of.
Turns = list[tuple[Array, float]]
Labels = Callable[[], Callable[[Array, float], str]]


@dataclass
class Score:
    """What one way to label made of the conversations of one material."""

    right: int = 0
    turns: int = 0
    split: int = 0
    alone: int = 0

    @property
    def pct(self) -> float:
        return 100 * self.right / self.turns

    @property
    def split_pct(self) -> float:
        return 100 * self.split / self.alone


class OneThreshold:
    """The baseline: means of prints, and one least similarity."""

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


def readers() -> dict[str, list[Array]]:
    """The recordings of each reader."""
    found: dict[str, list[Array]] = {}
    for path in sorted((DATA / "librispeech_test_other").glob("*.flac")):
        found.setdefault(path.name.partition("-")[0], []).append(_read(path))
    return found


def meeting(name: str) -> dict[str, list[Array]]:
    """What each speaker of a meeting says while nobody else does."""
    audio = _read(DATA / "turn" / "ami" / f"{name}.opus")
    with (DATA / "turn" / "ami" / f"{name}.rttm").open(encoding="utf-8") as file:
        rows = [(row[7], float(row[3]), float(row[3]) + float(row[4])) for row in csv.reader(file, delimiter=" ") if row]
    found: dict[str, list[Array]] = {}
    for speaker, start, end in rows:
        spans = [(start, end)]
        for other, first, last in rows:
            if other != speaker:
                spans = [part for a, b in spans for part in ((a, min(b, first)), (max(a, last), b)) if part[1] - part[0] > 0]
        cuts = [audio[int(a * SAMPLE_RATE_HZ) : int(b * SAMPLE_RATE_HZ)] for a, b in spans if b - a >= SHORTEST_S]
        found.setdefault(speaker, []).extend(cuts)
    return {who: cuts for who, cuts in found.items() if sum(map(len, cuts)) >= _LEAST_S * SAMPLE_RATE_HZ}


def turns(recordings: Sequence[Array], model: Voiceprints, chance: np.random.Generator, spent: list[float]) -> Turns:
    """The prints of as many turns as a conversation has; notes the CPU seconds of each."""
    made: Turns = []
    for _ in range(TURNS):
        whole = recordings[int(chance.integers(len(recordings)))]
        seconds = float(np.exp(chance.uniform(np.log(SHORTEST_S), np.log(LONGEST_S))))
        size = min(len(whole), int(seconds * SAMPLE_RATE_HZ))
        start = int(chance.integers(len(whole) - size + 1))
        sound = _heard(whole[start : start + size], chance)
        before = time.thread_time()
        made.append(model.of(sound))
        spent.append(time.thread_time() - before)
    return made


def converse(people: Sequence[Turns], labels: Labels, score: Score, chance: np.random.Generator) -> None:
    """One conversation of these people, labelled."""
    who, order, left = labels(), list[int](), [list(chance.permutation(len(own))) for own in people]
    for _ in range(TURNS):
        speaker = int(chance.integers(len(people)))
        if speaker not in order:
            order.append(speaker)
        voiceprint, seconds = people[speaker][left[speaker].pop()]
        score.right += who(voiceprint, seconds) == f"Spk{order.index(speaker) + 1}"
        score.turns += 1


def alone(own: Turns, labels: Labels, score: Score, chance: np.random.Generator) -> None:
    """Somebody talks alone: a second label is one too many."""
    who = labels()
    score.split += len({who(*own[index]) for index in chance.permutation(len(own))}) > 1
    score.alone += 1


def measure(model: Voiceprints) -> tuple[dict[tuple[str, str], Score], list[float]]:
    """The scores by material and way, and the CPU seconds of each utterance."""
    ways: dict[str, Labels] = {"here": lambda: People().who, "one threshold": lambda: OneThreshold().who}
    scores: dict[tuple[str, str], Score] = {}
    spent: list[float] = []
    materials = {"readers": readers(), "meeting": meeting(MEETING)}
    for material, speakers in materials.items():
        chance = np.random.default_rng(1)
        made = {who: [turns(cuts, model, chance, spent) for _ in range(_ALONE)] for who, cuts in speakers.items()}
        for way, labels in ways.items():
            score = scores[material, way] = Score()
            chance = np.random.default_rng(2)
            for pair in itertools.combinations(made, 2):
                for _ in range(1 if material == "readers" else _MEETING_MIXES):
                    converse([made[who][0] for who in pair], labels, score, chance)
            for own in itertools.chain.from_iterable(made.values()):
                for _ in range(_ORDERS):
                    alone(own, labels, score, chance)
    return scores, spent


def _heard(sound: Array, chance: np.random.Generator) -> Array:
    """As another moment at the same microphone would sound: further away, turned aside, in some noise."""
    colour = chance.uniform(-0.4, 0.4)
    turned = np.copy(sound)
    turned[1:] += np.float32(colour) * sound[:-1]
    level = 10 ** (chance.uniform(-14, 6) / 20) / (1 + abs(colour))
    noise = np.convolve(chance.standard_normal(len(sound)), np.ones(8) / 8, "same")
    power = float(np.mean(turned**2)) / 10 ** (chance.uniform(12, 35) / 10)
    noise *= np.sqrt(power / max(float(np.mean(noise**2)), 1e-12))
    return np.clip(level * (turned + noise), -1, 1).astype(np.float32)


def _read(path: Path) -> Array:
    samples, rate = soundfile.read(path, dtype="float32")
    return Resampler(rate, SAMPLE_RATE_HZ).push(np.asarray(samples, np.float32))


def main() -> int:
    scores, spent = measure(Voiceprints(SharedSettings().models_dir / "resemblyzer" / "pretrained.pt"))
    table = Table(title="Speakers told apart by voice")
    for column in ("material", "way", "turns", "right %", "alone", "of them split %"):
        table.add_column(column, justify="left" if column in ("material", "way") else "right")
    for (material, way), score in scores.items():
        table.add_row(material, way, str(score.turns), f"{score.pct:.1f}", str(score.alone), f"{score.split_pct:.1f}")
    console = Console()
    console.print(table)
    ours = [score for (_, way), score in scores.items() if way == "here"]
    result = {
        "speaker_pct": round(scores["readers", "here"].pct, 1),
        "speaker_meeting_pct": round(scores["meeting", "here"].pct, 1),
        "speaker_baseline_pct": round(scores["readers", "one threshold"].pct, 1),
        "alone_split_pct": round(100 * sum(score.split for score in ours) / sum(score.alone for score in ours), 1),
        "voiceprint_cpu_ms": round(1000 * statistics.mean(spent), 1),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

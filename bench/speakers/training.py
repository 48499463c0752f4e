"""Makes `services/asr/voices/voice_space.npz` from recordings of many people: how voices differ, and how much each varies.

`python -m bench.speakers.training FOLDER` reads `<reader>-*.flac`, of at least 50 people. The one in the repository was made of
one utterance of more than 9 s of each of 207 readers of LibriSpeech train-clean, none of whom is in `bench/data`. Each is
heard in forty turns, half of them near the microphone and half of them from one place in a room.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.speakers import material
from services.asr.voices import voice_space
from services.asr.voices.voiceprint import SAMPLE_RATE_HZ, Array, Voiceprints
from services.common.settings import SharedSettings

_LEAST_PEOPLE: Final = 50
_SHORTEST_S: Final = 9.0
_TURNS: Final = 20
_TOO_SHORT_S: Final = 0.5
#: A print of so many seconds has its full weight.
_FULL_S: Final = 6.0
#: Directions in which voices differ most are kept; the scatter of one voice is made rounder by this much, so that what
#: happens to be small in these recordings is not taken to be small always.
_AXES: Final = 100
_ROUNDER: Final = 0.2

#: Prints `[turns, 256]` of one person, and the seconds of speech of each.
Person = tuple[Array, Array]


def listen(recordings: list[Array], model: Voiceprints, chance: np.random.Generator) -> Person:
    """The prints of one person's turns, near and far."""
    echo = material.room(chance)
    near = [material.near(material.turn(recordings, chance), chance) for _ in range(_TURNS)]
    far = [material.far(material.turn(recordings, chance), echo, chance) for _ in range(_TURNS)]
    prints, seconds = zip(*(model.of(sound) for sound in near + far), strict=True)
    kept = np.array(seconds) >= _TOO_SHORT_S
    return np.array(prints, np.float32)[kept], np.array(seconds, np.float32)[kept]


def fit(people: list[Person]) -> dict[str, NDArray[np.generic]]:
    """The arrays of the file. The axes make the scatter of one voice round and of size one, and part the voices."""
    mean = np.concatenate([prints for prints, _ in people]).mean(axis=0)
    centres = np.array([_centre(person) for person in people])
    within, total = np.zeros((len(mean), len(mean))), 0.0
    for (prints, seconds), centre in zip(people, centres, strict=True):
        worth = np.minimum(seconds, _FULL_S)
        within += ((prints - centre) * worth[:, None]).T @ (prints - centre)
        total += float(worth.sum())
    within /= total
    within = (1 - _ROUNDER) * within + _ROUNDER * np.trace(within) / len(mean) * np.eye(len(mean))
    whiten = np.linalg.cholesky(np.linalg.inv(within))
    spread, turns = np.linalg.eigh(whiten.T @ np.cov(centres.T) @ whiten)
    best = np.argsort(-spread)[:_AXES]
    axes = whiten @ turns[:, best]
    return {
        "mean": mean.astype(np.float32),
        "axes": axes.astype(np.float16),
        "spread": spread[best].astype(np.float32),
        "scatter": _scatter(people, centres, axes).astype(np.float32),
    }


def _scatter(people: list[Person], centres: NDArray[np.floating], axes: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far a turn is from the place of its voice, by its seconds s: always + briefly / s."""
    pairs = zip(people, centres, strict=True)
    apart = np.concatenate([(((prints - centre) @ axes) ** 2).mean(axis=1) for (prints, _), centre in pairs])
    seconds = np.concatenate([seconds for _, seconds in people])
    return np.asarray(np.linalg.lstsq(np.stack((np.ones_like(seconds), 1 / seconds), axis=1), apart)[0])


def _centre(person: Person) -> Array:
    prints, seconds = person
    return np.asarray(np.average(prints, axis=0, weights=np.minimum(seconds, _FULL_S)), np.float32)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m bench.speakers.training FOLDER", file=sys.stderr)
        return 2
    recordings = material.readers(Path(arguments[0]))
    chosen = {who: [cut for cut in cuts if len(cut) > _SHORTEST_S * SAMPLE_RATE_HZ][:1] for who, cuts in recordings.items()}
    chosen = {who: cuts for who, cuts in chosen.items() if cuts}
    if len(chosen) < _LEAST_PEOPLE:
        print(
            f"{arguments[0]} has recordings of {len(chosen)} people that are long enough, {_LEAST_PEOPLE} are needed",
            file=sys.stderr,
        )
        return 1
    model = Voiceprints(SharedSettings().models_dir / "resemblyzer" / "ge2e.onnx")
    people = [listen(cuts, model, np.random.default_rng(number)) for number, cuts in enumerate(chosen.values())]
    np.savez_compressed(voice_space.FILE, allow_pickle=False, **fit(people))
    print(f"{voice_space.FILE}: {len(people)} people, {sum(len(prints) for prints, _ in people)} turns")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

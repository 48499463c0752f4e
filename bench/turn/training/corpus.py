"""Makes the turns: a text with hesitations, spoken by one voice, silences where it pauses.

The sound is clean and dry and the silences are digital; the room is added by `bench.turn.material`, which hears them. Turn `n`
is always the same, so that a run can be stopped and goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.turn.training.texts import Piece, Split, hesitating, spoken
from bench.turn.training.voices import RATE_HZ as VOICE_HZ
from bench.turn.training.voices import TEST, TRAIN, Audio, Kokoro
from services.common.resample import Resampler

RATE_HZ: Final = 16_000
#: So many texts of other seeds are left out.
_TAKEN: Final = 200
_SEEDS: Final[dict[Split, int]] = {"train": 1, "test": 2}
_VOICES: Final[dict[Split, tuple[str, ...]]] = {"train": TRAIN, "test": TEST}
#: Sound of the voice kept beside a cut, and the fade at it.
_KEPT: Final = VOICE_HZ * 15 // 1000
_FADE: Final = VOICE_HZ * 10 // 1000
#: Around the border of two pieces the quietest place is looked for this far.
_REACH: Final = VOICE_HZ * 60 // 1000
_FRAME: Final = VOICE_HZ // 100
#: 40 dB below the loudest 10 ms is silence.
_SILENT: Final = 1e-4
#: The sound that is held.
_DRAWN: Final = VOICE_HZ // 5


@dataclass(frozen=True)
class Made:
    """One turn of the corpus, as in `turns.jsonl`."""

    file: str
    voice: str
    seconds: float
    pauses: list[dict[str, Any]]
    """`at_s`, `seconds` and `kind` of each."""
    text: str


def make(
    kokoro: Path,
    chats: Path,
    out: Path,
    split: Split,
    *,
    count: int,
    seconds: float,
    suffix: str,
    seed: int | None = None,
    unlike: Sequence[int] = (),
) -> int:
    """Makes turns in `out` until there are `count` of them or the time is up; returns how many there are.

    None has one of the first 200 texts of the seeds `unlike`.
    """
    seed = _SEEDS[split] if seed is None else seed
    until = time.monotonic() + seconds
    out.mkdir(parents=True, exist_ok=True)
    index = out / "turns.jsonl"
    done = len(index.read_text(encoding="utf-8").splitlines()) if index.exists() else 0
    taken = {text for other in unlike for text in spoken(chats, split, max(_TAKEN, count), other)}
    texts = spoken(chats, split, count, seed, taken)
    ids: dict[str, int] = json.loads(resources.files("hibari").joinpath("assets/vocab.json").read_text(encoding="utf-8"))
    model = Kokoro(kokoro, threads=2)
    while done < count and time.monotonic() < until:
        rng = np.random.default_rng([seed, done])
        voice = _VOICES[split][done % len(_VOICES[split])]
        pieces = hesitating(texts[done], rng)
        audio, pauses = _assembled(pieces, model, voice, float(rng.uniform(0.85, 1.2)), ids)
        name = f"{done:03}.{suffix}"
        soundfile.write(out / name, audio, RATE_HZ, **({"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}))
        text = " | ".join(piece.text for piece in pieces)
        row = Made(name, voice, round(len(audio) / RATE_HZ, 2), pauses, text)
        with index.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(row), ensure_ascii=False) + "\n")
        done += 1
    return done


def _assembled(
    pieces: list[Piece], model: Kokoro, voice: str, speed: float, ids: dict[str, int]
) -> tuple[Audio, list[dict[str, Any]]]:
    """The sound at 16 kHz, from the first word to the last, and its pauses."""
    said = model.say([piece.text for piece in pieces], voice, speed, ids)
    borders = [0, *(_quietest(said.audio, end) for end in said.ends[:-1]), len(said.audio)]
    parts: list[Audio] = []
    pauses: list[dict[str, Any]] = []
    for piece, begin, end in zip(pieces, borders, borders[1:], strict=False):
        sound = _faded(_drawn(_trimmed(said.audio[begin:end]), piece.drawn))
        parts.append(sound)
        if piece.pause_s:
            at = sum(len(part) for part in parts) / VOICE_HZ
            pauses.append({"at_s": round(at, 2), "seconds": round(piece.pause_s, 2), "kind": piece.kind})
            parts.append(np.zeros(round(piece.pause_s * VOICE_HZ), np.float32))
    audio = np.concatenate([*parts, np.zeros(VOICE_HZ // 100, np.float32)])
    return np.clip(Resampler(VOICE_HZ, RATE_HZ).push(audio), -1, 1), pauses


def _quietest(audio: Audio, near: int) -> int:
    """The middle of the quietest 10 ms near a sample."""
    begin = max(0, near - _REACH)
    energy = np.convolve(audio[begin : near + _REACH] ** 2, np.ones(_FRAME), "same")
    return begin + int(np.argmin(energy))


def _trimmed(audio: Audio) -> Audio:
    """Without the silence at both ends."""
    energy = np.convolve(audio**2, np.ones(_FRAME) / _FRAME, "same")
    loud = np.flatnonzero(energy > energy.max() * _SILENT)
    return audio[max(0, loud[0] - _KEPT) : loud[-1] + _KEPT]


def _faded(audio: Audio) -> Audio:
    faded = audio.copy()
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    faded[:_FADE] *= ramp
    faded[-_FADE:] *= ramp[::-1]
    return faded


def _drawn(audio: Audio, factor: float) -> Audio:
    """The last 0.2 s held `factor` times as long, by laying pieces over each other where they fit (WSOLA)."""
    if factor <= 1 or len(audio) < 3 * _DRAWN:
        return audio
    size, reach = VOICE_HZ * 30 // 1000, VOICE_HZ * 8 // 1000
    hop = size // 2
    start = len(audio) - _DRAWN - size
    steps = int(_DRAWN * factor / hop)
    window = np.hanning(size).astype(np.float32)
    out = np.zeros(start + steps * hop + size, np.float32)
    weight = np.full(len(out), 1e-3, np.float32)
    out[: start + hop] = audio[: start + hop]
    out[start : start + hop] *= window[hop:]
    weight[: start + hop] = 1.0
    weight[start : start + hop] = window[hop:]
    at = start
    for step in range(steps):
        wanted = audio[at + hop : at + hop + hop]
        ideal = start + round(step * hop / factor)
        places = range(max(0, ideal - reach), min(len(audio) - size, ideal + reach), 4)
        at = max(places, key=lambda place: _fit(audio[place : place + hop], wanted)) if step else ideal
        out[start + step * hop : start + step * hop + size] += audio[at : at + size] * window
        weight[start + step * hop : start + step * hop + size] += window
    return np.asarray(out / np.maximum(weight, 1e-3), np.float32)


def _fit(piece: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    length = min(len(piece), len(wanted))
    piece, wanted = piece[:length], wanted[:length]
    return float(piece @ wanted / (np.sqrt((piece @ piece) * (wanted @ wanted)) + 1e-9))

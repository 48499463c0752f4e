"""Features at every silence of the made turns, and the weights that tell ends from pauses best.

Logistic regression with a ridge (`bench/logistic.py`), in two steps: the weights of the evidence, beside the silence; then what
evidence and silence together mean, on evidence about voices that it was not fitted on, which is less sure. The weights of the
silence stay at 0 or above. Every silence counts at each tenth of a second that it lasts; a part of the rows is repeated
without words, for when the recognition is late. The score is from voices left out of both steps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from bench.logistic import auc, calibration_error, logistic
from bench.turn.material import RATE_HZ, Recording, made
from bench.turn.models import Models, Recorder
from bench.turn.trace import Recogniser, trace
from services.common.reading.readers import english
from services.turn.engines.evidence import ENDS, NAMES, READ, WEIGHTS, of_ending, of_reading
from services.turn.engines.hazard import SILENCE, TIME, over_time, passed
from services.turn.engines.prosody import NAMES as PROSODY

LONGEST_S: Final = 2.5
#: A silence counts again after so much of it; the sound comes in windows of 512.
STEP_S: Final = 0.1 - 0.5 * 512 / RATE_HZ
#: Strong: what is true of made voices need not be true of real ones.
_RIDGE: Final = 60.0
_TIME_RIDGE: Final = 3.0
#: What speaks for an end and what against it, whatever the made voices say.
_FOR: Final = ("sound", "asks", "full_stop", "question_mark", *SILENCE)
_AGAINST: Final = ("looks_for_words", "dots", "begins")
#: The weight to which the ridge draws: what was found on real recordings before.
_BEFORE: Final = MappingProxyType({"sound": 0.3})
#: Made voices end in ways of their own: in the real recordings the melody tells next to nothing.
_DOUBT: Final = 5.0
#: And these, .73 on made turns and .52 on real ones, nothing at all.
_MOST_DOUBTED: Final = ("held", "change")
_MOST_DOUBT: Final = 25.0
#: The recognition has heard many more voices than these.
_TRUSTED: Final = 0.2
FOLDS: Final = 6
_WORDLESS: Final = 0.15

Numbers = NDArray[np.float64]
#: Columns of equal length, from one recording.
Hear = Callable[[Recording, Models, Recogniser], dict[str, NDArray[Any]]]


def fit(corpus: Path, seconds: float, out: Path | None = None) -> str:
    """Fits and writes the weights; returns the score. What was heard is kept beside the turns and not heard again."""
    recordings = list(made(corpus))
    heard = listen(recordings, corpus / "heard", seconds, numbers_of)
    if heard < len(recordings):
        return f"{heard} of {len(recordings)} turns are heard; run it again"
    rows = rows_of([corpus / "heard" / f"{recording.name}.npz" for recording in recordings])
    fold = folds(corpus, rows["turn"])
    result: dict[str, Any] = {"made": datetime.now(UTC).date().isoformat(), "material": material(corpus, rows)}
    score: dict[str, Any] = {}
    for each, names in NAMES.items():
        rows["numbers"] = rows["all"][:, : len(names)]
        result[each], held_out = _two_steps(rows, names, fold)
        score[each] = score_of(rows, held_out)
    result["score"] = score
    (out or WEIGHTS).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return json.dumps(score)


def _two_steps(rows: dict[str, NDArray[Any]], names: Sequence[str], fold: NDArray[np.int_]) -> tuple[dict[str, Any], Numbers]:
    """The weights for `names`, and the probabilities of each row from weights that were fitted without its voice."""
    every = np.ones(len(fold), bool)
    evidence, held_out = np.zeros(len(fold)), np.zeros(len(fold))
    for each in range(FOLDS):
        bias, weights = _fitted(rows, names, fold != each)
        evidence[fold == each] = bias + rows["numbers"][fold == each] @ weights
    for each in range(FOLDS):
        time_bias, times = _timed(evidence, rows, fold != each)
        seen = over_time(evidence[fold == each], rows["silence_s"][fold == each])
        held_out[fold == each] = 1 / (1 + np.exp(-(time_bias + seen @ times)))
    bias, weights = _fitted(rows, names, every)
    time_bias, times = _timed(evidence, rows, every)
    found = {
        "bias": round(bias, 4),
        "weights": {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)},
        "time_bias": round(time_bias, 4),
        "time": {name: round(float(weight), 4) for name, weight in zip(TIME, times, strict=True)},
    }
    return found, held_out


def folds(corpus: Path, turns: NDArray[Any]) -> NDArray[np.int_]:
    """Of each row, by the number of its turn, which fold leaves its voice out."""
    voices = _voices(corpus)
    names = sorted(set(voices))
    return np.array([names.index(voices[int(turn)]) % FOLDS for turn in turns])


def material(corpus: Path, rows: dict[str, NDArray[Any]]) -> str:
    """What was fitted on, in words."""
    columns = zip(rows["turn"], rows["index"], rows["end"], strict=True)
    silences = {(int(turn), int(index)): bool(end) for turn, index, end in columns}
    return (
        f"{len(set(rows['turn']))} made turns by {len(set(_voices(corpus)))} Kokoro voices, texts of chitchat-dataset (MIT): "
        f"{sum(silences.values())} ends and {len(silences) - sum(silences.values())} pauses; words by whisper-base"
    )


def _voices(corpus: Path) -> list[str]:
    """Of each turn."""
    return [json.loads(line)["voice"] for line in (corpus / "turns.jsonl").read_text(encoding="utf-8").splitlines()]


def listen(recordings: Sequence[Recording], folder: Path, seconds: float, heard: Hear) -> int:
    """Writes what `heard` notes at each silence of each recording into a file; returns of how many it is there."""
    folder.mkdir(exist_ok=True)
    files = {folder / f"{recording.name}.npz": recording for recording in recordings}
    missing = [(file, recording) for file, recording in files.items() if not file.exists()]
    until = time.time() + seconds
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_Listener.start) as pool:
        jobs = [pool.submit(_Listener.listen, file, recording, until, heard) for file, recording in missing]
        for job in track(jobs, "listening"):
            job.result()
    return sum(file.exists() for file in files)


class _Listener:
    """What each process has loaded."""

    models: Models
    recogniser: Recogniser

    @classmethod
    def start(cls) -> None:
        cls.models, cls.recogniser = Models(), Recogniser()

    @classmethod
    def listen(cls, file: Path, recording: Recording, until: float, heard: Hear) -> None:
        if time.time() < until:
            np.savez(file, allow_pickle=False, **heard(recording, cls.models, cls.recogniser))


def numbers_of(recording: Recording, models: Models, recogniser: Recogniser) -> dict[str, NDArray[Any]]:
    """One row for each silence and tenth of a second: where, sound and melody, what the words say, how they end."""
    recorder = Recorder(models)
    silences = trace(recording, recorder.session(), recogniser)
    rows: list[tuple[int, float, float, bool, Numbers]] = []
    for index, (silence, seen) in enumerate(zip(silences, recorder.silences, strict=True)):
        if silence.kind is None:
            continue
        reading = english().read(silence.turn_text) if silence.text else None
        ending = of_ending(silence.ending) if silence.ending is not None else np.zeros(len(ENDS))
        due = 0.0
        for silence_s, heard in seen:
            if due <= silence_s < min(silence.noticed_s, LONGEST_S):
                numbers = np.concatenate([heard, of_reading(reading), ending])
                rows.append((index, silence.last_s + silence_s, silence_s, silence.kind == "end", numbers))
                due = silence_s + STEP_S
    names = ("index", "at_s", "silence_s", "end", "all")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def rows_of(files: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """All of them, and which file each is from."""
    tables = [dict(np.load(file)) for file in files]
    rows = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    return rows | {"turn": np.repeat(np.arange(len(tables)), [len(table["end"]) for table in tables])}


def _fitted(rows: dict[str, NDArray[Any]], names: Sequence[str], used: NDArray[np.bool_]) -> tuple[float, Numbers]:
    """Bias and weights of the evidence; the silence is fitted beside it."""
    numbers = np.concatenate([rows["numbers"][used], passed(rows["silence_s"][used])], axis=1)
    end, counts = rows["end"][used].astype(float), counts_of(rows["silence_s"][used])
    columns = (*names, *SILENCE)
    without = numbers.copy()
    without[:, [columns.index(name) for name in columns if name in (*READ, *ENDS)]] = 0
    known = numbers[:, columns.index("known")] > 0
    numbers = np.concatenate([numbers, without[known]])
    end = np.concatenate([end, end[known]])
    counts = np.concatenate([counts, counts[known] * _WORDLESS])
    ridge = dict.fromkeys(columns, _RIDGE)
    ridge |= dict.fromkeys(PROSODY, _RIDGE * _DOUBT)
    ridge |= dict.fromkeys(_MOST_DOUBTED, _RIDGE * _MOST_DOUBT)
    ridge |= dict.fromkeys(ENDS, _RIDGE * _TRUSTED)
    bias, weights = logistic(
        numbers,
        end,
        counts,
        names=columns,
        ridge=ridge,
        positive=[name for name in _FOR if name in columns],
        negative=[name for name in _AGAINST if name in columns],
        before=_BEFORE,
    )
    return bias, weights[: len(names)]


def _timed(evidence: Numbers, rows: dict[str, NDArray[Any]], used: NDArray[np.bool_]) -> tuple[float, Numbers]:
    """Bias and weights of TIME."""
    numbers = over_time(evidence[used], rows["silence_s"][used])
    ridge = dict.fromkeys(TIME, _TIME_RIDGE)
    end, counts = rows["end"][used].astype(float), counts_of(rows["silence_s"][used])
    return logistic(numbers, end, counts, names=TIME, ridge=ridge, positive=TIME)


def counts_of(silence_s: Numbers) -> Numbers:
    """What is decided in the first second matters most."""
    return np.where(silence_s < 1, 1.0, 0.4)


def score_of(rows: dict[str, NDArray[Any]], held_out: Numbers) -> dict[str, float]:
    """Area under the curve at some silences, and how well the probabilities are calibrated."""
    end, silence_s = rows["end"].astype(bool), rows["silence_s"]
    score: dict[str, float] = {}
    for at in (0.2, 0.4, 0.6):
        seen = np.abs(silence_s - at) < 0.05
        score[f"auc_{at:.1f}_s"] = round(auc(held_out[seen], end[seen]), 3)
        score[f"auc_{at:.1f}_s_sound_only"] = round(auc(rows["numbers"][seen, 0], end[seen]), 3)
    score["calibration_error"] = round(calibration_error(held_out, end), 3)
    losses = np.where(end, -np.log(held_out + 1e-9), -np.log(1 - held_out + 1e-9))
    score["log_loss"] = round(float(losses.mean()), 3)
    return score

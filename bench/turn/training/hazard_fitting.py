"""The weights of the candidate's hazard (`bench.turn.candidate.hazard`), fitted as those of the engine in use are.

What was heard is kept beside the turns without what the words were read as: after the reader was trained anew, it is read anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.logistic import logistic
from bench.turn.candidate.hazard import NAMES, SILENCE, TIME, WEIGHTS, WORDS, of_words, over_time, passed
from bench.turn.candidate.reader import TurnReader, reader
from bench.turn.material import Recording, made
from bench.turn.models import Listening, Models
from bench.turn.trace import Recogniser, trace, turn_texts
from bench.turn.training.fitting import FOLDS, LONGEST_S, STEP_S, folds, listen, material, score_of
from services.turn.engines.prosody import NAMES as PROSODY

#: Strong: what is true of made voices need not be true of real ones.
_RIDGE: Final = 120.0
_TIME_RIDGE: Final = 3.0
#: What speaks for an end and what against it, whatever the made voices say.
_FOR: Final = ("sound", "over", "asks", "question_mark", "length", *SILENCE)
_AGAINST: Final = ("open_mark", "looks_for_words")
#: The weight to which the ridge draws: what was found on real recordings before.
_BEFORE: Final = {"sound": 0.3}
#: Made voices end in ways of their own: in the real recordings the melody tells next to nothing.
_DOUBT: Final = 5.0
#: And these, .73 on made turns and .52 on real ones, nothing at all.
_MOST_DOUBTED: Final = ("held", "change")
_MOST_DOUBT: Final = 25.0
#: So much the rows count that are repeated without words, for when the recognition is late.
_WORDLESS: Final = 0.15

Numbers = NDArray[np.float64]


def fit(corpus: Path, seconds: float, out: Path | None = None) -> str:
    """Fits and writes the weights; returns the score. What was heard is kept beside the turns and not heard again."""
    recordings = list(made(corpus))
    folder = corpus / "heard_by_candidate"
    heard = listen(recordings, folder, seconds, _heard)
    if heard < len(recordings):
        return f"{heard} of {len(recordings)} turns are heard; run it again"
    rows = _rows([folder / f"{recording.name}.npz" for recording in recordings])
    fold, every = folds(corpus, rows["turn"]), np.ones(len(rows["end"]), bool)
    evidence, held_out = np.zeros(len(every)), np.zeros(len(every))
    for each in range(FOLDS):
        bias, weights = _fitted(rows, fold != each)
        evidence[fold == each] = bias + rows["numbers"][fold == each] @ weights
    # How evidence and silence go together is fitted on evidence about voices that it was not fitted on: that is less sure.
    for each in range(FOLDS):
        time_bias, times = _timed(evidence, rows, fold != each)
        seen = over_time(evidence[fold == each], rows["silence_s"][fold == each])
        held_out[fold == each] = 1 / (1 + np.exp(-(time_bias + seen @ times)))
    bias, weights = _fitted(rows, every)
    time_bias, times = _timed(evidence, rows, every)
    score = score_of(rows, held_out)
    result = {
        "made": datetime.now(UTC).date().isoformat(),
        "material": material(corpus, rows),
        "score": score,
        "bias": round(bias, 4),
        "weights": {name: round(float(weight), 4) for name, weight in zip(NAMES, weights, strict=True)},
        "time_bias": round(time_bias, 4),
        "time": {name: round(float(weight), 4) for name, weight in zip(TIME, times, strict=True)},
    }
    (out or WEIGHTS).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return json.dumps(score)


def _heard(recording: Recording, models: Models, recogniser: Recogniser) -> dict[str, NDArray[Any]]:
    """One row for each silence and tenth of a second: sound and melody, and the words where they were known."""
    listening = Listening(models)
    silences = trace(recording, listening.session(), recogniser.words)
    rows: list[tuple[int, float, bool, Numbers, str]] = []
    columns = zip(silences, listening.silences, turn_texts(silences), strict=True)
    for index, (silence, seen, turn_text) in enumerate(columns):
        due = 0.0 if silence.kind is not None else np.inf
        for silence_s, heard, known in seen:
            if due <= silence_s < min(silence.noticed_s, LONGEST_S):
                rows.append((index, silence_s, silence.kind == "end", heard, turn_text if known else ""))
                due = silence_s + STEP_S
    names = ("index", "silence_s", "end", "heard", "text")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _rows(files: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """All of them, which file each is from, and the numbers as the reader of today has them."""
    tables = [dict(np.load(file)) for file in files]
    rows = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    turn_reader = TurnReader(reader())
    read = {str(text): of_words(str(text), turn_reader.read(str(text))) for text in np.unique(rows["text"])}
    words = np.array([read[str(text)] for text in rows["text"]])
    rows["numbers"] = np.concatenate([rows["heard"], words], axis=1)
    return rows | {"turn": np.repeat(np.arange(len(tables)), [len(table["end"]) for table in tables])}


def _fitted(rows: dict[str, NDArray[Any]], used: NDArray[np.bool_]) -> tuple[float, Numbers]:
    """Bias and weights of the evidence; the silence is fitted beside it."""
    numbers = np.concatenate([rows["numbers"][used], passed(rows["silence_s"][used])], axis=1)
    end, counts = rows["end"][used].astype(float), _counts(rows["silence_s"][used])
    names = (*NAMES, *SILENCE)
    without = numbers.copy()
    without[:, [names.index(name) for name in WORDS]] = 0
    known = numbers[:, names.index("known")] > 0
    numbers = np.concatenate([numbers, without[known]])
    end = np.concatenate([end, end[known]])
    counts = np.concatenate([counts, counts[known] * _WORDLESS])
    ridge = dict.fromkeys(names, _RIDGE)
    ridge |= dict.fromkeys(PROSODY, _RIDGE * _DOUBT)
    ridge |= dict.fromkeys(_MOST_DOUBTED, _RIDGE * _MOST_DOUBT)
    bias, weights = logistic(numbers, end, counts, names=names, ridge=ridge, positive=_FOR, negative=_AGAINST, before=_BEFORE)
    return bias, weights[: len(NAMES)]


def _timed(evidence: Numbers, rows: dict[str, NDArray[Any]], used: NDArray[np.bool_]) -> tuple[float, Numbers]:
    """Bias and weights of TIME."""
    numbers = over_time(evidence[used], rows["silence_s"][used])
    ridge = dict.fromkeys(TIME, _TIME_RIDGE)
    end, counts = rows["end"][used].astype(float), _counts(rows["silence_s"][used])
    return logistic(numbers, end, counts, names=TIME, ridge=ridge, positive=TIME)


def _counts(silence_s: Numbers) -> Numbers:
    """What is decided in the first second matters most."""
    return np.where(silence_s < 1, 1.0, 0.4)

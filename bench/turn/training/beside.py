"""What the answers of voice activity projection weigh beside the evidence of the fusion engine, once there are weights of MaAI.

Every made turn answers another one, which is the persona's side: the model was trained on two people. Logistic regression of
end or pause on the evidence as `fusion.json` weighs it, the silence, and the answers; their weights against that of the
evidence are what they weigh in its sum. Printed is the loss on voices left out, with the answers and without: where it is not
less with them, the engine is better off without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.logistic import logistic
from bench.turn.material import RATE_HZ, Audio, Recording, made
from bench.turn.models import Models
from bench.turn.trace import Recogniser
from bench.turn.training.fitting import FOLDS, counts_of, folds, listen, material, numbers_of, rows_of
from services.common.settings import SharedSettings
from services.turn.engines.evidence import NAMES as EVIDENCE
from services.turn.engines.evidence import fitted
from services.turn.engines.hazard import SILENCE, passed
from services.turn.engines.vap.beside import Said
from services.turn.engines.vap.channels import Channels
from services.turn.engines.vap.network import Network, load
from services.turn.engines.vap.weighing import NAMES, WEIGHTS, about, numbers
from services.turn.settings import VapOptions

#: From the end of the persona's turn to the beginning of the recording, which is silent at first.
_GAP_S: Final = 0.2
_CHUNK: Final = RATE_HZ // 10
#: As for the evidence: what is true of made voices need not be true of real ones.
_RIDGE: Final = 60.0
_COLUMNS: Final = ("evidence", *NAMES, *SILENCE)
_WITHOUT: Final = ("evidence", *SILENCE)

Numbers = NDArray[np.float64]
Rows = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Answering(Recording):
    """A turn that answers another."""

    persona: Audio = field(default_factory=lambda: np.zeros(0, np.float32))


def fit(corpus: Path, seconds: float, out: Path | None = None) -> str:
    """Fits and writes the weights; returns the score. What was heard is kept beside the turns and not heard again."""
    options = VapOptions()
    recordings = answering(list(made(corpus)))
    folder = corpus / f"heard-{Path(options.weights).stem}"
    heard = listen(recordings, folder, seconds, _heard)
    if heard < len(recordings):
        return f"{heard} of {len(recordings)} turns are heard; run it again"
    rows = rows_of([folder / f"{recording.name}.npz" for recording in recordings])
    words = f"{datetime.now(UTC).date().isoformat()}, answers of {options.weights}, {material(corpus, rows)}"
    result: dict[str, Any] = {"fitted": words}
    score: dict[str, Any] = {}
    for each in EVIDENCE:
        result[each], score[each] = weigh(rows, each, folds(corpus, rows["turn"]))
    (out or WEIGHTS).write_text(json.dumps(result | {"score": score}, indent=2) + "\n", encoding="utf-8")
    return json.dumps(score)


def answering(recordings: Sequence[Recording]) -> list[Answering]:
    """Each answers the one before it."""
    before = [*recordings[-1:], *recordings[:-1]]
    return [Answering(**vars(each), persona=other.audio) for each, other in zip(recordings, before, strict=True)]


def weigh(rows: Rows, words: str, fold: NDArray[np.int_]) -> tuple[dict[str, float], dict[str, float]]:
    """The weights of NAMES in the sum of the evidence, and the loss on what was left out, with the answers and without."""
    loss = {name: _held_out_loss(rows, words, fold, columns) for name, columns in (("with", _COLUMNS), ("without", _WITHOUT))}
    found = dict(zip(_COLUMNS, _fitted(rows, words, np.ones(len(fold), bool), _COLUMNS)[1], strict=True))
    return {name: round(float(found[name] / found["evidence"]), 4) for name in NAMES}, loss


def _held_out_loss(rows: Rows, words: str, fold: NDArray[np.int_], columns: Sequence[str]) -> float:
    losses: list[Numbers] = []
    for each in range(FOLDS):
        left_out = fold == each
        if not left_out.any():
            continue
        bias, weights = _fitted(rows, words, ~left_out, columns)
        likely = 1 / (1 + np.exp(-(bias + _numbers(rows, words, columns)[left_out] @ weights)))
        losses.append(-np.log(np.where(rows["end"][left_out].astype(bool), likely, 1 - likely) + 1e-9))
    return round(float(np.concatenate(losses).mean()), 4)


def _fitted(rows: Rows, words: str, used: NDArray[np.bool_], columns: Sequence[str]) -> tuple[float, Numbers]:
    return logistic(
        _numbers(rows, words, columns)[used],
        rows["end"][used].astype(float),
        counts_of(rows["silence_s"][used]),
        names=columns,
        ridge=dict.fromkeys(columns, _RIDGE),
        positive=columns,
    )


def _numbers(rows: Rows, words: str, columns: Sequence[str]) -> Numbers:
    weights = fitted()[words]
    evidence = np.array([weights.evidence(each[: len(EVIDENCE[words])]) for each in rows["all"]])
    every = np.column_stack([evidence, rows["answers"], passed(rows["silence_s"])])
    return every[:, [_COLUMNS.index(name) for name in columns]]


def _heard(recording: Recording, models: Models, recogniser: Recogniser) -> Rows:
    """The rows of the fusion engine, and at each what the newest answer says; 0 where the engine would not use one."""
    assert isinstance(recording, Answering)
    rows = numbers_of(recording, models, recogniser)
    said = list(answers(recording, _network()))
    newest = []
    for at_s, silence_s in zip(rows["at_s"], rows["silence_s"], strict=True):
        now = round(at_s * RATE_HZ)
        known = about(next((each for each in reversed(said) if each.end <= now), None), now, silence_s)
        newest.append(numbers(known) if known is not None else (0.0, 0.0))
    return rows | {"answers": np.array(newest)}


@cache
def _network() -> Network:
    options = VapOptions()
    folder = SharedSettings().models_dir / "maai"
    return load(folder, options.weights, options.encoder, "", options.device)


def answers(recording: Answering, network: Network) -> Iterator[Said]:
    """What is said along the recording, on its clock; the persona speaks before it begins."""
    ahead = -(-(len(recording.persona) + round(_GAP_S * RATE_HZ)) // _CHUNK) * _CHUNK
    user = np.concatenate([np.zeros(ahead, np.float32), recording.audio])
    channels, state, heard = Channels(RATE_HZ, RATE_HZ, network.frame), None, 0
    for at in range(0, len(user), _CHUNK):
        channels.push_bot(np.pad(recording.persona, (0, len(user)))[at : at + _CHUNK], at)
        for frame in channels.push_user(user[at : at + _CHUNK], at):
            answer, state = network.step(frame.user, frame.persona, state)
            heard += network.frame
            yield Said(answer, frame.end - ahead, heard)

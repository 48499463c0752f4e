"""Trains the reader of `bench.turn.candidate.reader`, and writes its weights. Needs torch, in an environment of its own:

    python3.11 -m venv .venv-train
    .venv-train/bin/pip install -r requirements/cpu.txt
    .venv-train/bin/pip install torch==2.13.0
    .venv-train/bin/python -m bench.turn.training reader MEETINGS --chats C

One network learns six things at once from the same words: that the turn is over, what follows each word, that the turn is an
acknowledgement, that it is a story, that its last sentence asks for something, and what the next word is (against a sample of
others: Jean et al. 2015). The last and dropout keep it from learning turns by heart. Its words begin as those of MiniLM, in
fewer dimensions, and the weights that are kept are a running average. Every seventh meeting is held out; `spoken_val` is
measured once, at the end.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from bench.turn.candidate.reader import (
    AFTER_QUESTION,
    ENDINGS,
    FIRST_ENDING,
    FOLLOWING,
    LONGEST,
    OUTPUTS,
    SEPARATOR,
    WEIGHTS,
    ending,
)
from bench.turn.training.dialogues import (
    END,
    INSIDE,
    SHORT_ANSWER,
    UNKNOWN,
    Turn,
    cleaned,
    meetings,
    messages,
    vocabulary_counts,
)
from bench.turn.training.word_vectors import word_vectors

_INPUTS: Final = 128
_HIDDEN: Final = 256
_BATCH: Final = 96
_DECAY: Final = 0.02
_DROPPED: Final = 0.4
#: So many words of a training turn are read as words that are not known, and so many turns without what was before.
_UNKNOWN_WORDS: Final = 0.08
_NOTHING_BEFORE: Final = 0.15
#: So many are read as a recogniser would write them.
_CLEANED: Final = 0.35
#: Places where nobody stops count for less: there are many, and they are not what the service is asked about.
_INSIDE_COUNTS: Final = 0.1
#: What the other things that are learned count for, against the end of the turn.
_FOLLOWING_COUNTS: Final = 0.3
_TURN_COUNTS: Final = 0.1
_ASKING_COUNTS: Final = 1.0
_NEXT_WORD_COUNTS: Final = 0.1
_OTHER_WORDS: Final = 400
_WORDS: Final = 8_000
_AVERAGED: Final = 0.999
_HELD_OUT: Final = 7

#: What the reader calls them, and what torch does.
_NAMES: Final = {
    "from_input": "memory.weight_ih_l0",
    "input_bias": "memory.bias_ih_l0",
    "from_hidden": "memory.weight_hh_l0",
    "hidden_bias": "memory.bias_hh_l0",
    "to_output": "outputs.weight",
    "output_bias": "outputs.bias",
}

Batch = tuple[Any, ...]


def train(
    folder: Path,
    chats: Path,
    minilm: Path,
    out: Path | None,
    begin: Path | None,
    *,
    epochs: int,
    rate: float,
    count: int,
    seed: int,
) -> str:
    """Trains, from weights like those that it writes if `begin` names some; measures and writes. Returns the score."""
    torch.set_num_threads(1)
    random.seed(seed)
    torch.manual_seed(seed)
    np.random.seed(seed)
    every = list(meetings(folder / "spoken_train.jsonl.gz"))
    learned = [turn for at, meeting in enumerate(every) if at % _HELD_OUT != 3 for turn in meeting]
    held_out = [turn for at, meeting in enumerate(every) if at % _HELD_OUT == 3 for turn in meeting]
    learned += messages(chats, count)
    counts = vocabulary_counts(learned)
    most = sorted(counts.items(), key=lambda item: -item[1])[:_WORDS]
    known = [word for word, times in most if times > 1]
    if begin is not None:
        known = str(np.load(begin)["vocabulary"]).split()
    vocabulary = {word: FIRST_ENDING + ENDINGS + at for at, word in enumerate(known)}
    network = _network(vocabulary, minilm)
    if begin is not None:
        _read(begin, network)
    curve = _learn(network, learned, held_out, vocabulary, counts=counts, epochs=epochs, rate=rate)
    validation = [turn for meeting in meetings(folder / "spoken_val.jsonl.gz") for turn in meeting]
    score = {
        "auc_held_out_meetings": curve[-1],
        "auc_spoken_val": round(_measured(network, validation, vocabulary), 4),
    }
    file = out or WEIGHTS
    _write(file, [network], vocabulary)
    made = {
        "made": datetime.now(UTC).date().isoformat(),
        "material": f"{len(every)} meetings of AMI and ICSI (CC BY 4.0) as collected by QMSum (MIT), every seventh held out; "
        f"{count} messages of chitchat-dataset (MIT); words begin as those of all-MiniLM-L6-v2 (Apache-2.0)",
        "epochs": epochs,
        "seed": seed,
        "auc_by_epoch": curve,
        "score": score,
    }
    file.with_suffix(".json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return json.dumps(score)


def _network(vocabulary: dict[str, int], minilm: Path) -> Any:
    places = FIRST_ENDING + ENDINGS + len(vocabulary)
    network = nn.ModuleDict(
        {
            "words": nn.Embedding(places, _INPUTS, padding_idx=0),
            "memory": nn.GRU(_INPUTS + 2, _HIDDEN, batch_first=True),
            "outputs": nn.Linear(_HIDDEN, len(OUTPUTS)),
            "next_word": nn.Linear(_HIDDEN, _INPUTS),
            "dropout": nn.Dropout(_DROPPED),
        }
    )
    network["words"].weight.data[:] = torch.tensor(word_vectors(minilm, vocabulary, places, _INPUTS))
    return network


def _learn(
    network: Any,
    learned: Sequence[Turn],
    held_out: Sequence[Turn],
    vocabulary: dict[str, int],
    *,
    counts: dict[str, int],
    epochs: int,
    rate: float,
) -> list[float]:
    """The area under the curve on the held-out meetings after each epoch; the network has the averaged weights then."""
    steps = epochs * (len(learned) // _BATCH + 1)
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1, pct_start=0.1)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    places = torch.arange(len(network["words"].weight))
    frequency = torch.zeros(len(places))
    for word, place in vocabulary.items():
        places[place] = ending(word)
        frequency[place] = counts.get(word, 0) ** 0.75
    curve: list[float] = []
    began, step = time.monotonic(), 0
    for epoch in range(epochs):
        for batch in _batches(learned, vocabulary, training=True):
            loss = _loss(network, batch, places, frequency)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            share = min(_AVERAGED, step / (step + 10))
            with torch.no_grad():
                for name, value in network.state_dict().items():
                    kept[name].mul_(share).add_(value, alpha=1 - share)
        newest = {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(kept)
        curve.append(round(_measured(network, held_out, vocabulary), 4))
        print(f"epoch {epoch + 1}: {curve[-1]} after {time.monotonic() - began:.0f} s", flush=True)
        if epoch + 1 < epochs:
            network.load_state_dict(newest)
    return curve


def _loss(network: Any, batch: Batch, places: Any, frequency: Any) -> Any:
    words, positions, ends, following, asks, acknowledges, story = batch
    known = places >= FIRST_ENDING + ENDINGS
    unknown = (torch.rand(words.shape) < _UNKNOWN_WORDS) & known[words]
    answers, states = _forward(network, torch.where(unknown, places[words], words), positions)
    counts = torch.where(ends >= 0, 1.0, torch.where(ends == INSIDE, _INSIDE_COUNTS, 0.0))
    # What has no label at a word after which nothing follows is inside.
    counts = torch.where((ends == UNKNOWN) & (following == 0), _INSIDE_COUNTS, counts)
    over = functional.binary_cross_entropy_with_logits(answers[..., 0], (ends >= END).float(), reduction="none")
    said, stops = following >= 0, following > 0
    marks = functional.cross_entropy(answers[..., 1 : 1 + len(FOLLOWING)][said], following[said])
    turn = functional.binary_cross_entropy_with_logits(
        answers[..., -3:-1][stops], torch.stack([acknowledges, story], -1)[stops]
    )
    whole = asks >= 0
    asking = functional.binary_cross_entropy_with_logits(answers[..., -1][whole], asks[whole].float())
    return (
        (over * counts).sum() / counts.sum()
        + _FOLLOWING_COUNTS * marks
        + _TURN_COUNTS * turn
        + _ASKING_COUNTS * asking
        + _NEXT_WORD_COUNTS * _next_word(network, words, states, known, frequency)
    )


def _next_word(network: Any, words: Any, states: Any, known: Any, frequency: Any) -> Any:
    """Of each known word, against others drawn by how often they are said."""
    follows = known[words[:, 1:]]
    guess, right = network["next_word"](states[:, :-1])[follows], words[:, 1:][follows]
    others = torch.multinomial(frequency, _OTHER_WORDS, replacement=True)
    vectors = network["words"].weight
    wrong = (guess @ vectors[others].T).masked_fill(right[:, None] == others[None], -1e4)
    scores = torch.cat([(guess * vectors[right]).sum(1, keepdim=True), wrong], 1)
    return functional.cross_entropy(scores, torch.zeros(len(right), dtype=torch.long))


def _forward(network: Any, words: Any, positions: Any) -> tuple[Any, Any]:
    """Answers [turns, words, outputs] and states [turns, words, hidden]."""
    told = torch.stack([torch.log1p(positions) / 4, (positions > 0).float()], -1)
    states, _ = network["memory"](torch.cat([network["dropout"](network["words"](words)), told], -1))
    states = network["dropout"](states)
    return network["outputs"](states), states


def _batches(turns: Sequence[Turn], vocabulary: dict[str, int], *, training: bool) -> Iterator[Batch]:
    """Turns of about the same length together."""
    rows = [_row(turn, vocabulary, training=training) for turn in turns]
    if training:
        random.shuffle(rows)
    rows.sort(key=lambda row: len(row[0]) + (12 * random.random() if training else 0))
    batches = [rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH)]
    if training:
        random.shuffle(batches)
    for batch in batches:
        longest = max(len(row[0]) for row in batch)
        # Behind a turn: no word, not measured, nothing follows.
        filling = (0, 0.0, UNKNOWN - 2, -1, -1, 0.0, 0.0)
        yield tuple(
            torch.tensor([[*row[kind], *[fill] * (longest - len(row[kind]))] for row in batch])
            for kind, fill in enumerate(filling)
        )


def _row(turn: Turn, vocabulary: dict[str, int], *, training: bool) -> tuple[list[Any], ...]:
    """Words, positions, ends, what follows, what asks, and of the turn acknowledges and story; one for each word."""
    before, asked = turn.before, turn.asked
    if training and random.random() < _CLEANED:
        turn = cleaned(turn)
    if training and random.random() < _NOTHING_BEFORE:
        before, asked = [], False
    said = turn.words[:LONGEST]
    first = [vocabulary.get(word) or ending(word) for word in before]
    words = [*first, AFTER_QUESTION if asked else SEPARATOR, *(vocabulary.get(word) or ending(word) for word in said)]
    not_said, count = len(before) + 1, len(said)
    return (
        words,
        [0.0] * not_said + [float(at + 1) for at in range(count)],
        [UNKNOWN - 2] * not_said + turn.ends[:LONGEST],
        [-1] * not_said + turn.following[:LONGEST],
        [-1] * not_said + turn.asks[:LONGEST],
        [float(turn.acknowledges)] * len(words),
        [float(turn.tells_a_story)] * len(words),
    )


def _measured(network: Any, turns: Sequence[Turn], vocabulary: dict[str, int]) -> float:
    """How often an end is taken to be likelier one than a stop inside."""
    network.eval()
    values, labels = [], []
    with torch.no_grad():
        for words, positions, ends, *_ in _batches(turns, vocabulary, training=False):
            answers, _ = _forward(network, words, positions)
            measured = (ends >= 0) & (ends < SHORT_ANSWER)
            values.append(answers[..., 0][measured].numpy())
            labels.append(ends[measured].numpy())
    network.train()
    return auc(np.concatenate(values), np.concatenate(labels) == END)


def auc(values: NDArray[Any], end: NDArray[np.bool_]) -> float:
    """Area under the curve, from the ranks of the ends."""
    ranks = values.argsort().argsort() + 1
    ends, stops = int(end.sum()), int((~end).sum())
    return (float(ranks[end].sum()) - ends * (ends + 1) / 2) / (ends * stops)


def _write(file: Path, networks: Sequence[Any], vocabulary: dict[str, int]) -> None:
    """As `bench.turn.candidate.reader.Reader` reads them."""
    states = [{name: value.numpy() for name, value in network.state_dict().items()} for network in networks]
    words = np.stack([state["words.weight"] for state in states])
    scale = np.maximum(np.abs(words).max(-1) / 127, 1e-8)
    np.savez_compressed(
        file,
        allow_pickle=False,
        vocabulary=np.array(" ".join(sorted(vocabulary, key=lambda word: vocabulary[word]))),
        embedding=np.round(words / scale[..., None]).astype(np.int8),
        scale=scale.astype(np.float16),
        **{name: np.stack([state[key] for state in states]).astype(np.float16) for name, key in _NAMES.items()},
    )


def _read(file: Path, network: Any) -> None:
    """The first of the networks of a file."""
    with np.load(file) as weights:
        state = {key: weights[name][0].astype(np.float32) for name, key in _NAMES.items()}
        # What weights of before have no answer to is learned from nothing.
        for key in ("outputs.weight", "outputs.bias"):
            fresh = network.state_dict()[key].numpy().copy()
            fresh[: len(state[key])] = state[key]
            state[key] = fresh
        state["words.weight"] = weights["embedding"][0].astype(np.float32) * weights["scale"][0][:, None].astype(np.float32)
    network.load_state_dict({key: torch.tensor(value) for key, value in state.items()}, strict=False)

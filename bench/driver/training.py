"""Fits the network of the audio driver to the mouth that knows the phonemes.

    shape = network(spectra around a moment)      is to be      shape_at(phonemes, that moment)

Every utterance is heard in several conditions that are drawn anew each time: louder or softer, in noise, through a band, and
higher or lower, which is another voice with the same sounds. By hand, in this order:

    python -m models fetch kokoro
    python -m bench.driver.training speak train MANY --engine kokoro --chats C
    python -m bench.driver.training speak train ONE --engine hibari --chats C --count 900 --seed 12
    python -m bench.driver.training fit MANY ONE

C is the folder `chitchat_dataset` of the package of that name (PyPI, 1.0.0 or newer). Whoever makes the test utterances anew
gives `speak test bench/data/driver --engine kokoro --chats C --count 60 --format opus`. torch is in the environment for tests.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from scipy.signal import butter, resample_poly, sosfilt

from bench.driver.corpus import VOICES, Speaker, Utterance, make, read
from bench.turn.training.voices import RATE_HZ
from services.face.engines.portrait.audio_driver import AFTER, BEFORE, HOP_S, INPUTS, SHUT, WINDOW_S, levelled, loudest, spectra
from services.face.engines.portrait.speech import shape_at
from services.face.engines.portrait.visemes import ARTICULATED

Numbers = NDArray[np.float32]

ASSET: Final = Path(__file__).parents[2] / "services" / "face" / "assets" / "audio_driver.npz"
HIDDEN: Final = (256, 96)
#: Each utterance is heard so often, in another condition each time.
CONDITIONS: Final = 3
EPOCHS: Final = 14
BATCH: Final = 1024
RATE: Final = 1e-3
#: The cross entropy of the lips' closure beside the squared errors, and how much more it counts to miss one: it is short.
_SHUT_COUNTS: Final = 0.03
_SHUT_MISSED: Final = 4.0
#: Neighbouring moments tell nearly the same: so many of them are taken.
_KEPT: Final = 0.35
#: So often what follows the slot is not there yet.
_NOTHING_AHEAD: Final = 0.1


def targets(said: Utterance, times_s: NDArray[np.float64], stretched: float) -> Numbers:
    """The mouth that knows the phonemes at these times, float32 [n, len(ARTICULATED)]; times of sound that was stretched."""
    first = [columns[0] for columns in ARTICULATED.values()]
    reach = 0.4 * RATE_HZ
    starts = np.array([each.start_sample for each in said.phonemes])
    ends = np.array([each.end_sample for each in said.phonemes])
    shapes = np.zeros((len(times_s), len(first)), np.float32)
    for row, sample in enumerate(times_s * RATE_HZ / stretched):
        near = said.phonemes[int(np.searchsorted(ends, sample - reach)) : int(np.searchsorted(starts, sample + reach))]
        shapes[row] = shape_at(near, float(sample), RATE_HZ)[first]
    return shapes


def inputs(audio: Numbers, nothing_ahead: NDArray[np.bool_] | None = None) -> tuple[Numbers, NDArray[np.float64]]:
    """What the network is given each 10 ms, float32 [n, INPUTS], and the moments in seconds."""
    mel, powers = spectra(audio, RATE_HZ)
    windows = np.lib.stride_tricks.sliding_window_view(mel, BEFORE + 1 + AFTER, axis=0).transpose(0, 2, 1)
    peak = loudest(powers)[BEFORE + AFTER :]
    levels = levelled(windows, peak[:, None])
    if nothing_ahead is not None:
        levels[nothing_ahead[: len(levels)], -2:] = -1.0
    moments = np.asarray((np.arange(len(levels)) + BEFORE) * HOP_S + WINDOW_S / 2, np.float64)
    return levels.reshape(len(levels), -1), moments


def heard(said: Utterance, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """One utterance in a condition of its own: inputs [n, INPUTS], targets [n, len(ARTICULATED)]."""
    # Slower and lower, or quicker and higher: the resonances of a longer or a shorter mouth.
    up = int(rng.integers(86, 117))
    audio = np.asarray(resample_poly(said.audio, up, 100), np.float32)
    if rng.random() < 0.3:
        low, high = rng.uniform(60, 300), rng.uniform(3400, 8000)
        audio = sosfilt(butter(2, (low, high), "bandpass", fs=RATE_HZ, output="sos"), audio).astype(np.float32)
    speech = float(np.sqrt(np.mean(np.square(audio)) + 1e-12))
    audio = audio + speech * 10 ** (-rng.uniform(10, 50) / 20) * _noise(len(audio), rng)
    audio = audio * np.float32(10 ** (rng.uniform(-14, 8) / 20))
    begin = int(rng.integers(0, round(HOP_S * RATE_HZ)))
    given, moments = inputs(audio[begin:], rng.random(len(audio)) < _NOTHING_AHEAD)
    kept = rng.random(len(given)) < _KEPT
    return given[kept].astype(np.float16), targets(said, moments[kept] + begin / RATE_HZ, up / 100)


def _noise(count: int, rng: np.random.Generator) -> Numbers:
    """Of one of the colours between white and brown; mean square 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, count)
    return np.asarray(noise / np.sqrt(np.mean(np.square(noise))), np.float32)


def fit(utterances: Sequence[Utterance], seed: int = 0) -> list[tuple[Numbers, Numbers]]:
    """The layers of the network, weights [inputs, outputs] and biases. Minutes."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    pairs = [heard(said, rng) for said in track(list(utterances) * CONDITIONS, "hearing")]
    given = torch.from_numpy(np.concatenate([pair[0] for pair in pairs]))
    wanted = torch.from_numpy(np.concatenate([pair[1] for pair in pairs]))
    mean, deviation = _spread(given)
    sizes = (INPUTS, *HIDDEN, len(ARTICULATED))
    layers: list[Any] = []
    for into, out in pairwise(sizes):
        layers += [torch.nn.Linear(into, out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=1e-4)
    steps = EPOCHS * (len(given) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE * 2, total_steps=steps)
    others = [column for column in range(len(ARTICULATED)) if column != SHUT]
    missed = torch.tensor(_SHUT_MISSED)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(given))
        total = 0.0
        for at in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[at : at + BATCH]
            found, meant = model((given[rows].float() - mean) / deviation), wanted[rows]
            shut = torch.nn.functional.binary_cross_entropy_with_logits(
                found[:, SHUT], meant[:, SHUT].clamp(0, 1), pos_weight=missed
            )
            loss = ((found[:, others] - meant[:, others]) ** 2).mean() + _SHUT_COUNTS * shut
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: {total / (len(order) // BATCH):.5f}", flush=True)
    first, *further = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        # Whoever uses it need not know how its inputs were spread.
        first.weight.div_(deviation)
        first.bias.sub_(first.weight @ mean)
    return [(each.weight.detach().numpy().T.copy(), each.bias.detach().numpy().copy()) for each in (first, *further)]


def _spread(given: Any) -> tuple[Any, Any]:
    """Mean and deviation of each input, [INPUTS]."""
    some = given[:: max(1, len(given) // 50_000)].float()
    return some.mean(0), some.std(0) + 0.01


def write(file: Path, layers: Sequence[tuple[Numbers, Numbers]], provenance: dict[str, Any]) -> None:
    """As half floats, with what they were made of."""
    arrays: dict[str, Any] = {f"weights{n}": weights.astype(np.float16) for n, (weights, _) in enumerate(layers)}
    arrays |= {f"bias{n}": bias.astype(np.float16) for n, (_, bias) in enumerate(layers)}
    np.savez_compressed(file, provenance=np.array(json.dumps(provenance)), **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.driver.training", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    speak = commands.add_parser("speak", help="make utterances")
    speak.add_argument("split", choices=["train", "test"])
    speak.add_argument("out", type=Path)
    speak.add_argument("--engine", choices=list(VOICES), required=True)
    speak.add_argument("--chats", type=Path, required=True)
    speak.add_argument("--count", type=int, default=400)
    speak.add_argument("--seed", type=int, default=11)
    speak.add_argument("--format", choices=["flac", "opus"], default="flac")
    fitting = commands.add_parser("fit", help="fit the network")
    fitting.add_argument("corpora", type=Path, nargs="+")
    fitting.add_argument("--out", type=Path, default=ASSET)
    args = parser.parse_args()
    if args.command == "speak":
        names, amount = VOICES[args.engine][args.split], {"count": args.count, "seed": args.seed}
        make(Speaker(args.engine), names, args.chats, args.out, args.split, suffix=args.format, **amount)
        return
    utterances = [said for folder in args.corpora for said in read(folder)]
    minutes = sum(len(said.audio) for said in utterances) / RATE_HZ / 60
    voices = len({said.voice for said in utterances})
    made = f"{len(utterances)} texts of chitchat-dataset (MIT), {minutes:.0f} minutes"
    material = f"{made}, by {voices} voices of hibari and Kokoro (both Apache-2.0)"
    write(args.out, fit(utterances), {"made": str(datetime.datetime.now(datetime.UTC).date()), "material": material})


if __name__ == "__main__":
    main()

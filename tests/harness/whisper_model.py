"""A Whisper model in CTranslate2 form with random weights: what a larger model is like in its shapes, in no time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from ctranslate2.specs import common_spec, whisper_spec

_WIDTH: Final = 16
_HEADS: Final = 2
_POSITIONS: Final = 1_500
_TOKENS: Final = 448


def random_whisper(folder: Path, like: Path, *, bands: int) -> None:
    """Writes a model with one layer into `folder`, whose spectrogram has `bands`, with the vocabulary of the model `like`."""
    folder.mkdir(parents=True)
    vocabulary: list[str] = json.loads((like / "vocabulary.json").read_text("utf-8"))
    spec = whisper_spec.WhisperSpec(1, _HEADS, 1, _HEADS)
    random = np.random.default_rng(1)

    def fill(part: Any, *shape: int) -> None:
        part.weight = (random.standard_normal(shape) * 0.1).astype(np.float32)
        if hasattr(part, "bias"):
            part.bias = np.zeros(shape[0], np.float32)

    encoder, decoder, width = spec.encoder, spec.decoder, _WIDTH
    fill(encoder.conv1, width, bands, 3)
    fill(encoder.conv2, width, width, 3)
    encoder.position_encodings.encodings = np.zeros((_POSITIONS, width), np.float32)
    decoder.position_encodings.encodings = np.zeros((_TOKENS, width), np.float32)
    fill(decoder.embeddings, len(vocabulary), width)
    fill(decoder.projection, len(vocabulary), width)
    for layer in (*encoder.layer, *decoder.layer):
        fill(layer.self_attention.linear[0], 3 * width, width)
        fill(layer.self_attention.linear[1], width, width)
        fill(layer.ffn.linear_0, 4 * width, width)
        fill(layer.ffn.linear_1, width, 4 * width)
    for layer in decoder.layer:
        for linear, rows in zip(layer.attention.linear, (width, 2 * width, width), strict=True):
            fill(linear, rows, width)
    for norm in _norms(spec):
        norm.gamma, norm.beta = np.ones(width, np.float32), np.zeros(width, np.float32)
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.save(str(folder))
    # What is known of the tokens is the same, whatever the weights; words are timed by heads that the one layer has.
    config = json.loads((like / "config.json").read_text("utf-8")) | {"alignment_heads": [[0, 0]]}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    shutil.copy(like / "tokenizer.json", folder / "tokenizer.json")


def _norms(spec: Any) -> Iterator[Any]:
    """Every layer norm in a part of a model."""
    for value in vars(spec).values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, common_spec.LayerNormSpec):
                yield each
            elif hasattr(each, "validate"):
                yield from _norms(each)

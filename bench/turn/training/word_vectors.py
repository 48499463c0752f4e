"""The word vectors of MiniLM in fewer dimensions, for the reader to begin with."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.turn.candidate.reader import FIRST_ENDING, ending

#: Spread of the vectors, as of a fresh network of this size.
_SPREAD: Final = 0.3

Floats = NDArray[np.float32]


def word_vectors(folder: Path, vocabulary: dict[str, int], places: int, size: int) -> Floats:
    """Float32 [places, size]: of a word the mean of its pieces in MiniLM, of an ending that of its words; others are zero."""
    pieces = _pieces(folder / "model.safetensors")
    known: dict[str, int] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    vectors = np.zeros((places, pieces.shape[1]), np.float32)
    alike: dict[int, list[Floats]] = defaultdict(list)
    for word, place in vocabulary.items():
        found = [piece for part in re.findall(r"[a-z]+|'", word) for piece in _split(part, known)]
        if found:
            vectors[place] = pieces[found].mean(axis=0)
            alike[ending(word)].append(vectors[place])
    for place, words in alike.items():
        vectors[place] = np.mean(words, axis=0)
    of_words = vectors[sorted(vocabulary.values())]
    middle = of_words.mean(axis=0)
    directions = np.linalg.svd(of_words - middle, full_matrices=False)[2][:size]
    small: Floats = (vectors - middle) @ directions.T
    small[:FIRST_ENDING] = 0
    return np.asarray(small / small[sorted(vocabulary.values())].std() * _SPREAD, np.float32)


def _pieces(file: Path) -> Floats:
    """The matrix of word pieces of a safetensors file, float32 [pieces, dimensions]."""
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    entry = next(value for name, value in header.items() if name.endswith("word_embeddings.weight"))
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    kind = {"F32": np.float32, "F16": np.float16}[entry["dtype"]]
    return np.frombuffer(raw[begin:end], kind).reshape(entry["shape"]).astype(np.float32)


def _split(word: str, known: dict[str, int]) -> Sequence[int]:
    """Pieces of a word, each the longest that is known."""
    found: list[int] = []
    begin = 0
    while begin < len(word):
        piece = next((end for end in range(len(word), begin, -1) if ("##" if begin else "") + word[begin:end] in known), begin)
        if piece == begin:
            return found
        found.append(known[("##" if begin else "") + word[begin:piece]])
        begin = piece
    return found

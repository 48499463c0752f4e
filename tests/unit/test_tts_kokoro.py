"""Kokoro's clauses are cut so that they sound early and stay whole, and its voices are the English ones that are there."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.common import registry
from services.common.settings import SharedSettings
from services.tts.engines import ENGINES
from services.tts.engines.kokoro_model import FIRST_CHUNK, LONGEST_CHUNK, OVERLAP, chunks
from services.tts.engines.timing import STEP
from vivant.errors import Unusable


def engine(models: Path) -> Any:
    return registry.load(registry.find(ENGINES, "kokoro", "TTS_ENGINE"), SharedSettings(models_dir=models))


def voices(models: Path, *names: str, size: int = 510 * 256) -> Path:
    folder = models / "kokoro" / "voices"
    folder.mkdir(parents=True)
    for name in names:
        np.zeros(size, np.float32).tofile(folder / f"{name}.bin")
    return models


@pytest.mark.parametrize("frames", [1, FIRST_CHUNK, FIRST_CHUNK + OVERLAP - 1, FIRST_CHUNK + OVERLAP, 33, 400])
def test_chunks_cover_all_of_it_and_none_is_too_short_to_be_worth_it(frames: int) -> None:
    begin, end = 1234, 1234 + frames * STEP - 77
    cut = list(chunks(begin, end))
    assert [a for a, _ in cut] == [begin, *(b for _, b in cut[:-1])]
    assert cut[-1][1] == end
    sizes = [(b - a) / STEP for a, b in cut]
    assert sizes[0] <= FIRST_CHUNK + OVERLAP
    assert all(b <= 1.5 * a for a, b in pairwise(sizes[:-1])), "each is made while the one before it is heard"
    assert all(size <= LONGEST_CHUNK + OVERLAP for size in sizes)
    assert len(sizes) == 1 or sizes[-1] >= OVERLAP


def test_the_voices_are_the_english_ones_that_are_there_the_default_first(tmp_path: Path) -> None:
    models = voices(tmp_path, "am_michael", "af_bella", "jf_alpha", "bm_george", "af_heart", "zm_yunxi")
    assert engine(models).info.voices == ("af_heart", "af_bella", "am_michael", "bm_george")
    assert engine(models).info.languages == ("en-US", "en-GB")


def test_a_model_that_was_not_fetched_or_is_damaged_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="python -m models fetch kokoro") as caught:
        engine(tmp_path / "nothing").load()
    assert caught.value.reason == "model_missing"
    with pytest.raises(Unusable, match=r"front\.onnx; run: python -m models fetch kokoro") as caught:
        engine(voices(tmp_path, "af_heart")).load()
    assert caught.value.reason == "model_missing"
    (tmp_path / "kokoro" / "front.onnx").write_bytes(b"not a model")
    with pytest.raises(Unusable, match="python -m models fetch kokoro") as caught:
        engine(tmp_path).load()
    assert caught.value.reason == "model_unusable"

"""What of the spectrogram the recogniser and turn-taking share."""

from __future__ import annotations

import numpy as np
import pytest

from services.common.log_mel import BANDS, HOP_SAMPLES, WINDOW_SAMPLES, log_mel, whisper_input


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_only_whole_windows_have_a_column(samples: int, frames: int) -> None:
    assert (WINDOW_SAMPLES, HOP_SAMPLES) == (400, 160)
    assert log_mel(np.zeros(samples, np.float32)).shape == (BANDS, frames)


def test_padding_is_silence() -> None:
    columns = np.full((80, 10), -1.0, np.float32)
    columns[0, 0] = 2.0
    features = whisper_input(columns, 30)
    assert features.shape == (1, 80, 30)
    assert features[0, 0, 0] == pytest.approx(1.5)
    assert features[0, 5, 20] == pytest.approx((2.0 - 8.0 + 4.0) / 4.0)

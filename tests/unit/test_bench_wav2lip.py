"""The bench of Wav2Lip reads what it wrote, and tells what drifts from what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.wav2lip import BITS, SIZE_PX, UNITS_A_MINUTE, Minute, Run, number_of, numbered_clip, report
from services.face.enrolment.clip import stored


def test_the_numbers_of_the_pictures_outlive_their_coding(tmp_path: Path) -> None:
    numbered_clip(tmp_path / "numbered")
    clip, video = stored.read(tmp_path / "numbered")
    numbers = [number_of(picture) for picture in stored.pictures(video)]
    assert numbers == list(range(1 << BITS))
    assert (clip.count, clip.side) == (1 << BITS, SIZE_PX)
    assert [clip.place(index) for index in (0, 127, 128)] == [0, 127, 0]


def minute(*, age: int, late_ms: float, rss_mb: float) -> Minute:
    return Minute(500, [age] * 1400, [late_ms] * UNITS_A_MINUTE, [rss_mb] * 60)


def test_the_last_minute_is_compared_with_the_second() -> None:
    begun = minute(age=9, late_ms=50, rss_mb=700)
    steady = report(Run([begun, *(minute(age=3, late_ms=2, rss_mb=1000) for _ in range(9))], spoken_units=14_000))
    assert (steady["av_drift_ms"], steady["rss_growth_pct"], steady["clock_drift_ms"]) == (0, 0, 0)
    assert steady["pictures_a_second"] == pytest.approx(500 / 60, abs=0.05)
    ages = np.linspace(3, 12, 10).astype(int)
    drifting = report(Run([minute(age=int(age), late_ms=10.0 * age, rss_mb=1000 + 10 * age) for age in ages]))
    assert drifting["av_drift_ms"] == 40 * (ages[-1] - ages[1])
    assert drifting["clock_drift_ms"] == 10 * (ages[-1] - ages[1])
    assert drifting["rss_growth_pct"] == pytest.approx(100 * (1120 / 1040 - 1), abs=0.01)

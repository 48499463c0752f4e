"""Plays recordings to the turn engine and to plain Smart Turn, on all cores.

A module of its own, because a new process imports by name what it is to run, and `__main__` is another module there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rich.console import Console
from rich.progress import track

from bench.turn.baseline import evidence as baseline
from bench.turn.material import RATE_HZ, Recording
from bench.turn.models import Models, Recorder
from bench.turn.trace import WORDS_AFTER_S, Recogniser, Said, Silence, trace
from services.common import registry
from services.common.reading.readers import english
from services.common.settings import SharedSettings
from services.turn.engine import StreamConfig, TurnEngine
from services.turn.engines import ENGINES


class Player:
    """What each process has loaded."""

    engine: TurnEngine
    models: Models
    recogniser: Recogniser

    @classmethod
    def start(cls) -> None:
        cls.engine = registry.load(registry.find(ENGINES, "fusion", "TURN_ENGINE"), SharedSettings())
        cls.engine.load()
        cls.models, cls.recogniser = Models(), Recogniser()

    @classmethod
    def play(cls, recording: Recording) -> list[Silence]:
        """All silences, with what the engine, plain Smart Turn and the baseline say about them."""
        silences = trace(recording, cls.engine.open(StreamConfig(RATE_HZ)), cls.recogniser)
        for silence, asked in zip(silences, trace(recording, cls.models.plain()), strict=True):
            silence.plain = asked.said[0].probability
        recorder = Recorder(cls.models)
        trace(recording, recorder.session())
        for silence, seen in zip(silences, recorder.silences, strict=True):
            reading = english().read(silence.turn_text) if silence.turn_text else None
            later = [at_s for at_s, _ in seen if WORDS_AFTER_S < at_s < silence.noticed_s]
            silence.before = [
                Said(at_s, baseline.probability(seen[0][1], silence.text, at_s), reading=reading)
                for at_s in (WORDS_AFTER_S, *later)
                if at_s < silence.noticed_s
            ]
        return silences


def play(recordings: Mapping[str, Sequence[Recording]]) -> dict[str, list[Silence]]:
    """All silences of each group."""
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=Player.start) as pool:
        jobs = {title: [pool.submit(Player.play, each) for each in group] for title, group in recordings.items()}
        return {
            title: [silence for job in track(group, title, console=Console(stderr=True)) for silence in job.result()]
            for title, group in jobs.items()
        }

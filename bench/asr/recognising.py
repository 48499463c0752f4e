"""Our recogniser and the stock library on utterances, and the CPU that each takes for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from bench.asr.material import RATE_HZ, Utterance
from bench.asr.scoring import Choice, Side
from services.asr.engine import Engine, StreamConfig
from services.asr.engine import Final as FinalEvent
from services.asr.engines.whisper import WhisperEngine
from services.asr.settings import WhisperOptions
from services.common.settings import SharedSettings

#: As a file is best sent: the most that a message may hold.
FILE_CHUNK: Final = RATE_HZ // 10


def as_set() -> Choice:
    """What the service would use."""
    options = _options()
    return Choice(options.context_s, options.padding_s, options.beam)


async def recognise(engine: Engine, audio: NDArray[np.float32]) -> str:
    """The final text of one utterance, through the session that the service uses."""
    session = engine.open(StreamConfig(RATE_HZ, "en", partials=False))
    for start in range(0, len(audio), FILE_CHUNK):
        await session.push(audio[start : start + FILE_CHUNK], start)
    await session.finish()
    return " ".join([event.text async for event in session.events() if isinstance(event, FinalEvent)])


async def compare(spoken: list[Utterance], choices: Sequence[Choice]) -> tuple[list[Side], Side]:
    """Ours with each of the choices, and the stock library: one after the other on each utterance, with one thread.

    Seconds are those of the CPU, so that what else the machine does is not counted.
    """
    from faster_whisper import WhisperModel

    engines = [_engine(choice) for choice in choices]
    folder = SharedSettings().models_dir / "whisper-base"
    stock = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    ours, theirs = [Side(str(choice)) for choice in choices], Side("faster-whisper, greedy")
    for utterance in track(spoken, "recognising", console=Console(stderr=True)):
        for engine, side in zip(engines, ours, strict=True):
            started = time.process_time()
            side.texts.append(await recognise(engine, utterance.audio))
            side.seconds.append(time.process_time() - started)
        started = time.process_time()
        segments, _ = stock.transcribe(utterance.audio, language="en", beam_size=1)
        theirs.texts.append(" ".join(segment.text for segment in segments))
        theirs.seconds.append(time.process_time() - started)
    for engine in engines:
        engine.close()
    return ours, theirs


def _engine(choice: Choice) -> Engine:
    options = _options(context_s=choice.context_s, padding_s=choice.padding_s, beam=choice.beam, threads=1)
    engine = WhisperEngine(options, SharedSettings())
    engine.load()
    return engine


def _options(**changes: Any) -> WhisperOptions:
    """What is set, with `changes`."""
    return WhisperOptions(**changes)

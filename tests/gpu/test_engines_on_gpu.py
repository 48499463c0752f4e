"""Every engine that is made for a GPU, once on one: with the real weights where they are here, else with random ones."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from bench.asr.recognising import recognise
from services.asr import engines as asr
from services.asr.engines.whisper import WhisperEngine
from services.common import registry
from services.common.audio import to_float
from services.common.registry import EngineSpec
from services.common.settings import SharedSettings
from services.face.engines.wav2lip import network as wav2lip
from services.face.engines.wav2lip.batching import LARGEST, Batches
from services.tts import engines as tts
from services.tts.engine import Text, VoiceConfig, VoiceEngine
from services.turn.engines.vap import network as vap
from services.turn.settings import VapOptions
from tests.gpu.conftest import Report
from tests.harness import pocket_weights, vap_weights, wav2lip_weights, xtts_weights
from tests.harness.data import SPEECH
from vivant import audio

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]

MODELS = SharedSettings().models_dir
CLAUSE = "Where I live it snows from October into May."
RUNS = 5


def fetched(*files: str) -> bool:
    """The real weights are here."""
    return all((MODELS / file).is_file() for file in files)


def kind_of(device: str) -> Literal["cpu", "cuda"]:
    """For engines that take no number."""
    return "cuda" if device.startswith("cuda") else "cpu"


def chosen(table: Sequence[EngineSpec], name: str, shared: SharedSettings | None = None, **settings: str) -> Any:
    """The engine with these settings, loaded."""
    with pytest.MonkeyPatch.context() as patch:
        for setting, value in settings.items():
            patch.setenv(setting, value)
        engine = registry.load(registry.find(table, name, "ENGINE"), shared or SharedSettings())
    engine.load()
    return engine


async def test_whisper(device: str, report: Report) -> None:
    name = next(name for name in ("whisper-large-v3-turbo", "whisper-base") if fetched(f"{name}/model.bin"))
    engine: WhisperEngine = chosen(asr.ENGINES, "whisper", ASR_WHISPER_MODEL=name, ASR_WHISPER_DEVICE=kind_of(device))
    sound = to_float(audio.read(SPEECH / "whatstheweatherlike.wav", 16_000).tobytes())
    assert "weather" in (await recognise(engine, sound)).lower()
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        await recognise(engine, sound)
        seconds.append(time.perf_counter() - began)
    report(
        f"asr whisper ({name})", "real", f"{statistics.median(seconds) * 1000:.0f} ms for {len(sound) / 16_000:.1f} s of speech"
    )
    engine.close()


def test_vap(device: str, report: Report, tmp_path: Path) -> None:
    options = VapOptions(device=device)
    real = fetched(f"maai/{options.weights}", f"maai/{options.encoder}")
    folder = MODELS if real else vap_weights.models_with_vap(tmp_path)
    network = vap.load(folder / "maai", options.weights, options.encoder, "", device)
    rng = np.random.default_rng(0)
    state: Any = None
    seconds = []
    for _ in range(100):
        user, persona = (rng.normal(0, 0.05, vap.LEAD + network.frame).astype(np.float32) for _ in range(2))
        began = time.perf_counter()
        said, state = network.step(user, persona, state)
        seconds.append(time.perf_counter() - began)
    assert 0 <= said.now <= 1
    report("turn vap", "real" if real else "random", f"{statistics.median(seconds[20:]) * 1000:.1f} ms a step of 100 ms")


async def clause() -> AsyncIterator[Text]:
    yield Text(CLAUSE)


async def spoken(engine: VoiceEngine) -> str:
    """A clause, several times: when it begins to sound, and how long it takes to be made."""
    first, made, length = [], [], 0.0
    for _ in range(RUNS):
        began = time.perf_counter()
        samples = 0
        async for speech in engine.synthesize(VoiceConfig(engine.info.voices[0]), clause()):
            if not samples:
                first.append(time.perf_counter() - began)
            samples += len(speech.pcm) // 2
        made.append(time.perf_counter() - began)
        length = samples / engine.info.sample_rate_hz
        assert length > 0.2
    pace = statistics.median(made) / length
    return f"first sound {statistics.median(first) * 1000:.0f} ms, {pace:.2f} s for each second ({length:.1f} s)"


async def test_xtts(device: str, report: Report, tmp_path: Path) -> None:
    real = fetched("xtts-v2/model.pth")
    folder = MODELS if real else xtts_weights.models_with_xtts(tmp_path / "models", full=device.startswith("cuda"))
    xtts_weights.persona_with_voice(tmp_path / "personas", "ada")
    shared = SharedSettings(models_dir=folder, personas_dir=tmp_path / "personas")
    engine: VoiceEngine = chosen(tts.ENGINES, "xtts", shared, TTS_XTTS_DEVICE=device, TTS_XTTS_DEFAULT_PERSONA="ada")
    report("tts xtts", "real" if real else "random", await spoken(engine))
    engine.close()


async def test_pocket(device: str, report: Report, tmp_path: Path) -> None:
    real = fetched("pocket-tts/english/model.safetensors")
    folder = MODELS if real else pocket_weights.models_with_pocket(tmp_path / "models", ends=False)
    pocket_weights.recorded_persona(tmp_path / "personas")
    shared = SharedSettings(models_dir=folder, personas_dir=tmp_path / "personas")
    settings = {
        "TTS_POCKET_DEVICE": kind_of(device),
        "TTS_POCKET_MODEL": "english" if real else pocket_weights.MODEL,
        "TTS_POCKET_DEFAULT_PERSONA": pocket_weights.PERSONA,
    }
    engine: VoiceEngine = chosen(tts.ENGINES, "pocket", shared, **settings)
    report("tts pocket", "real" if real else "random, 12 M", await spoken(engine))
    engine.close()


def test_wav2lip(device: str, report: Report, tmp_path: Path) -> None:
    file = "wav2lip/wav2lip_gan.pth"
    real, half = fetched(file), device.startswith("cuda")
    folder = MODELS if real else wav2lip_weights.models_with_wav2lip(tmp_path)
    network = wav2lip.load(folder / file, device, half=half)
    batches = Batches(network, device, half=half)
    rng = np.random.default_rng(0)
    faces = rng.random((LARGEST, 6, wav2lip.FACE_PX, wav2lip.FACE_PX), np.float32)
    mel = rng.random((wav2lip.MELS, wav2lip.COLUMNS), np.float32)
    kept = batches.look(faces)
    painted = batches.paint(mel, kept[0])
    assert painted.shape == (3, wav2lip.FACE_PX, wav2lip.FACE_PX)
    began = time.perf_counter()
    for at in range(50):
        batches.paint(mel, kept[at % len(kept)])
    seconds = (time.perf_counter() - began) / 50
    batches.close()
    report(
        "face wav2lip",
        "real" if real else "random",
        f"{seconds * 1000:.1f} ms a picture, one stream: {1 / seconds:.0f} a second",
    )

"""XTTS with weights made at random, in the form of the published files, small enough for a CPU; and whose voice it has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace
from TTS.tts.configs.xtts_config import XttsArgs, XttsAudioConfig, XttsConfig
from TTS.tts.models.xtts import Xtts

from services.common import registry
from services.common.settings import SharedSettings
from services.tts.engines import ENGINES
from services.tts.engines.xtts import XttsEngine

_MARKS = ["[STOP]", "[UNK]", "[SPACE]", "[START]", "[en]", "[de]", "[ru]", "[hi]", "[ja]"]
_LETTERS = list("abcdefghijklmnopqrstuvwxyzäöüß'.,!?;:-") + list("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
#: A sentence of random weights ends here at the latest: after 0.4 s.
MOST_TOKENS = 8

CONSENT = '[[consent]]\nwhat = "voice"\nby = "a computer"\ndate = 2026-12-01\nbasis = "nobody speaks here"\n'


def xtts_in(folder: Path, **settings: str) -> XttsEngine:
    """The engine on the CPU, not loaded, with what is in `models` and `personas` of the folder; `settings` are TTS_XTTS_..."""
    given = {"device": "cpu", "default_persona": "ada", "chunk_tokens": "5"} | settings
    shared = SharedSettings(models_dir=folder / "models", personas_dir=folder / "personas")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(f"TTS_XTTS_{name.upper()}", value)
        engine: XttsEngine = registry.load(registry.find(ENGINES, "xtts", "TTS_ENGINE"), shared)
    return engine


#: What the published model has of everything, where ours is small (XttsArgs of its config.json).
_FULL: Final = {
    "gpt_layers": 30,
    "gpt_n_model_channels": 1024,
    "gpt_n_heads": 16,
    "decoder_input_dim": 1024,
    "gpt_max_audio_tokens": 605,
}


def models_with_xtts(folder: Path, *, seed: int = 1, full: bool = False) -> Path:
    """A folder of models with nothing else in it; the same for each seed. `full`: as large as the published one, 1.7 GB."""
    made = folder / "xtts-v2"
    made.mkdir(parents=True)
    vocabulary = {token: at for at, token in enumerate([*_MARKS, *_LETTERS])}
    letters = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token="[UNK]"))
    letters.pre_tokenizer = Whitespace()
    letters.add_special_tokens(_MARKS)
    letters.save(str(made / "vocab.json"))
    sizes = {
        "gpt_layers": 2,
        "gpt_n_model_channels": 64,
        "gpt_n_heads": 4,
        "decoder_input_dim": 64,
        "gpt_max_audio_tokens": MOST_TOKENS + 3,
    }
    args = XttsArgs(
        **(_FULL if full else sizes),
        gpt_number_text_tokens=len(vocabulary),
        gpt_start_text_token=vocabulary["[START]"],
        gpt_stop_text_token=vocabulary["[STOP]"],
        gpt_num_audio_tokens=1026,
        gpt_start_audio_token=1024,
        gpt_stop_audio_token=1025,
        gpt_code_stride_len=1024,
        gpt_use_perceiver_resampler=True,
    )
    config = XttsConfig(model_args=args, languages=["en", "de", "ru", "hi", "ja"], gpt_cond_len=6, max_ref_len=8)
    config.save_json(made / "config.json")
    torch.manual_seed(seed)
    weights = Xtts(config).state_dict()
    with pytest.MonkeyPatch.context() as patch:
        # The published file has its configuration under the names of the package as it was then.
        for kind in (XttsArgs, XttsAudioConfig):
            patch.setattr(kind, "__module__", "TTS.tts.models.xtts")
        torch.save({"model": weights, "config": config}, made / "model.pth")
    return folder


def persona_with_voice(personas: Path, name: str, *, seconds: float = 7.0, seed: int = 0, rate_hz: int = 22_050) -> Path:
    """The folder of a persona of which there is nothing but a voice: vowel-like tones, and consent."""
    folder = personas / name
    (folder / "voice").mkdir(parents=True)
    (folder / "consent.toml").write_text(CONSENT)
    record(folder / "voice" / "one.wav", seconds=seconds, seed=seed, rate_hz=rate_hz)
    return folder


def record(path: Path, *, seconds: float, seed: int, rate_hz: int = 22_050) -> None:
    """Harmonics of a gliding pitch that come and go four times a second."""
    rng = np.random.default_rng(seed)
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.cumsum(rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * at))) / rate_hz
    sound = sum(rng.uniform(0.2, 1) / number * np.sin(number * phase) for number in range(1, 12))
    sound = sound * np.clip(np.sin(2 * np.pi * 2 * at), 0, 1) * 0.2
    wavfile.write(path, rate_hz, (sound * 32767).clip(-32767, 32767).astype(np.int16))

"""Pocket TTS with random weights in the true shapes and file forms, and a persona with recordings and consent."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any, Final

import sentencepiece
import torch
from pocket_tts import TTSModel
from safetensors.torch import save_file

from services.common.settings import SharedSettings
from services.tts.engines.pocket import PocketEngine
from services.tts.engines.pocket.model import local_description
from services.tts.settings import PocketOptions
from tests.harness.data import SPEECH

#: The smallest that the package describes: 12 million parameters with the encoder that hears a voice.
MODEL: Final = "english_2m_2026-10"
PERSONA: Final = "pip"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.,!?-;:"
#: Random weights do not know when a clause is over. With one bias they think so always, and each clause has the fewest steps;
#: with the other never, and each has the most.
_OVER: Final = 1e6


def pocket_folder(models: Path) -> Path:
    """Where the model's files are."""
    return models / "pocket-tts" / MODEL


def models_with_pocket(models: Path, *, ends: bool = True, clones: bool = True) -> Path:
    """A folder of models with nothing else in it. `ends`: clauses are short; `clones`: as the gated weights can."""
    folder = pocket_folder(models)
    folder.mkdir(parents=True)
    # Without weights the package makes them at random.
    description = local_description(folder, MODEL).model_copy(update={"weights_path": None})
    table = description.flow_lm.lookup_table
    Path(table.tokenizer_path).write_bytes(_tokenizer(table.n_bins))
    written = models / "random.yaml"
    written.write_text(description.model_dump_json(), "utf-8")
    torch.manual_seed(1)
    made: Any = TTSModel.load_model(config=written)
    with torch.no_grad():
        made.flow_lm.speaker_proj_weight.normal_(0, 0.1)
        made.flow_lm.out_eos.bias.fill_(_OVER if ends else -_OVER)
        if not clones:
            for values in made.mimi.encoder.parameters():
                values.zero_()
    save_file({name: values.contiguous() for name, values in made.state_dict().items()}, folder / "model.safetensors")
    return models


def recorded_persona(personas: Path, name: str = PERSONA) -> Path:
    """A persona with two recordings, and consent to the use of the voice."""
    folder = personas / name
    (folder / "voice").mkdir(parents=True)
    for file in ("chat_input_1.wav", "goforward.wav"):
        shutil.copy(SPEECH / file, folder / "voice")
    consent = '[[consent]]\nwhat = "voice"\nby = "the speaker"\ndate = 2026-12-01\nbasis = "recordings for tests"\n'
    (folder / "consent.toml").write_text(consent, "utf-8")
    return folder


def pocket(models: Path, personas: Path, **options: Any) -> PocketEngine:
    """The engine, not loaded yet."""
    chosen = PocketOptions(**{"model": MODEL, "default_persona": PERSONA, **options})
    return PocketEngine(chosen, SharedSettings(models_dir=models, personas_dir=personas))


def _tokenizer(size: int) -> bytes:
    """A vocabulary of letters, filled up to its true size."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([_LETTERS]),
        model_writer=model,
        model_type="char",
        vocab_size=size,
        # Beside the letters there are a space and three marks of its own.
        user_defined_symbols=[f"<{index}>" for index in range(size - len(_LETTERS) - 4)],
        minloglevel=2,
    )
    return model.getvalue()

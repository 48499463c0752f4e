"""Pocket TTS from local files: found, or refused with what is missing; and run. Not safe to use from several threads at once.

Kyutai's package pocket-tts (MIT), after Rouard et al., "Continuous Audio Language Models" (2025).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pocket_tts import TTSModel
from pocket_tts.modules.stateful_module import init_states
from pocket_tts.utils.config import CONFIGS_DIR, load_config
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from vivant.errors import Unusable

RATE_HZ: Final = 24_000
VERSION: Final = version("pocket-tts")
PACKAGE: Final = f"pocket-tts {VERSION}"
#: The first part of a model's name.
LANGUAGES: Final = {
    "english": "en",
    "french": "fr",
    "german": "de",
    "portuguese": "pt",
    "italian": "it",
    "spanish": "es",
    "dutch": "nl",
}
#: Repositories of the model hub: one whose weights clone voices, behind terms to agree to, and an open one.
GATED: Final = "kyutai/pocket-tts"
OPEN: Final = "kyutai/pocket-tts-without-voice-cloning"
WEIGHTS: Final = "model.safetensors"
NAMED: Final = "embeddings"

Sound = NDArray[np.float32]
#: Of each layer what it has heard so far: a voice is what the model is after it has heard the recordings.
State = dict[str, dict[str, torch.Tensor]]

# The package logs what is said.
logging.getLogger("pocket_tts").setLevel(logging.ERROR)


class PocketModel:
    """One model on one device."""

    def __init__(self, folder: Path, name: str, device: str) -> None:
        """`folder` has the files of the model `name`. Raises Unusable."""
        self._name = name
        self._folder = folder
        self._tts: Any = _loaded(folder, name)
        self._tts.to(device)
        with (folder / WEIGHTS).open("rb") as weights:
            self.sha256 = hashlib.file_digest(weights, "sha256").hexdigest()

    @property
    def clones(self) -> bool:
        """Whether it can learn a voice. In the open weights what hears one is blank."""
        hearing = [values for name, values in self._tts.mimi.encoder.named_parameters() if name.endswith("weight")]
        hearing.append(self._tts.flow_lm.speaker_proj_weight)
        return all(bool(values.isfinite().all() and values.any()) for values in hearing)

    def require_cloning(self, otherwise: str) -> None:
        """Raises Unusable when it cannot; `otherwise` is what can be done about it besides getting the other weights."""
        if not self.clones:
            raise Unusable(
                f"{self._folder / WEIGHTS} cannot clone a voice, as that of {OPEN} cannot; {gated(self._folder, self._name)}; "
                f"or {otherwise}",
                reason="model_missing",
            )

    def listen(self, audio: Sound) -> State:
        """The voice of whoever is heard in float32 [n] at 24 kHz; blocks for a second or so."""
        state: State = self._tts.get_state_for_audio_prompt(torch.from_numpy(audio)[None])
        return state

    def speak(self, state: State, text: str, stop: Event) -> Iterator[Sound]:
        """The sound of a text in chunks, float32 at 24 kHz; once `stop` is set no further one is begun."""
        stream = self._tts.generate_audio_stream(state, text, stop=stop)
        try:
            for chunk in stream:
                yield chunk.cpu().numpy()
        finally:
            # However it ends: the package works in threads of its own, which are done when its stream is at its end.
            stop.set()
            for _ in stream:
                pass

    def read(self, path: Path) -> State:
        """A voice that was kept. Raises OSError, and Unusable for what is no voice of this model."""
        try:
            state: State = self._tts.get_state_for_audio_prompt(path)
        except (SafetensorError, ValueError) as exc:
            raise Unusable(f"{path} is no file of a voice: {exc}", reason="voice_unusable") from exc
        if _shapes(state) != _shapes(init_states(self._tts.flow_lm, batch_size=1, sequence_length=1)):
            raise Unusable(f"{path} is a voice of another model than {self._name!r}", reason="voice_unusable")
        # What is read is the file itself, mapped into memory: whoever wrote into it would end the process.
        return {module: {part: values.clone() for part, values in each.items()} for module, each in state.items()}


def voice_bytes(state: State, key: str) -> bytes:
    """What a voice is kept as, in the package's own form; `key` says what it was made of."""
    tensors = {f"{module}/{name}": values.cpu().contiguous() for module, each in state.items() for name, values in each.items()}
    found: bytes = save(tensors, metadata={"key": key})
    return found


def key_of(path: Path) -> str:
    """What a kept voice was made of; empty where the file is none, or does not say. Raises OSError."""
    if not path.is_file():
        return ""
    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {}).get("key", ""))
    except SafetensorError:
        return ""


def gated(folder: Path, name: str) -> str:
    """How to come by the weights that clone."""
    return (
        f"the weights that clone are gated: agree to the terms of {GATED} on the model hub, and put its "
        f"languages/{name}/{WEIGHTS} into {folder}"
    )


def _loaded(folder: Path, name: str) -> Any:
    description = local_description(folder, name)
    _require(folder, name, Path(description.flow_lm.lookup_table.tokenizer_path))
    # The package reads a description from a file only. JSON is YAML.
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.yaml"
        path.write_text(description.model_dump_json(), "utf-8")
        try:
            return TTSModel.load_model(config=path)
        except (SafetensorError, RuntimeError, AssertionError, OSError) as exc:
            raise Unusable(f"{folder} does not hold the model {name!r} of {PACKAGE}: {exc}", reason="model_unusable") from exc


def local_description(folder: Path, name: str) -> Any:
    """The package's description of a model, with files in `folder` where it has places on the hub. Raises Unusable."""
    described = CONFIGS_DIR / f"{name}.yaml"
    if not described.is_file():
        there = ", ".join(sorted(path.stem for path in CONFIGS_DIR.glob("*.yaml")))
        raise Unusable(f"TTS_POCKET_MODEL={name!r} is no model of {PACKAGE}; it has: {there}", reason="unknown_model")
    config = load_config(described)
    table = config.flow_lm.lookup_table
    tokenizer = folder / Path(table.tokenizer_path.partition("@")[0]).name
    table = table.model_copy(update={"tokenizer_path": str(tokenizer)})
    return config.model_copy(
        update={
            "weights_path": str(folder / WEIGHTS),
            "weights_path_without_voice_cloning": None,
            "flow_lm": config.flow_lm.model_copy(update={"lookup_table": table}),
        }
    )


def _require(folder: Path, name: str, tokenizer: Path) -> None:
    """Raises Unusable when a file is missing."""
    if not (folder / WEIGHTS).is_file():
        raise Unusable(
            f"no weights {folder / WEIGHTS}; {gated(folder, name)}; those of {OPEN} have the named voices only",
            reason="model_missing",
        )
    if not tokenizer.is_file():
        # Several models have that of another one.
        place = load_config(CONFIGS_DIR / f"{name}.yaml").flow_lm.lookup_table.tokenizer_path
        place = place.removeprefix("hf://").partition("@")[0]
        raise Unusable(f"no tokenizer {tokenizer}; on the model hub it is {place}", reason="model_missing")


def _shapes(state: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, tuple[int, ...]]:
    """The shape of each layer's memory, but for how much it has heard."""
    return {module: (*each["cache"].shape[:2], *each["cache"].shape[3:]) for module, each in state.items() if "cache" in each}

"""Coqui XTTS v2 (Casanova et al., "XTTS: a Massively Multilingual Zero-Shot Text-to-Speech Model", 2024) by coqui-tts 0.28.

A language model writes audio tokens after the text, in the voice that it was conditioned on; a vocoder makes sound of its
states. One thread at a time: the model itself holds what the clause in hand begins with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.functional import resample
from TTS.config.shared_configs import BaseDatasetConfig
from TTS.tts.configs.xtts_config import XttsArgs, XttsAudioConfig, XttsConfig
from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer
from TTS.tts.models.xtts import Xtts

from services.tts.recordings import Recording
from vivant.errors import Unusable

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.pth"
VOCABULARY: Final = "vocab.json"
#: What the model listens to a voice at.
_VOICE_HZ: Final = 22_050
#: The parts that voices are learnt with: whoever has others learns other things.
_LEARNING: Final = ("gpt.conditioning_", "hifigan_decoder.speaker_encoder.", "mel_stats")
#: Parts of the training, and doubles of tensors that are there by another name.
_NOT_NEEDED: Final = (
    "torch_mel_spectrogram_style_encoder.",
    "torch_mel_spectrogram_dvae.",
    "dvae.",
    "gpt.gpt_inference.",
    "gpt.gpt.wte.",
)
#: Languages whose words are put into Latin letters by a package that the lock does not have.
_PACKAGES: Final = {"zh": "pypinyin", "ja": "cutlet"}
#: What reading a number in words can end in, by language: one too large, or a language in which none can be read.
_UNREADABLE: Final = (NotImplementedError, ValueError, ArithmeticError, LookupError, RecursionError)

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Latents:
    """A voice, as the model has learnt it."""

    manner: NDArray[np.float32]
    """How it speaks, for the language model: [1, 32, width]."""
    timbre: NDArray[np.float32]
    """How it sounds, for the vocoder: [1, 512, 1]."""


@dataclass(frozen=True)
class Chunk:
    """The next stretch of a text's sound."""

    audio: Audio
    is_last: bool


class _Streamed(Xtts):  # type: ignore[misc]
    """Tells whether the chunk that it has just streamed is the last."""

    is_last = False

    def handle_chunks(self, *args: Any, is_final: bool = False, **more: Any) -> Any:
        self.is_last = is_final
        return super().handle_chunks(*args, is_final=is_final, **more)


class Network:
    """The model."""

    def __init__(self, folder: Path, device: str, chunk_tokens: int) -> None:
        """Blocking: reads the files in `folder`. Raises Unusable when one is missing, or not what it should be."""
        missing = [name for name in (CONFIG, WEIGHTS, VOCABULARY) if not (folder / name).is_file()]
        if missing:
            raise Unusable(
                f"{folder} lacks {', '.join(missing)}; for use that is not commercial: python -m models fetch xtts-v2, "
                "or --from a folder",
                reason="model_missing",
            )
        self._config = _config(folder / CONFIG)
        self._tokenizer = _tokenizer(folder / VOCABULARY)
        args = self._config.model_args
        args.gpt_number_text_tokens = self._tokenizer.get_number_tokens()
        args.gpt_start_text_token = self._tokenizer.tokenizer.token_to_id("[START]")
        args.gpt_stop_text_token = self._tokenizer.tokenizer.token_to_id("[STOP]")
        self._model = _Streamed(self._config)
        self._model.tokenizer = self._tokenizer
        weights = _weights(folder / WEIGHTS)
        try:
            self._model.load_state_dict(weights)
        except RuntimeError as exc:
            raise Unusable(f"the weights in {folder / WEIGHTS} are not those of {CONFIG}", reason="model_unusable") from exc
        self._model.eval()
        self._model.to(device)
        self._chunk_tokens = chunk_tokens
        place = torch.device(device)
        self._chance = torch.cuda.default_generators[place.index or 0] if place.type == "cuda" else torch.default_generator
        self.fingerprint = self._fingerprint(weights)
        """Changes with whatever decides what is learnt of a voice."""

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP 47 tags of the languages that it can speak here."""
        found = [tag for tag in self._config.languages if f"[{tag}]" in self._tokenizer.tokenizer.get_vocab()]
        return tuple(tag for tag in found if find_spec(_PACKAGES.get(tag.partition("-")[0], "TTS")) is not None)

    @property
    def most_s(self) -> float:
        """So much of each recording is listened to."""
        return float(self._config.max_ref_len)

    def learn(self, recordings: Sequence[Recording]) -> Latents:
        """Blocking, for seconds on a CPU: what the model goes by in speaking with the voice of the recordings.

        As `Xtts.get_conditioning_latents` does it, which would read files by FFmpeg.
        """
        config = self._config
        heard = [resample(torch.from_numpy(each.samples)[None], each.rate_hz, _VOICE_HZ) for each in recordings]
        timbres = [self._model.get_speaker_embedding(audio, _VOICE_HZ) for audio in heard]
        manner = self._model.get_gpt_cond_latents(
            torch.cat(heard, -1), _VOICE_HZ, length=config.gpt_cond_len, chunk_length=config.gpt_cond_chunk_len
        )
        return Latents(manner.float().cpu().numpy(), torch.stack(timbres).mean(0).float().cpu().numpy())

    def fits(self, text: str, language: str) -> bool:
        """Whether the text can be said in one go."""
        # The package warns of more characters than these, behind which speech breaks off.
        if len(text) > self._tokenizer.char_limits[language.partition("-")[0].lower()]:
            return False
        tokens = len(self._tokenizer.encode(text, lang=language.lower()))
        return tokens < int(self._config.model_args.gpt_max_text_tokens)

    def can_read(self, word: str, language: str) -> bool:
        """Whether the package can put the figures in the word into words of the language."""
        try:
            self._tokenizer.preprocess_text(word, language.partition("-")[0].lower())
        except _UNREADABLE:
            return False
        return True

    def say(self, text: str, language: str, voice: Latents, speed: float, seed: int) -> Generator[Chunk, None, None]:
        """The sound of a text that fits, 24 kHz, each chunk made when it is asked for. Closing the iterator ends it.

        Several may go on side by side, in one thread. The same `seed` gives the same sound.
        """
        config, model = self._config, self._model
        stream = model.inference_stream(
            text,
            language.lower(),
            torch.from_numpy(voice.manner),
            torch.from_numpy(voice.timbre),
            stream_chunk_size=self._chunk_tokens,
            temperature=config.temperature,
            length_penalty=config.length_penalty,
            repetition_penalty=config.repetition_penalty,
            top_k=config.top_k,
            top_p=config.top_p,
            speed=speed,
        )
        chance = torch.Generator(self._chance.device).manual_seed(seed).get_state()
        begins_with = None
        try:
            while True:
                # Another text may have been spoken since the last chunk: what the model holds of this one is put back.
                self._chance.set_state(chance)
                if begins_with is not None:
                    model.gpt.gpt_inference.store_prefix_emb(begins_with)
                audio = next(stream)
                chance = self._chance.get_state()
                begins_with = model.gpt.gpt_inference.cached_prefix_emb
                is_last = model.is_last
                yield Chunk(audio.float().cpu().numpy(), is_last)
                if is_last:
                    return
        finally:
            stream.close()

    def _fingerprint(self, weights: Mapping[str, torch.Tensor]) -> str:
        config = self._config
        digest = hashlib.sha256(
            f"coqui-tts {version('coqui-tts')} {config.max_ref_len} {config.gpt_cond_len} {config.gpt_cond_chunk_len}".encode()
        )
        for name in sorted(weights):
            if name.startswith(_LEARNING):
                digest.update(name.encode())
                digest.update(weights[name].contiguous().numpy().tobytes())
        return digest.hexdigest()


def _config(path: Path) -> Any:
    config = XttsConfig()
    try:
        config.load_json(path)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as exc:
        raise Unusable(f"{path} is not a configuration of XTTS: {exc}", reason="model_unusable") from exc
    return config


def _tokenizer(path: Path) -> Any:
    try:
        return VoiceBpeTokenizer(vocab_file=path)
    except Exception as exc:
        # The package tokenizers raises nothing more particular.
        raise Unusable(f"{path} is not a vocabulary of XTTS: {exc}", reason="model_unusable") from exc


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint as it was published, or as the package's trainer writes one; no code in a file is run."""
    # The published one holds its configuration too, under names that the package had then.
    old = "TTS.tts.models.xtts"
    known = [XttsConfig, BaseDatasetConfig, (XttsArgs, f"{old}.XttsArgs"), (XttsAudioConfig, f"{old}.XttsAudioConfig")]
    try:
        with torch.serialization.safe_globals([*known, XttsArgs, XttsAudioConfig]):
            stored = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name.removeprefix("xtts."): values for name, values in stored["model"].items()}
    except (UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, AttributeError) as exc:
        raise Unusable(f"{path} is no file of weights of XTTS", reason="model_unusable") from exc
    return {name: values for name, values in weights.items() if not name.startswith(_NOT_NEEDED)}

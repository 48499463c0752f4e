"""The voices: those of personas, learnt from their recordings and kept, and those that come with the model by name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Final

import numpy as np
from scipy.signal import resample_poly

from services.common.logs import get_logger
from services.tts import recordings
from services.tts.engines.pocket.model import NAMED, PACKAGE, RATE_HZ, PocketModel, Sound, State, key_of, voice_bytes
from services.tts.recordings import Recording
from vivant.errors import Unusable, VivantError

_log = get_logger(__name__)

#: Of all recordings; what the model has to attend to at every step grows with it.
_MOST_S: Final = 30

#: Of the recordings, so that they are read again when they change.
_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class _Voice:
    state: State
    stamp: _Stamp


class Voices:
    """By name: personas under their ids, the default one first, then the named voices. For one thread."""

    def __init__(self, model: PocketModel, folder: Path, personas: Sequence[Path], kept_in: Path | None) -> None:
        """`folder` is the model's, `personas` those that may have a voice; `kept_in` as in `PocketOptions.voices_dir`."""
        self._model = model
        self._personas = {persona.name: persona for persona in personas}
        self._named = {path.stem: path for path in sorted((folder / NAMED).glob("*.safetensors"))}
        self._kept_in = kept_in
        self._voices: dict[str, _Voice] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._voices)

    def load(self, default: str) -> None:
        """Blocks for a second or so for each voice that is to be learnt. What is wrong with one keeps no other from speaking.

        Raises as `recordings.read` does where the persona `default` has recordings, and they are no good.
        """
        for name in dict.fromkeys((*self._personas, *self._named)):
            try:
                self.state(name)
            except VivantError as exc:
                if name == default:
                    raise
                _log.warning("voice_refused", voice=name, reason=exc.reason, detail=exc.message)

    def state(self, name: str) -> State:
        """The voice `name`, learnt anew where recordings changed. Raises as `recordings.read` and `PocketModel.read`."""
        persona = self._personas.get(name)
        stamp = _stamp(persona) if persona else ()
        voice = self._voices.get(name)
        if voice is None or voice.stamp != stamp:
            voice = _Voice(self._learnt(persona) if persona else self._model.read(self._named[name]), stamp)
            self._voices[name] = voice
        return voice.state

    def _learnt(self, persona: Path) -> State:
        """From where it is kept, else from the recordings."""
        found = recordings.read(persona, _MOST_S)
        key = hashlib.sha256("\0".join((PACKAGE, self._model.sha256, found.sha256)).encode()).hexdigest()
        places = self._places(persona)
        for place in places:
            if key_of(place) == key:
                return self._model.read(place)
        sound = np.concatenate([_resampled(each) for each in found.files])
        state = self._model.listen(sound[: _MOST_S * RATE_HZ])
        _keep(voice_bytes(state, key), places)
        _log.info("voice_learnt", persona=persona.name)
        return state

    def _places(self, persona: Path) -> Sequence[Path]:
        """Where a voice may be kept, in order."""
        name = f"{persona.name}.pocket.safetensors"
        if self._kept_in is not None:
            return (self._kept_in.expanduser() / name,)
        return (persona / "derived" / "voice.pocket.safetensors", Path.home() / ".cache" / "vivant" / "voices" / name)


def recorded(personas: Path, default: str) -> list[Path]:
    """The folders of the personas that have recordings, the default one first."""
    return [personas / name for name in sorted(recordings.recorded(personas), key=lambda name: (name != default, name))]


def _stamp(persona: Path) -> _Stamp:
    try:
        found = [(path.name, path.stat()) for path in sorted((persona / recordings.FOLDER).iterdir())]
    except OSError as exc:
        raise Unusable(f"the recordings of {persona.name!r} cannot be read: {exc.strerror}", reason="voice_unusable") from exc
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in found)


def _resampled(recording: Recording) -> Sound:
    common = gcd(recording.rate_hz, RATE_HZ)
    return np.asarray(resample_poly(recording.samples, RATE_HZ // common, recording.rate_hz // common), np.float32)


def _keep(data: bytes, places: Sequence[Path]) -> None:
    """Where nothing can be written the voice is learnt anew at the next start; nothing else is lost."""
    for place in places:
        try:
            _write(place, data)
        except OSError as exc:
            _log.info("voice_not_kept", path=str(place), error=exc.strerror)
        else:
            return


def _write(path: Path, data: bytes) -> None:
    """Beside its place first, so that the file is whole whenever the machine stops; raises OSError."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

"""Pocket TTS behind the contract of `services.tts.engine`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from threading import Event
from typing import Final

import numpy as np
import torch

from services.common.engine import Model
from services.common.logs import get_logger
from services.common.settings import SharedSettings
from services.tts.clauses import pieces
from services.tts.engine import Flush, Speech, Text, TtsInfo, VoiceConfig, Word
from services.tts.engines.pocket.model import LANGUAGES, NAMED, OPEN, RATE_HZ, VERSION, PocketModel, Sound
from services.tts.engines.pocket.placing import Clause, Pace, Placing, clause_of, silent
from services.tts.engines.pocket.voices import Voices, recorded
from services.tts.settings import PocketOptions
from services.tts.spoken import ReplyText
from vivant.errors import Unavailable, Unusable

_log = get_logger(__name__)

#: Carries symbols at the end of a reply: one unit of the picture.
_MOMENT: Final = RATE_HZ // 25
#: The end of each chunk waits for the next one, so that at the end of a clause there is sound to bring the words that are left.
_HELD: Final = RATE_HZ // 100
_LICENCE: Final = "CC-BY-4.0"
_NOTICE: Final = "Kyutai's Pocket TTS, CC BY 4.0. No voice may be cloned without explicit and lawful consent."


class PocketEngine:
    """See services.tts.engine.VoiceEngine. One thread has the model; replies take turns, a clause each."""

    def __init__(self, options: PocketOptions, shared: SharedSettings) -> None:
        self._options = options
        self._folder = shared.models_dir / "pocket-tts" / options.model
        self._personas = shared.personas_dir
        self._voices: Voices | None = None
        self._model: PocketModel | None = None
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)
        # Its queue is first come, first served, and a reply asks for its next clause when it has had the last one.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="pocket")
        self._language = LANGUAGES.get(options.model.partition("_")[0], "")
        self.info = TtsInfo(
            name="pocket",
            version=VERSION,
            sample_rate_hz=RATE_HZ,
            voices=(),
            speed=False,
            phoneme_times=False,
            languages=tuple(filter(None, [self._language])),
            models=(Model(f"Pocket TTS, {options.model}", _LICENCE, _NOTICE),),
        )

    def load(self) -> None:
        """See VoiceEngine. Raises Unusable also when there is no such device, and no voice."""
        _log.warning("licence", model="Pocket TTS", licence=_LICENCE, detail=_NOTICE)
        device = self._options.device
        if device == "cuda" and not torch.cuda.is_available():
            raise Unusable(
                "TTS_POCKET_DEVICE is cuda, and there is no GPU that torch can use; TTS_POCKET_DEVICE=cpu", reason="no_device"
            )
        self._model = PocketModel(self._folder, self._options.model, device)
        if self._options.cloning:
            self._model.require_cloning("set TTS_POCKET_CLONING=false, for the named voices alone")
        personas = recorded(self._personas, self._options.default_persona) if self._options.cloning else []
        self._voices = Voices(self._model, self._folder, personas, self._options.voices_dir)
        self._worker.submit(self._voices.load, self._options.default_persona).result()
        self.info = replace(self.info, voices=self._voices.names)
        if not self.info.voices:
            raise Unusable(
                "there is no voice to speak with: neither recordings in personas/<id>/voice, nor a voice by name in "
                f"{self._folder / NAMED} (languages/{self._options.model}/{NAMED} of {OPEN} on the model hub)",
                reason="no_voice",
            )
        self._worker.submit(self._warm).result()

    def _warm(self) -> None:
        for _ in self._made("Yes.", self.info.voices[0], Event()):
            pass

    def _made(self, text: str, voice: str, stop: Event) -> Iterator[Sound]:
        """The sound of a text; for the thread that has the model."""
        assert self._model is not None and self._voices is not None
        yield from self._model.speak(self._voices.state(voice), text, stop)

    def close(self) -> None:
        """See VoiceEngine."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """See VoiceEngine."""
        if config.speed != 1:
            _log.info("pace_ignored", asked=config.speed)
        text, samples = ReplyText(), 0
        async for piece in pieces(inputs):
            if not (words := text.words(piece)):
                continue
            # Many figures take 20 ms to be put into words.
            clause = await asyncio.to_thread(clause_of, words, self._language)
            async with aclosing(self._speak(clause, config.voice, samples)) as sound:
                async for speech in sound:
                    samples += len(speech.pcm) // 2
                    yield speech
        if text.rest:
            yield Speech(bytes(2 * _MOMENT), (), (Word(text.rest, samples, samples + _MOMENT),))

    async def _speak(self, clause: Clause, voice: str, first_sample: int) -> AsyncGenerator[Speech, None]:
        """One clause."""
        if not clause.sounds:
            yield silent(clause, first_sample)
            return
        placing = Placing(clause, self._paces[voice], first_sample)
        held: Sound = np.zeros(0, np.float32)
        async with aclosing(self._chunks(clause.text, voice)) as chunks:
            async for chunk in chunks:
                sound = np.concatenate([held, chunk])
                held = sound[-_HELD:]
                yield placing.take(sound[:-_HELD])
        if not len(held):
            raise Unavailable("the voice gave no sound for a clause", reason="model_failed")
        yield placing.end(held)

    async def _chunks(self, text: str, voice: str) -> AsyncGenerator[Sound, None]:
        """The sound of a clause as it is made; closing it stops the model, and the next in turn has it.

        A listener who is slow holds nobody up: what waits for them is one clause at most.
        """
        loop = asyncio.get_running_loop()
        ready: asyncio.Queue[Sound | None] = asyncio.Queue()
        stop = Event()

        def work() -> None:
            if not stop.is_set():
                for chunk in self._made(text, voice, stop):
                    loop.call_soon_threadsafe(ready.put_nowait, chunk)

        working = loop.run_in_executor(self._worker, work)
        working.add_done_callback(lambda _: ready.put_nowait(None))
        try:
            while (chunk := await ready.get()) is not None:
                yield chunk
            await working
        finally:
            stop.set()

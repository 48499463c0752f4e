"""XTTS v2 behind the contract of `services.tts.engine`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import pairwise
from typing import Final, TypeVar

import torch

from services.common.audio import to_pcm
from services.common.engine import Model
from services.common.logs import get_logger
from services.common.settings import SharedSettings
from services.tts.clauses import pieces
from services.tts.engine import Flush, Speech, Text, TtsInfo, VoiceConfig, Word
from services.tts.engines.reply import Audio, faded_in, faded_out
from services.tts.engines.timing import RATE_HZ
from services.tts.engines.xtts.clause import Clause, clause_of
from services.tts.engines.xtts.network import Chunk, Latents, Network
from services.tts.engines.xtts.placing import Pace, Placing
from services.tts.engines.xtts.voices import learn, places
from services.tts.recordings import recorded
from services.tts.settings import XttsOptions
from services.tts.spoken import ReplyText
from vivant.errors import Unusable, VivantError

_log = get_logger(__name__)

#: Stands for a clause of which the voice can say nothing: a word in another script.
_PAUSE: Final = RATE_HZ * 3 // 10
#: Carries symbols at the end of a reply: one unit of the picture.
_MOMENT: Final = RATE_HZ // 25
#: The model goes on talking at times when its text is over: a call is cut when it is so many times as long as it should be ...
_MOST_TIMES: Final = 3
#: ... and this besides, since a short one may have silence around it.
_MOST_MORE: Final = 2 * RATE_HZ
_LICENCE: Final = "Coqui Public Model License 1.0.0"
_NOTICE: Final = "No commercial use, neither of the model nor of what it says."

T = TypeVar("T")


@dataclass(frozen=True)
class _Voice:
    latents: Latents
    pace: Pace = field(default_factory=Pace)


class XttsEngine:
    """See `services.tts.engine.VoiceEngine`.

    One thread has the model. Each reply asks it for one chunk, and for the next when that has been taken: the requests of
    several replies queue up, and so these take turns chunk by chunk.
    """

    def __init__(self, options: XttsOptions, shared: SharedSettings) -> None:
        self._options, self._shared = options, shared
        self._network: Network | None = None
        self._voices: dict[str, _Voice] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="xtts")
        self.info = TtsInfo(
            name="xtts",
            version=version("coqui-tts"),
            sample_rate_hz=RATE_HZ,
            voices=(options.default_persona,),
            phoneme_times=False,
            models=(Model("XTTS v2", _LICENCE, _NOTICE),),
        )

    def load(self) -> None:
        """See VoiceEngine. Raises Unusable, also when there is no such device, no recordings of a voice or no consent."""
        _log.warning("licence", model="XTTS v2", licence=_LICENCE, detail=_NOTICE)
        self._thread.submit(self._load).result()

    def _load(self) -> None:
        options = self._options
        if options.device.startswith("cuda") and not torch.cuda.is_available():
            raise Unusable(
                f"{options.variable('device')} is {options.device}, and there is no GPU that torch can use; "
                f"{options.variable('device')}=cpu is slow",
                reason="no_device",
            )
        network = Network(self._shared.models_dir / options.model, options.device, options.chunk_tokens)
        if _spoken(options.language, network.languages) is None:
            raise Unusable(
                f"{options.variable('language')}={options.language!r} is not spoken by XTTS here; "
                f"it has: {', '.join(network.languages)}",
                reason="unknown_language",
            )
        self._voices = self._learn(network)
        first = next(iter(self._voices))
        # The first run of a network is slower than the others.
        list(network.say("Good morning.", options.language, self._voices[first].latents, 1.0, 0))
        self.info = replace(self.info, voices=tuple(self._voices), languages=network.languages)
        self._network = network

    def _learn(self, network: Network) -> dict[str, _Voice]:
        """The voices by persona, the default first. What is wrong with one of the others keeps nobody else from speaking."""
        folder, default = self._shared.personas_dir, self._options.default_persona
        voices = {}
        for persona in dict.fromkeys((default, *recorded(folder))):
            try:
                latents = learn(network, folder / persona, places(folder, persona, self._options.latents_dir))
            except VivantError as exc:
                if persona == default:
                    raise
                _log.warning("voice_refused", persona=persona, reason=exc.reason, detail=exc.message)
            else:
                voices[persona] = _Voice(latents)
        return voices

    async def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """See VoiceEngine."""
        network = self._network
        assert network is not None
        language = _spoken(config.language or self._options.language, network.languages) or self._options.language
        text, samples, calls = ReplyText(), 0, 0
        async for piece in pieces(inputs):
            if not (words := text.words(piece)):
                continue
            # Reading figures can take 20 ms; the model may be busy with a chunk of another reply meanwhile.
            clause = await asyncio.to_thread(clause_of, words, language, network)
            scripts = clause.unspoken_scripts
            if not clause.calls:
                yield _silent(clause, samples)
                samples += _PAUSE
            for call in clause.calls:
                placing = Placing(clause.words, call, self._voices[config.voice].pace, config.speed, samples)
                sound = network.say(call.text, language, self._voices[config.voice].latents, config.speed, calls)
                calls += 1
                async with aclosing(self._chunks(sound, placing.expected_samples)) as chunks:
                    async for chunk in chunks:
                        told = placing.place(chunk.audio, is_last=chunk.is_last)
                        samples += len(chunk.audio)
                        yield Speech(to_pcm(chunk.audio), (), told, scripts if told else ())
                        scripts = () if told else scripts
        if text.rest:
            yield Speech(bytes(2 * _MOMENT), (), (Word(text.rest, samples, samples + _MOMENT),))

    async def _chunks(self, sound: Generator[Chunk, None, None], expected_samples: float) -> AsyncGenerator[Chunk, None]:
        """The sound of one call, with soft ends. Closed, the model is free as soon as the chunk in hand is made."""
        samples = 0
        try:
            while True:
                chunk = await self._work(lambda: next(sound))
                audio: Audio = chunk.audio if samples else faded_in(chunk.audio)
                samples += len(audio)
                too_long = samples > _MOST_TIMES * expected_samples + _MOST_MORE
                if chunk.is_last or too_long:
                    if not chunk.is_last:
                        _log.warning("speech_cut", detail="it went on for longer than its text can be", samples=samples)
                    yield Chunk(faded_out(audio), True)
                    return
                yield Chunk(audio, False)
        finally:
            # When the engine was closed there is no thread any more, and nothing to free.
            with suppress(RuntimeError):
                self._thread.submit(sound.close)

    def close(self) -> None:
        """See VoiceEngine."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self, make: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, make)


def _spoken(language: str, offered: tuple[str, ...]) -> str | None:
    """How the model calls a language, whatever its region; None when it does not speak it."""
    tongue = language.partition("-")[0].lower()
    return next((tag for tag in offered if tag.partition("-")[0].lower() == tongue), None)


def _silent(clause: Clause, first_sample: int) -> Speech:
    """A pause for words that cannot be said."""
    edges = [first_sample + _PAUSE * at // len(clause.words) for at in range(len(clause.words) + 1)]
    words = [Word(word.text, *span) for word, span in zip(clause.words, pairwise(edges), strict=True)]
    return Speech(bytes(2 * _PAUSE), (), words, clause.unspoken_scripts)

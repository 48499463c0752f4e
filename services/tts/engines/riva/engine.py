"""A Riva server as a voice: what it has, and one call for each clause."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from importlib.metadata import version
from typing import Any, Final

from riva.client.proto import riva_audio_pb2, riva_tts_pb2, riva_tts_pb2_grpc

from services.common.engine import Model
from services.common.logs import get_logger
from services.common.nvidia.calls import answers
from services.common.nvidia.connection import Connection
from services.common.riva.catalogue import Offer, entries, nearest
from services.common.settings import SharedSettings
from services.tts.clauses import pieces
from services.tts.engine import Flush, Speech, Text, TtsInfo, VoiceConfig, Word
from services.tts.engines.riva.clause import Clause, clause_of
from services.tts.engines.riva.performance import RATE_HZ, Performance
from services.tts.settings import RivaOptions
from services.tts.spoken import ReplyText
from vivant.errors import InvalidRequest, Unavailable, Unusable

_log = get_logger(__name__)

#: Stands for a clause of which the voice can say nothing: a word in another script.
_PAUSE: Final = RATE_HZ * 3 // 10
#: Carries symbols at the end of a reply: one unit of the picture.
_MOMENT: Final = RATE_HZ // 25


class RivaEngine:
    """See `services.tts.engine.VoiceEngine` and `services.common.engine.Remote`."""

    def __init__(self, options: RivaOptions, shared: SharedSettings) -> None:
        self._options = options
        self._connection = Connection(options, asked=("language", "voice"))
        self._stub: Any = None
        self._models: tuple[str, ...] = ()
        self._offer = Offer({options.voice: (options.language,)} if options.voice else {}, options.language)

    @property
    def info(self) -> TtsInfo:
        name = ", ".join(self._models) or "the server's own choice"
        default = self._options.voice or next(iter(self._offer.names(self._options.language)), "")
        return TtsInfo(
            name="riva",
            version=version("nvidia-riva-client"),
            sample_rate_hz=RATE_HZ,
            voices=tuple(dict.fromkeys((default, *self._offer.models) if default else ())),
            speed=self._options.prosody,
            phoneme_times=False,
            languages=self._offer.languages,
            models=(Model(name, self._options.licence, self._connection.notice),),
        )

    def load(self) -> None:
        self._connection.check()

    async def connect(self) -> None:
        stub = riva_tts_pb2_grpc.RivaSpeechSynthesisStub(self._connection.channel)
        found = await self._connection.listed(stub.GetRivaSynthesisConfig, riva_tts_pb2.RivaSynthesisConfigRequest())
        voices: dict[str, tuple[str, ...]] = {}
        for _, languages, more in entries(found):
            for name in _voices(more):
                voices[name] = (*voices.get(name, ()), *languages)
        if voices:
            self._offer = Offer(voices, self._options.language)
            self._models = tuple(dict.fromkeys(name for name, _, _ in entries(found) if name))
        self._check()
        self._stub = stub

    def _check(self) -> None:
        """Whether the server has what the settings ask for."""
        offer, options = self._offer, self._options
        if options.voice and options.voice not in offer.models:
            raise Unusable(
                f"{options.variable('voice')}={options.voice!r} is no voice of the Riva server; "
                f"it has: {', '.join(offer.models)}",
                reason="unknown_model",
            )
        if not offer.models:
            raise Unusable(f"the Riva server lists no voices; set {options.variable('voice')}", reason="unknown_model")
        if not options.voice and not offer.names(options.language):
            raise Unusable(
                f"{options.variable('language')}={options.language!r} is not spoken by the Riva server; "
                f"it has: {', '.join(offer.languages)}",
                reason="unknown_language",
            )

    async def disconnect(self) -> None:
        await self._connection.close()

    def problems(self) -> Sequence[str]:
        return self._connection.problems()

    async def synthesize(self, config: VoiceConfig, inputs: AsyncIterator[Text | Flush]) -> AsyncGenerator[Speech, None]:
        """See VoiceEngine."""
        language, speed = self._language(config), config.speed if self._options.prosody else 1.0
        if speed != config.speed:
            _log.info("pace_ignored", asked=config.speed, detail=f"see {self._options.variable('prosody')}")
        text, samples = ReplyText(), 0
        async for piece in pieces(inputs):
            if not (words := text.words(piece)):
                continue
            async with aclosing(self._speak(clause_of(words, language), config.voice, language, speed, samples)) as sound:
                async for speech in sound:
                    samples += len(speech.pcm) // 2
                    yield speech
        if text.rest:
            yield Speech(bytes(2 * _MOMENT), (), (Word(text.rest, samples, samples + _MOMENT),))

    async def _speak(
        self, clause: Clause, voice: str, language: str, speed: float, first_sample: int
    ) -> AsyncGenerator[Speech, None]:
        """One call for one clause."""
        if not clause.sounds:
            yield _silent(clause, first_sample)
            return
        request = riva_tts_pb2.SynthesizeSpeechRequest(
            text=clause.request(speed),
            language_code=language,
            encoding=riva_audio_pb2.LINEAR_PCM,
            sample_rate_hz=RATE_HZ,
            voice_name=voice,
            enable_word_time_offsets=True,
        )
        performance = Performance(clause, first_sample)
        # The protocol takes several; servers of the older one take just one, and so a clause can be cancelled by itself.
        call = self._stub.SynthesizeOnline((request,), metadata=self._connection.metadata)
        try:
            async with aclosing(answers(self._connection, call)) as found:
                async for answer in found:
                    for speech in performance.take(answer):
                        yield speech
            for speech in performance.end():
                yield speech
        except ValueError as exc:
            raise self._connection.failed(Unavailable, str(exc), (), "model_failed") from exc

    def _language(self, config: VoiceConfig) -> str:
        """How the server calls the language of a reply; raises InvalidRequest when the voice does not have it."""
        have = self._offer.models[config.voice]
        if config.language:
            if found := nearest(config.language, have, self._options.language):
                return found
            raise InvalidRequest(
                f"the voice {config.voice!r} does not speak {config.language!r}; it has: {', '.join(have)}",
                reason="unsupported_language",
            )
        return nearest(self._options.language, have, self._options.language) or next(iter(have), self._options.language)

    def close(self) -> None:
        """Nothing to end: `disconnect` closes the connection."""


def _voices(parameters: Mapping[str, str]) -> list[str]:
    """The voices of one model, as they are asked for: "English-US.Female-1"."""
    name = parameters.get("voice_name", "")
    parts = [part.partition(":")[0].strip() for part in parameters.get("subvoices", "").split(",") if part.strip()]
    return [f"{name}.{part}" if name else part for part in parts] or ([name] if name else [])


def _silent(clause: Clause, first_sample: int) -> Speech:
    """A pause for words that the voice has no letters for."""
    spans = clause.timed((), first_sample, first_sample + _PAUSE)
    words = [Word(word.text, round(start), round(end)) for word, (start, end) in zip(clause.words, spans, strict=True)]
    return Speech(bytes(2 * _PAUSE), (), words, clause.unspoken_scripts)

"""A Riva server as a recogniser: what it has, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Final

from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc, riva_audio_pb2

from services.asr.engine import AsrInfo, StreamConfig
from services.asr.engines.riva.session import RIVA_HZ, RivaSession
from services.asr.settings import RivaOptions
from services.common.engine import Model
from services.common.nvidia.calls import Duplex
from services.common.nvidia.connection import Connection
from services.common.riva.catalogue import Offer, entries, tags
from services.common.settings import SharedSettings
from vivant.errors import Unavailable, Unusable

_RATES: Final = (16_000, 8_000, 24_000, 48_000)


class RivaEngine:
    """See `services.asr.engine.Engine` and `services.common.engine.Remote`."""

    def __init__(self, options: RivaOptions, shared: SharedSettings) -> None:
        self._options = options
        self._connection = Connection(options, asked=("language", "model"))
        self._stub: Any = None
        self._offer = Offer({}, options.language)

    @property
    def info(self) -> AsrInfo:
        names = [self._options.model] if self._options.model else self._offer.names(self._options.language)
        model = Model(", ".join(names) or "the server's own choice", self._options.licence, self._connection.notice)
        return AsrInfo(
            name="riva",
            version=version("nvidia-riva-client"),
            sample_rates_hz=_RATES,
            languages=tags(self._offer.languages),
            word_confidence=True,
            models=(model,),
        )

    def load(self) -> None:
        self._connection.check()

    async def connect(self) -> None:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(self._connection.channel)
        found = await self._connection.listed(
            stub.GetRivaSpeechRecognitionConfig, riva_asr_pb2.RivaSpeechRecognitionConfigRequest()
        )
        self._offer = Offer(
            {name: languages for name, languages, more in entries(found) if more.get("type") != "offline"},
            self._options.language,
        )
        self._check()
        self._stub = stub

    def _check(self) -> None:
        """Whether the server has what the settings ask for, as far as it says what it has."""
        offer, options = self._offer, self._options
        if options.model and offer.models and options.model not in offer.models:
            raise Unusable(
                f"{options.variable('model')}={options.model!r} is no streaming model of the Riva server; "
                f"it has: {', '.join(sorted(offer.models))}",
                reason="unknown_model",
            )
        if offer.models and not offer.tag(options.language):
            raise Unusable(
                f"{options.variable('language')}={options.language!r} is not recognised by the Riva server; "
                f"it has: {', '.join(offer.languages)}",
                reason="unknown_language",
            )

    async def disconnect(self) -> None:
        await self._connection.close()

    def problems(self) -> Sequence[str]:
        return self._connection.problems()

    def open(self, config: StreamConfig) -> RivaSession:
        if self._stub is None:
            raise Unavailable("the Riva server has not answered yet; try again in a few seconds", reason="loading")
        method = self._stub.StreamingRecognize

        def stream(on_answer: Callable[[Any], None]) -> Duplex:
            return Duplex(self._connection, method, on_answer)

        return RivaSession(config, stream, self._configure(config), _audio)

    def _configure(self, config: StreamConfig) -> Any:
        options = self._options
        recognition = riva_asr_pb2.RecognitionConfig(
            encoding=riva_audio_pb2.LINEAR_PCM,
            sample_rate_hertz=RIVA_HZ,
            audio_channel_count=1,
            language_code=self._offer.tag(config.language) or config.language,
            model=options.model,
            max_alternatives=1,
            enable_word_time_offsets=True,
            enable_automatic_punctuation=options.punctuation,
        )
        if options.boosted_words:
            recognition.speech_contexts.add(phrases=options.boosted_words, boost=options.boost)
        return riva_asr_pb2.StreamingRecognizeRequest(
            streaming_config=riva_asr_pb2.StreamingRecognitionConfig(config=recognition, interim_results=config.partials)
        )

    def close(self) -> None:
        """Nothing to end: `disconnect` closes the connection."""


def _audio(pcm: bytes) -> Any:
    return riva_asr_pb2.StreamingRecognizeRequest(audio_content=pcm)

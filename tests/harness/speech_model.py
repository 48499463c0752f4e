"""A speech service at an address of its own: it can be stopped and started again, and what it is told is noted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import grpc

from services.speech.engine import SpeechEngine
from services.speech.server import SpeechServicer
from tests.harness.grpc_server import admission_of
from vivant.channel import SERVER_OPTIONS
from vivant.speech.v1 import speech_pb2, speech_pb2_grpc


@dataclass
class SpeechModel:
    """`told` is all that was sent to it, by kind, of each stream."""

    engine: SpeechEngine
    address: str = ""
    told: list[list[tuple[str, Any]]] = field(default_factory=list)
    _server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Serves, at the same address as before."""
        admission, metrics = admission_of("speech", self.engine.info.name, 4)
        servicer = _Noted(self, self.engine, admission, metrics)
        self._server = server = grpc.aio.server(options=SERVER_OPTIONS)
        speech_pb2_grpc.add_SpeechServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port(self.address or "127.0.0.1:0")
        await server.start()
        self.address = self.address or f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """It is gone, and its streams with it."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    def sent(self, kind: str) -> list[Any]:
        """What was sent to its newest stream."""
        return [message for sent, message in self.told[-1] if sent == kind]

    def sent_config(self, stream: int) -> speech_pb2.ConverseConfig:
        """What a stream was opened with, by its number from 0."""
        config: speech_pb2.ConverseConfig = self.told[stream][0][1]
        return config


class _Noted(SpeechServicer):
    """Notes what each stream is told."""

    def __init__(self, model: SpeechModel, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._model = model

    async def Converse(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802 - as in the contract
        told = list[tuple[str, Any]]()
        self._model.told.append(told)
        read = context.read

        async def noted() -> Any:
            request = await read()
            if request is not grpc.aio.EOF:
                kind = request.WhichOneof("request")
                told.append((kind, getattr(request, kind)))
            return request

        await super().Converse(request_iterator, _Context(context, noted))


class _Context:
    """A call's context that reads in another way."""

    def __init__(self, context: Any, read: Any) -> None:
        self._context = context
        self.read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

"""Asks services for themselves, one by one: what is left to know when the orchestrator does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import grpc

from vivant import _wire
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.channel import open_channel
from vivant.client import wait_for
from vivant.errors import VivantError
from vivant.face.v1 import face_pb2, face_pb2_grpc
from vivant.info import Component
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.status import translate
from vivant.tts.v1 import tts_pb2, tts_pb2_grpc
from vivant.turn.v1 import turn_pb2, turn_pb2_grpc

DEFAULT_ADDRESSES: Final = {
    "asr": "localhost:50051",
    "turn": "localhost:50052",
    "llm": "localhost:50053",
    "tts": "localhost:50054",
    "face": "localhost:50055",
}
TIMEOUT_S: Final = 2.0

_DOORS: Final[dict[str, tuple[Any, Any]]] = {
    "asr": (asr_pb2_grpc.AsrServiceStub, asr_pb2.GetInfoRequest),
    "turn": (turn_pb2_grpc.TurnServiceStub, turn_pb2.GetInfoRequest),
    "llm": (llm_pb2_grpc.LlmServiceStub, llm_pb2.GetInfoRequest),
    "tts": (tts_pb2_grpc.TtsServiceStub, tts_pb2.GetInfoRequest),
    "face": (face_pb2_grpc.FaceServiceStub, face_pb2.GetInfoRequest),
}


async def ask_services(addresses: Mapping[str, str]) -> list[Component]:
    """What each service at its address says of itself; one that does not answer is not ready, with the reason."""
    return await asyncio.gather(*(_ask(service, address) for service, address in addresses.items()))


async def _ask(service: str, address: str) -> Component:
    make_stub, request = _DOORS[service]
    try:
        async with open_channel(address, proxy=True) as channel:
            await wait_for(channel, address, TIMEOUT_S)
            try:
                response = await make_stub(channel).GetInfo(request(), timeout=TIMEOUT_S)
            except grpc.aio.AioRpcError as exc:
                raise translate(exc, address) from exc
    except VivantError as exc:
        return Component(service, address, ready=False, reason=exc.message, info=None)
    info = _wire.service_info(response.info, getattr(response, "voices", ()))
    return Component(service, address, ready=info.ready, reason=None if info.ready else "loading", info=info)

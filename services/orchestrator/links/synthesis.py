"""The call for the voice of one reply: clauses go in as they are known, sound comes out, and a silent service is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc

from vivant.errors import Internal, Timeout, from_rpc_error
from vivant.status import FinalStatus
from vivant.tts.v1 import tts_pb2


async def speak(
    stub: Any, config: tts_pb2.SynthesizeConfig, texts: AsyncGenerator[str, None], timeout_s: float
) -> AsyncGenerator[tts_pb2.Audio, None]:
    """The voice of one reply, as its clauses come; raises VivantError. The service may be silent for `timeout_s` at most
    while it owes an answer."""
    call = stub.Synthesize()
    status = FinalStatus(call)
    owing = _Owing()
    writer = asyncio.create_task(_write_clauses(call, config, texts, owing), name="tts-write")
    reading: asyncio.Task[Any] | None = None
    try:
        while True:
            reading = asyncio.create_task(call.read(), name="tts-read")
            while not reading.done():
                waiting = {reading} if writer.done() else {reading, writer}
                done, _ = await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if not done and owing.answer:
                    raise Timeout(f"tts did not answer within {timeout_s:.0f} s", reason="tts_timeout")
                if writer.done() and not reading.done():
                    _raise_fault(writer)
            message = reading.result()
            if message is grpc.aio.EOF:
                break
            owing.answer = owing.end
            if message.WhichOneof("response") == "audio":
                yield message.audio
        if await call.code() is not grpc.StatusCode.OK:
            raise Internal(f"tts: {await call.details()}")
    except grpc.aio.AioRpcError as exc:
        raise from_rpc_error(await status.after(exc), "tts") from exc
    finally:
        left = [task for task in (writer, reading) if task]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        call.cancel()


def _raise_fault(writer: asyncio.Task[None]) -> None:
    """What the writer died of: nothing more would be owed, and nothing would come."""
    fault = writer.exception()
    if isinstance(fault, grpc.aio.AioRpcError):
        raise fault
    # That the call has ended already, the reader finds out, with the reason.
    if fault is not None and not isinstance(fault, asyncio.InvalidStateError):
        raise Internal(f"tts: the text could not be sent ({type(fault).__name__})") from fault


@dataclass
class _Owing:
    """What the voice owes: an answer to the text so far, and its end once the text is complete."""

    answer: bool = False
    end: bool = False


async def _write_clauses(call: Any, config: tts_pb2.SynthesizeConfig, texts: AsyncGenerator[str, None], owing: _Owing) -> None:
    await call.write(tts_pb2.SynthesizeRequest(config=config))
    async with aclosing(texts) as clauses:
        async for text in clauses:
            await call.write(tts_pb2.SynthesizeRequest(text=tts_pb2.Text(text=text)))
            owing.answer = True
    await call.write(tts_pb2.SynthesizeRequest(finish=tts_pb2.Finish()))
    await call.done_writing()
    owing.answer = owing.end = True

"""Clients of `/v1/realtime`: the official `openai` package and a bare WebSocket, both strict about the shape of every event."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, get_args

import aiohttp
import numpy as np
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from tests.harness.gateway_door import Door
from tests.harness.waiting import PATIENCE_S

RATE_HZ: Final = 24_000
#: What the scripted engines answer, and what they hear.
REPLY: Final = "It is nice here by the old harbour."
HEARD: Final = "hello there"


def models_of(events: Any) -> dict[str, type[BaseModel]]:
    """The models of a union of the official package, by the type of the event."""
    return {kind: model for model in get_args(get_args(events)[0]) for kind in get_args(model.model_fields["type"].annotation)}


GA_EVENTS: Final = models_of(RealtimeServerEvent)
BETA_EVENTS: Final = models_of(BetaServerEvent)


class Client:
    """The official client, and what it was told so far."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, kind: str, count: int = 1) -> Any:
        """Reads up to the next event (or the one after some more) of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while count:
                count -= (await self._next()).type == kind
        return self.events[-1]

    async def error(self) -> tuple[str | None, str]:
        """Reads up to the next error: its code and its message."""
        error = (await self.until("error")).error
        assert error.message.endswith(".")
        return error.code, error.message

    async def silent(self, seconds: float) -> list[str]:
        """Reads for a while, and returns the kinds of all that came."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._next()
        except TimeoutError:
            return self.kinds()

    async def _next(self) -> Any:
        """The next event, which is just as the official package describes it."""
        data = await self.connection.recv_bytes()
        GA_EVENTS[json.loads(data)["type"]].model_validate_json(data, strict=True)
        self.events.append(self.connection.parse_event(data))
        return self.events[-1]

    def kinds(self) -> list[str]:
        """What came, in order, repetitions left out."""
        kinds = [event.type for event in self.events]
        return [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]

    def of(self, kind: str) -> list[Any]:
        """What came of a kind."""
        return [event for event in self.events if event.type == kind]

    async def say(self, text: str, **item: Any) -> None:
        """Text of the user, without asking for an answer."""
        content: Any = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(item={"type": "message", "role": "user", "content": content, **item})

    async def play(self, *sounds: bytes) -> None:
        """Sound, all at once."""
        for sound in sounds:
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())


@asynccontextmanager
async def client(door: Door, model: str = "june", **options: Any) -> AsyncIterator[Client]:
    """A session of the official client that has begun."""
    url = door.url.replace("http", "ws") + "/v1"
    async with AsyncOpenAI(api_key="none", websocket_base_url=url) as api:
        async with api.realtime.connect(model=model, **options) as connection:
            each = Client(connection)
            await each.until("session.created")
            yield each


@asynccontextmanager
async def open_socket(door: Door, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket on which a test says what it likes."""
    async with door.http.ws_connect(f"{door.url}/v1/realtime?model=gpt-4o-realtime-preview", **options) as socket:
        yield socket


async def read_until(socket: aiohttp.ClientWebSocketResponse, kind: str, *, beta: bool = False) -> list[dict[str, Any]]:
    """Reads up to the first event of a kind; all are just as the official package describes them."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_S):
        while not events or events[-1]["type"] != kind:
            data = await socket.receive_str()
            events.append(json.loads(data))
            # The beta package lists OpenAI's own models, and a persona is none.
            as_listed = data.replace('"vivant/june"', '"gpt-realtime"')
            (BETA_EVENTS if beta else GA_EVENTS)[events[-1]["type"]].model_validate_json(as_listed, strict=True)
    return events


def tone(seconds: float) -> bytes:
    """What the scripted recogniser takes for speech; 16-bit mono at `RATE_HZ`."""
    return (np.sin(np.arange(int(seconds * RATE_HZ)) * 0.1) * 8000).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    """Sound in which nobody speaks; 16-bit mono at `RATE_HZ`."""
    return bytes(int(seconds * RATE_HZ) * 2)


def manual() -> Any:
    """The session of a client that says itself when a turn is over."""
    return {"type": "realtime", "audio": {"input": {"turn_detection": None}}}

"""A chat server for tests that answers as it is told to, byte by byte: in good order, in bad order, or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.harness.waiting import until

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Reply:
    """One HTTP answer: its pieces are sent one by one."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    drop: bool = False
    """The connection is cut behind the last piece."""
    delay_s: float = 0.0
    """Before the answer."""
    held: bool = False
    """Behind the last piece nothing comes, for as long as the client stays."""


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def words(text: str, **choice: Any) -> list[bytes]:
    """A text word by word, as a good server sends it, without the end."""
    pieces = [word + " " for word in text.split(" ")]
    pieces[-1] = pieces[-1].rstrip()
    return [event({"choices": [{"index": 0, "delta": {"content": piece}, **choice}]}) for piece in pieces]


def saying(text: str, finish: str = "stop") -> Reply:
    """A good reply."""
    return Reply([*words(text), event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}), DONE])


def refusing(status: int, message: Any, **headers: str) -> Reply:
    """An error; of its headers `Retry_After` is "Retry-After"."""
    refused = json_reply({"error": message}, status)
    return replace(refused, headers=refused.headers | {name.replace("_", "-"): value for name, value in headers.items()})


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply([json.dumps(value).encode()], status, {"Content-Type": "application/json"})


class ChatServer:
    """Answers each request with what `chat` makes of it; `asked` has all of them."""

    def __init__(self, chat: Callable[[dict[str, Any]], Reply]) -> None:
        self.chat = chat
        self.models = json_reply({"data": [{"id": "any"}]})
        self.asked: list[dict[str, Any]] = []
        self.listings = 0
        """How often its models were asked for."""
        self.held = 0
        """Clients that stay while nothing comes."""
        self.address = ""

    async def answer_chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        return await self._send(request, self.chat(body))

    async def answer_models(self, request: web.Request) -> web.StreamResponse:
        self.listings += 1
        return await self._send(request, self.models)

    async def _send(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        await asyncio.sleep(reply.delay_s)
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        await response.prepare(request)
        for piece in reply.pieces:
            await response.write(piece)
        if reply.held:
            self.held += 1
            try:
                await until(lambda: request.transport is None or request.transport.is_closing())
            finally:
                self.held -= 1
        elif reply.drop:
            assert request.transport
            request.transport.abort()
        else:
            await response.write_eof()
        return response


@asynccontextmanager
async def chatting(chat: Callable[[dict[str, Any]], Reply] | Reply, port: int | None = None) -> AsyncIterator[ChatServer]:
    """A running server."""
    server = ChatServer(chat if callable(chat) else lambda _: chat)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer_chat)
    app.router.add_get("/v1/models", server.answer_models)
    async with TestServer(app, port=port) as running:
        server.address = str(running.make_url("/v1"))
        yield server

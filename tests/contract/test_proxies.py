"""A proxy in the environment: never between our own processes or to this machine, and the way to what is far."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from environment import WrongSetting
from models import endpoints
from services.common import probe
from services.common.settings import SharedSettings
from services.llm.engine import Message, Prompt
from services.llm.engines.openai import OpenaiEngine
from services.llm.settings import OpenaiOptions
from tests.harness.waiting import PATIENCE_S
from vivant.channel import open_channel
from vivant.errors import VivantError

NAMES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
FAR = "vivant.example.org"


class Proxy:
    """Notes the first line of everything that comes, and closes."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.something = asyncio.Event()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readline()).decode().strip())
        self.something.set()
        writer.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """A proxy that leads nowhere, in all variables that name one."""
    made = Proxy()
    server = await asyncio.start_server(made.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name in NAMES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with server:
        yield made


@pytest.fixture
def serving() -> Iterator[int]:
    """The port of a gRPC server that says it serves."""
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(0).wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("through", [False, True])
async def test_channels_to_this_machine_pass_by_it(proxy: Proxy, serving: int, host: str, through: bool) -> None:
    async with open_channel(f"{host}:{serving}", proxy=through) as channel:
        reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    assert proxy.asked == []


async def test_a_client_reaches_what_is_far_through_it(proxy: Proxy) -> None:
    async with open_channel(f"{FAR}:50050", proxy=True) as channel:
        channel.get_state(try_to_connect=True)
        await asyncio.wait_for(proxy.something.wait(), PATIENCE_S)
    assert proxy.asked[0].startswith(f"CONNECT {FAR}:50050 ")


async def test_a_client_heeds_no_proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.org")
    async with open_channel(f"{FAR}:50050", proxy=True) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    assert proxy.asked == []


async def test_the_probe_of_a_container_passes_by_it(proxy: Proxy, serving: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    assert await asyncio.to_thread(probe.main, [str(serving)]) == 0
    with HTTPServer(("127.0.0.1", 0), Handler) as server, ThreadPoolExecutor(1) as threads:
        threads.submit(server.handle_request)
        assert await asyncio.to_thread(probe.main, [f"http://127.0.0.1:{server.server_port}/readyz"]) == 0
    assert proxy.asked == []


async def test_the_fetcher_takes_it_for_the_network_and_not_for_this_machine(proxy: Proxy) -> None:
    async def index(_: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    app.add_routes([web.get("/", index)])
    async with TestServer(app) as server:
        with await asyncio.to_thread(endpoints.open_client) as client:
            assert (await asyncio.to_thread(client.get, str(server.make_url("/")))).text == "here"
            assert proxy.asked == []
            with pytest.raises(httpx.TransportError):
                await asyncio.to_thread(client.get, f"https://{FAR}/")
    assert proxy.asked[0].startswith(f"CONNECT {FAR}:443 ")


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1080", "ftp://127.0.0.1:1", "127.0.0.1:notaport"])
def test_a_proxy_that_the_fetcher_cannot_use_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("ALL_PROXY", address)
    with pytest.raises(WrongSetting, match=f"^ALL_PROXY='{address}' cannot be used: "):
        endpoints.open_client()


async def test_a_language_model_on_this_machine_is_asked_without_it(proxy: Proxy) -> None:
    async def chat(_: web.Request) -> web.Response:
        chunk = {"choices": [{"delta": {"content": "Hello."}, "finish_reason": "stop"}]}
        return web.Response(text=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", content_type="text/event-stream")

    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", chat)])
    prompt = Prompt((Message("user", "Hi"),))
    async with TestServer(app) as server:
        engine = OpenaiEngine(OpenaiOptions(base_url=str(server.make_url("/v1")), model="any"), SharedSettings())
        said = [item async for item in engine.generate(prompt, 8, 0)]
        await engine.close()
    assert "Hello." in said
    assert proxy.asked == []
    far = OpenaiEngine(OpenaiOptions(base_url=f"http://{FAR}/v1", model="any"), SharedSettings())
    with pytest.raises(VivantError):
        _ = [item async for item in far.generate(prompt, 8, 0)]
    await far.close()
    assert proxy.asked
    assert all(f" http://{FAR}/v1/" in line for line in proxy.asked)

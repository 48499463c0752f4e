"""Running a service: gRPC with health and reflection, the HTTP side door, readiness, and a clean stop on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import grpc
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as grpc_health_aio
from grpc_reflection.v1alpha import reflection
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from environment import WrongSetting
from services.common import logs
from services.common.engine import Remote
from services.common.metrics import Metrics
from services.common.settings import EngineSettings, ServiceSettings, SharedSettings
from services.common.streams import Admission
from vivant import addresses
from vivant.channel import SERVER_OPTIONS
from vivant.errors import Unusable, VivantError

_log = logs.get_logger(__name__)

Servicer = TypeVar("Servicer")

#: Streams and requests have this long to end after SIGTERM.
GRACE_S: Final = 2.0


@dataclass
class Service:
    """What a service's `__main__` hands to `run`."""

    name: str
    """As in the contract: "asr", "turn", "llm", "tts", "face", "speech", "session"."""
    full_name: str
    """The gRPC service name, for health and reflection."""
    settings: ServiceSettings
    metrics: Metrics
    admission: Admission
    add_to: Callable[[grpc.aio.Server], None]
    """Registers the servicer."""
    warm: Callable[[], Coroutine[Any, Any, None]]
    """Loads and warms the engine; until it returns the service answers UNAVAILABLE and /readyz 503."""
    close: Callable[[], Awaitable[None]] | None = None
    problems: Callable[[], Sequence[str]] = tuple
    """Sentences that say why a warm service is not ready after all."""
    activities: Callable[[], Sequence[str]] = tuple
    """What it does in the background, for people; shown by /readyz."""


class Loadable(Protocol):
    """An engine, as far as serving knows it."""

    def load(self) -> None:
        """Blocks until it is loaded and warm."""


def engine_service(
    *,
    name: str,
    full_name: str,
    settings: EngineSettings,
    engine: Loadable,
    servicer: Callable[[Admission, Metrics], Servicer],
    add: Callable[[Servicer, grpc.aio.Server], None],
    warm: Callable[[], Coroutine[Any, Any, None]] | None = None,
    close: Callable[[], Awaitable[None]] | None = None,
    problems: Callable[[], Sequence[str]] = tuple,
    activities: Callable[[], Sequence[str]] = tuple,
) -> Service:
    """A service around one engine: `servicer` makes what serves it, `add` registers that; the rest is as in `Service`.

    To warm it is to load the engine, and to connect one that is `Remote`, unless there is more to do.
    """
    if isinstance(engine, Remote) and warm is None:
        warm, close, problems = _connected(engine, engine), _disconnected(engine, close), engine.problems
    metrics = Metrics(name, settings.engine)
    admission = Admission(name, settings.capacity, metrics)
    made = servicer(admission, metrics)
    return Service(
        name=name,
        full_name=full_name,
        settings=settings,
        metrics=metrics,
        admission=admission,
        add_to=lambda server: add(made, server),
        warm=warm or (lambda: asyncio.to_thread(engine.load)),
        close=close,
        problems=problems,
        activities=activities,
    )


def _connected(engine: Loadable, remote: Remote) -> Callable[[], Coroutine[Any, Any, None]]:
    async def warm() -> None:
        await asyncio.to_thread(engine.load)
        await remote.connect()

    return warm


def _disconnected(remote: Remote, close: Callable[[], Awaitable[None]] | None) -> Callable[[], Awaitable[None]]:
    async def closed() -> None:
        if close:
            await close()
        await remote.disconnect()

    return closed


def run(service: Service | Callable[[], Service], name: str = "") -> None:
    """Serves until SIGTERM or SIGINT; see `one_line` for how it ends when it cannot start.

    Given a function that makes the service (and the `name` to log under), wrong settings also end in that one line.
    """
    with one_line(service.name if isinstance(service, Service) else name):
        asyncio.run(serve(service if isinstance(service, Service) else service()))


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Logs under `name`. What keeps the service from starting becomes one line; status 2: a wrong setting, 1: the rest."""
    logs.configure(name)
    try:
        logs.configure(name, SharedSettings().log_level)
        yield
    except WrongSetting as exc:
        _log.error("cannot_start", reason="wrong_setting", detail=str(exc))
        sys.exit(2)
    except VivantError as exc:
        _log.error("cannot_start", reason=exc.reason, detail=exc.message)
        sys.exit(1)


async def serve(service: Service, stop: asyncio.Event | None = None) -> None:
    """Like `run`, inside a running loop; `stop` ends it."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    service.add_to(server)
    health = grpc_health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((service.full_name, "grpc.health.v1.Health", reflection.SERVICE_NAME), server)
    await _set_health(health, service, serving=False)
    _bind(server, service)
    http = await side_door(service.name, service.settings, service.metrics, lambda: _problems(service), service.activities)
    await server.start()
    _log.info("listening", port=service.settings.port, metrics_port=service.settings.metrics_port)
    try:
        warming = asyncio.create_task(service.warm(), name="warm")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({warming, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            warming.result()
            # A full garbage collection walks over all that was loaded: 40 ms in which nothing else runs. What is loaded stays.
            gc.collect()
            gc.freeze()
            service.admission.ready = True
            await _set_health(health, service, serving=True)
            _log.info("ready")
            await stopping
        else:
            warming.cancel()
        _log.info("stopping")
    finally:
        service.admission.ready = False
        await health.enter_graceful_shutdown()
        await server.stop(GRACE_S)
        await http.cleanup()
        if service.close:
            await service.close()


async def _set_health(health: grpc_health_aio.HealthServicer, service: Service, *, serving: bool) -> None:
    status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    for name in ("", service.full_name):
        await health.set(name, status)


def _bind(server: grpc.aio.Server, service: Service) -> None:
    address = addresses.join(service.settings.host, service.settings.port)
    try:
        server.add_insecure_port(address)
    except RuntimeError as exc:
        prefix = service.settings.model_config.get("env_prefix", "")
        raise Unusable(
            f"{service.name}: cannot listen on {address}, the port is in use or the address is not of this machine; "
            f"set {prefix}PORT or stop the other program",
            reason="port_in_use",
        ) from exc


def _problems(service: Service) -> Sequence[str]:
    if service.admission.ready:
        return service.problems()
    return [f"loading: {problem}" for problem in service.problems()] or ["loading"]


async def side_door(
    name: str,
    settings: ServiceSettings,
    metrics: Metrics,
    problems: Callable[[], Sequence[str]],
    activities: Callable[[], Sequence[str]] = tuple,
) -> web.AppRunner:
    """Serves /metrics, /healthz and /readyz of a service on its metrics port; raises Unusable when that is in use."""

    async def numbers(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"service": name, "alive": True})

    async def ready(_: web.Request) -> web.Response:
        found = list(problems())
        body: dict[str, Any] = {"service": name, "ready": not found, "problems": found, "activities": list(activities())}
        return web.json_response(body, status=200 if not found else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", numbers), web.get("/healthz", alive), web.get("/readyz", ready)])
    return await serve_http(app, name, settings, "METRICS_PORT")


async def serve_http(
    app: web.Application, name: str, settings: ServiceSettings, setting: str, tls: ssl.SSLContext | None = None
) -> web.AppRunner:
    """Serves `app` on the port that `setting` ("PORT", "METRICS_PORT") names; raises Unusable when that is in use."""
    port = getattr(settings, setting.lower())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_S)
    await runner.setup()
    # asyncio takes "::" as IPv6 alone, gRPC and people as every address; None is every address.
    site = web.TCPSite(runner, None if settings.host == "::" else settings.host, port, ssl_context=tls)
    try:
        await site.start()
    except OSError as exc:
        await runner.cleanup()
        prefix = settings.model_config.get("env_prefix", "")
        raise Unusable(
            f"{name}: cannot listen on {addresses.join(settings.host, port)} ({exc.strerror}); "
            f"set {prefix}{setting} or stop the other program",
            reason="port_in_use",
        ) from exc
    return runner

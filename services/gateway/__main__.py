"""Starts the gateway: `python -m services.gateway`."""

from __future__ import annotations

import asyncio
import signal
import ssl

import vivant
from services.common import logs
from services.common.metrics import Metrics
from services.common.serving import one_line, serve_http, side_door
from services.common.streams import Admission
from services.common.tasks import say_why
from services.gateway.fitting import SettingsWatch
from services.gateway.gateway import Gateway
from services.gateway.server import make_app
from services.gateway.settings import GatewaySettings
from vivant.channel import open_channel
from vivant.errors import Unusable

_log = logs.get_logger(__name__)


async def serve(settings: GatewaySettings, stop: asyncio.Event | None = None) -> None:
    """Serves until SIGTERM, SIGINT or `stop`."""
    stop = stop or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics("gateway", "gateway")
    places = Admission("gateway", settings.capacity, metrics)
    tls = tls_context(settings)
    async with open_channel(settings.orchestrator_address) as channel:
        gateway = Gateway(settings, vivant.Client(channel, settings.orchestrator_address), metrics, places)
        fitting = SettingsWatch(gateway.client, settings)
        watching = asyncio.create_task(fitting.run(), name="fitting")
        watching.add_done_callback(say_why("fitting"))

        def problems() -> list[str]:
            return [*([] if places.ready else ["loading"]), *fitting.problems]

        doors = [await side_door("gateway", settings, metrics, problems)]
        try:
            doors.append(await serve_http(make_app(gateway), "gateway", settings, "PORT", tls))
            places.ready = True
            _log.info("ready", port=settings.port, metrics_port=settings.metrics_port, tls=tls is not None)
            await stop.wait()
            _log.info("stopping")
        finally:
            places.ready = False
            watching.cancel()
            for door in reversed(doors):
                await door.cleanup()


def tls_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """The certificate to serve with; None: plain http. Raises Unusable for files that are not a certificate and its key."""
    if not settings.tls_certificate and not settings.tls_key:
        return None
    if not settings.tls_certificate or not settings.tls_key:
        raise Unusable("GATEWAY_TLS_CERTIFICATE and GATEWAY_TLS_KEY belong together; set both or none", reason="tls_unusable")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as exc:
        raise Unusable(
            f"{settings.tls_certificate} and {settings.tls_key} are not a certificate in PEM form and its key: {exc}",
            reason="tls_unusable",
        ) from exc
    return context


def main() -> None:
    with one_line("gateway"):
        asyncio.run(serve(GatewaySettings()))


if __name__ == "__main__":
    main()

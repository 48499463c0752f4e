"""Starts the turn service: `python -m services.turn`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from services.common import registry, serving
from services.common.metrics import Metrics
from services.common.settings import SharedSettings
from services.common.streams import Admission
from services.turn.engine import TurnEngine
from services.turn.engines import ENGINES
from services.turn.server import FULL_NAME, TurnServicer
from services.turn.settings import TurnSettings
from vivant.turn.v1 import turn_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = TurnSettings()
    engine: TurnEngine = registry.load(registry.find(ENGINES, settings.engine, "TURN_ENGINE"), SharedSettings())
    metrics = Metrics("turn", settings.engine)
    admission = Admission("turn", settings.capacity, metrics)
    threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="turn")
    servicer = TurnServicer(engine, threads, admission, metrics)

    async def close() -> None:
        threads.shutdown(wait=False, cancel_futures=True)

    return serving.Service(
        name="turn",
        full_name=FULL_NAME,
        settings=settings,
        metrics=metrics,
        admission=admission,
        add_to=lambda server: turn_pb2_grpc.add_TurnServiceServicer_to_server(servicer, server),
        warm=lambda: asyncio.to_thread(engine.load),
        close=close,
    )


if __name__ == "__main__":
    serving.run(service, "turn")

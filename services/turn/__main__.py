"""Starts the turn service: `python -m services.turn`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from services.common import registry, serving
from services.common.settings import SharedSettings
from services.turn.engine import TurnEngine
from services.turn.engines import ENGINES
from services.turn.server import FULL_NAME, TurnServicer
from services.turn.settings import TurnSettings
from vivant.turn.v1 import turn_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = TurnSettings()
    engine: TurnEngine = registry.choose(ENGINES, settings, SharedSettings())
    threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="turn")

    async def close() -> None:
        threads.shutdown(wait=False, cancel_futures=True)

    return serving.engine_service(
        name="turn",
        full_name=FULL_NAME,
        settings=settings,
        engine=engine,
        servicer=partial(TurnServicer, engine, threads),
        add=turn_pb2_grpc.add_TurnServiceServicer_to_server,
        close=close,
    )


if __name__ == "__main__":
    serving.run(service, "turn")

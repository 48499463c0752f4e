"""The container health check against a real gRPC health server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.common import probe

STATUS = health_pb2.HealthCheckResponse


@pytest.fixture
def servicer() -> health.HealthServicer:
    return health.HealthServicer()


@pytest.fixture
def port(servicer: health.HealthServicer) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(0).wait()


def test_a_serving_service_is_healthy(servicer: health.HealthServicer, port: int) -> None:
    servicer.set("", STATUS.SERVING)
    assert probe.main([str(port)]) == 0
    assert probe.main([f"127.0.0.1:{port}"]) == 0


def test_a_loading_service_is_not(servicer: health.HealthServicer, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    servicer.set("", STATUS.NOT_SERVING)
    assert probe.main([str(port)]) == 1
    assert "NOT_SERVING" in capsys.readouterr().err


def test_a_page_is_asked_over_http(capsys: pytest.CaptureFixture[str]) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else 503)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(server.serve_forever)
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            assert probe.main([f"{url}/readyz"]) == 0
            assert probe.main([f"{url}/other"]) == 1
        finally:
            server.shutdown()
            server.server_close()
    assert "503" in capsys.readouterr().err


def test_nobody_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["127.0.0.1:1"]) == 1
    assert "UNAVAILABLE" in capsys.readouterr().err
    assert probe.main([]) == 2

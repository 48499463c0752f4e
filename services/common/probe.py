"""Asks a server of this machine whether it serves, for container health checks: `python -m services.common.probe PORT`.

A number or HOST:PORT is asked by gRPC's health protocol, an address that begins with http:// by a request.
"""

from __future__ import annotations

import sys
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from vivant.channel import DIRECT

TIMEOUT_S = 2.0


def main(arguments: list[str]) -> int:
    """Status 0 when the server answers SERVING; 1 when it does not, 2 for wrong arguments. Says why on stderr."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m services.common.probe PORT | HOST:PORT | http://...\n")
        return 2
    if arguments[0].startswith("http://"):
        return _ask_http(arguments[0])
    address = arguments[0] if ":" in arguments[0] else f"127.0.0.1:{arguments[0]}"
    with grpc.insecure_channel(address, options=DIRECT) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as exc:
            sys.stderr.write(f"{address}: {exc.code().name}: {exc.details()}\n")
            return 1
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        sys.stderr.write(f"{address}: {health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)}\n")
        return 1
    return 0


def _ask_http(url: str) -> int:
    # What is asked is this machine, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_S):
            return 0
    except OSError as exc:
        sys.stderr.write(f"{url}: {exc}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

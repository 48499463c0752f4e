"""How every gRPC connection of Vivant is set up: the one module of channel options."""

from __future__ import annotations

import grpc

from vivant import addresses, replicas
from vivant.errors import InvalidRequest

#: A unit of raw 720 px video is 1.6 MB; everything else is far below this.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

#: With the bandwidth probe a peer that does not read is sent about 4 MiB before the sender is held, without it 63 KiB. Latency
#: needs the small bound, so the receiver switches the probe off.
CHANNEL_OPTIONS: list[tuple[str, int]] = [
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

SERVER_OPTIONS: list[tuple[str, int]] = [
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A client may ping every 10 s without being cut off for it.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Two servers on one port would share its calls between them silently.
    ("grpc.so_reuseport", 0),
]


#: Nothing between our own processes goes through the proxy that the environment names.
DIRECT: list[tuple[str, int]] = [("grpc.enable_http_proxy", 0)]


def open_channel(address: str, *, proxy: bool = False) -> grpc.aio.Channel:
    """A plaintext channel to `host:port`, not yet connected; raises InvalidRequest when `address` is something else.

    Behind an address in gRPC's own words (`dns:///name:port`) there may be several servers: calls go to them in turn.
    With `proxy`, hosts far away are reached through the proxy that the environment names (`https_proxy`, `no_proxy`).
    """
    try:
        target = addresses.target(address)
    except InvalidRequest as exc:
        raise InvalidRequest(f"address {address!r} cannot be used: {exc.message}", reason=exc.reason) from exc
    direct = [] if proxy and not addresses.is_near_target(address) else DIRECT
    in_turn = [replicas.ROUND_ROBIN] if replicas.may_be_several(target) else []
    return grpc.aio.insecure_channel(target, options=[*CHANNEL_OPTIONS, *direct, *in_turn])

"""`/v1/realtime`: the OpenAI Realtime protocol over WebSocket, for the official SDK and voice apps that speak it."""

from __future__ import annotations

import asyncio
import weakref
from typing import Final

from aiohttp import WSCloseCode, web

from services.common.logs import get_logger
from services.gateway.conversations import Conversations
from services.gateway.gateway import Gateway
from services.gateway.realtime.beta import HEADER, SUBPROTOCOL
from services.gateway.realtime.events import MAX_MESSAGE
from services.gateway.realtime.items import error
from services.gateway.realtime.session import Realtime
from services.gateway.realtime.talk import Talk, send
from vivant.errors import InvalidRequest, VivantError

_log = get_logger(__name__)

PATH: Final = "/v1/realtime"
#: Browsers cannot set headers; they bring their key as a subprotocol beside this one, which is answered.
_PROTOCOL: Final = "realtime"
#: A client that answers no ping for so long is gone.
_HEARTBEAT_S: Final = 20.0


def add_to(app: web.Application, gateway: Gateway, conversations: Conversations) -> None:
    """Registers the door, and closes what is open when the application shuts down."""
    sockets: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()

    async def connect(request: web.Request) -> web.WebSocketResponse:
        _check(request, gateway)
        socket = web.WebSocketResponse(protocols=(_PROTOCOL,), max_msg_size=MAX_MESSAGE, heartbeat=_HEARTBEAT_S, compress=False)
        await socket.prepare(request)
        sockets.add(socket)
        model = request.query.get("model", "").removeprefix("vivant/")
        try:
            if gateway.places.active >= gateway.places.capacity:
                await conversations.make_room()
            with gateway.places.admit():
                gateway.metrics.count("vivant_connections_total", "realtime")
                realtime = Realtime(model, beta=_wants_beta(request))
                await Talk(gateway, socket, model, realtime, conversations.make_room).run()
        except VivantError as exc:
            await _refuse(socket, exc)
        return socket

    async def shut_down(_: web.Application) -> None:
        await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY, message=b"shutdown") for socket in set(sockets)))

    app.add_routes([web.get(PATH, connect)])
    app.on_shutdown.append(shut_down)


def _check(request: web.Request, gateway: Gateway) -> None:
    """Refuses before the connection is upgraded; raises VivantError."""
    gateway.require_origin(request)
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise InvalidRequest(f"{PATH} is a WebSocket: connect with ws:// or wss://", reason="not_a_websocket")
    if request.query.get("intent", "conversation") != "conversation":
        raise InvalidRequest("only conversations are offered here, no transcription sessions", reason="unsupported_intent")
    if "call_id" in request.query:
        raise InvalidRequest("there are no telephone calls here to join", reason="unsupported_call")


def _wants_beta(request: web.Request) -> bool:
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return HEADER in request.headers.get("OpenAI-Beta", "") or SUBPROTOCOL in (item.strip() for item in offered.split(","))


async def _refuse(socket: web.WebSocketResponse, why: VivantError) -> None:
    """There is no place. Said on the connection, because browsers do not show the body of a refused upgrade."""
    _log.warning("realtime_refused", reason=why.reason, detail=why.message)
    try:
        await send(socket, error("server_error", why.reason, why.message))
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=why.reason.encode())
    except ConnectionError:
        _log.info("realtime_client_gone")

"""The HTTP server of the gateway: which path leads where."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from services.gateway import page, stream, webrtc
from services.gateway.conversations import Conversations
from services.gateway.gateway import Gateway, errors
from services.gateway.realtime import door

#: The largest body of a request: an SDP offer is some KB.
MAX_BODY: Final = 64 * 1024
WEB: Final = Path(__file__).parent / "web"


def make_app(gateway: Gateway) -> web.Application:
    """The application with all its doors."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[errors])
    conversations = Conversations(gateway)
    app.add_routes(webrtc.routes(gateway, conversations))
    app.add_routes(stream.routes(gateway, conversations))
    door.add_to(app, gateway, conversations)
    app.add_routes(page.routes(gateway, WEB))

    async def close(_: web.Application) -> None:
        await conversations.close()

    app.on_shutdown.append(close)
    return app

"""The HTTP server of the gateway: which path leads where."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from services.gateway import page
from services.gateway.gateway import Gateway, errors

#: The largest body of a request: an SDP offer is some KB.
MAX_BODY: Final = 64 * 1024
WEB: Final = Path(__file__).parent / "web"


def make_app(gateway: Gateway) -> web.Application:
    """The application with all its doors."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[errors])
    app.add_routes(page.routes(gateway, WEB))
    return app

"""What all doors of the gateway share: settings, the way to the orchestrator, the limit of connections, errors as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

import vivant
from services.common.logs import get_logger
from services.common.metrics import Metrics
from services.common.streams import Admission
from services.gateway.settings import GatewaySettings
from vivant.errors import Full, InvalidRequest, NotFound, Timeout, Unavailable, Unusable, VivantError

_log = get_logger(__name__)

_STATUS: Final[dict[type[VivantError], int]] = {
    InvalidRequest: 400,
    NotFound: 404,
    Unusable: 409,
    Full: 429,
    Unavailable: 503,
    Timeout: 504,
}


class Forbidden(VivantError):
    """This may not be done from there."""


@dataclass(frozen=True)
class Gateway:
    """One for the process."""

    settings: GatewaySettings
    client: vivant.Client
    metrics: Metrics
    places: Admission
    """One place for each connection of any kind; `places.admit()` raises Full or Unavailable."""

    def require_origin(self, request: web.Request) -> None:
        """Raises Forbidden when a page of a site that is not allowed asks. Browsers send Origin, other programs need not."""
        origin = request.headers.get("Origin")
        if origin is None or urlsplit(origin).netloc == request.host:
            return
        if not {"*", origin} & set(self.settings.origins):
            raise Forbidden(
                f"pages of {origin} may not talk to this server; its owner can allow them with GATEWAY_ORIGINS",
                reason="forbidden_origin",
            )


def cors(request: web.Request) -> dict[str, str]:
    """Headers that let the page of another site read this answer: for allowed ones, and for refusals."""
    origin = request.headers.get("Origin")
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}


def error_response(error: VivantError) -> web.Response:
    """An error as `{"error": {"reason", "message"}}` with a fitting status."""
    status = 403 if isinstance(error, Forbidden) else next((s for k, s in _STATUS.items() if isinstance(error, k)), 500)
    return _as_json(status, error.reason, error.message)


def _as_json(status: int, reason: str, message: str) -> web.Response:
    return web.json_response({"error": {"reason": reason, "message": message}}, status=status)


@web.middleware
async def errors(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Turns VivantErrors of handlers into responses, and what aiohttp itself refuses into the same form.

    Pages of all sites may read why they were refused: else their browser would tell them that nobody answers.
    """
    try:
        return await handler(request)
    except VivantError as exc:
        _log.warning("request_refused", path=request.path, reason=exc.reason, detail=exc.message)
        response = error_response(exc)
    except web.HTTPRequestEntityTooLarge:
        response = _as_json(413, "too_large", "this request is larger than anything that is needed here")
    except web.HTTPMethodNotAllowed as exc:
        response = _as_json(405, "wrong_method", f"{request.path} answers {', '.join(sorted(exc.allowed_methods))} only")
    except web.HTTPNotFound:
        response = _as_json(404, "no_page", f"there is nothing at {request.path}")
    # What is refused now may be given a moment later.
    response.headers.update(cors(request) | {"Cache-Control": "no-store"})
    return response

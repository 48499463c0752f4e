"""The page and what it must know before it starts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from aiohttp import web

import vivant
from services.gateway.gateway import Gateway, cors
from services.gateway.people import People, Person, people, places
from services.gateway.settings import GatewaySettings
from vivant.errors import NotFound, VivantError

#: The page talks to nobody else, and runs nothing that is not its own. Other sites may frame nothing.
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; "
    "style-src 'self'; script-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
#: Longest text of one message, in characters.
MAX_TEXT: Final = 2000


def routes(gateway: Gateway, web_dir: Path) -> list[web.RouteDef]:
    """The page, its files, and `/api/info`."""
    files = {path.relative_to(web_dir).as_posix(): path for path in web_dir.rglob("*") if path.suffix in _TYPES}

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name") or "index.html"
        if name not in files:
            raise NotFound(f"there is no {name} here", reason="no_page")
        headers = _HEADERS | {"Content-Type": f"{_TYPES[files[name].suffix]}"}
        if files[name].suffix in (".js", ".css"):
            # Other sites embed the person with these; what they may do then, GATEWAY_ORIGINS decides.
            headers |= {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
        return web.FileResponse(files[name], headers=headers)

    async def portrait(request: web.Request) -> web.Response:
        gateway.require_origin(request)
        jpeg = await gateway.client.portrait(request.match_info["persona"])
        response = web.Response(body=jpeg, content_type="image/jpeg", headers=cors(request))
        # Shown again without being sent again, and never an old one after an enrolment.
        response.headers["Cache-Control"] = "no-cache"
        response.etag = tag = hashlib.sha256(jpeg).hexdigest()[:32]
        if any(known.value in (tag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=response.headers)
        return response

    async def info(request: web.Request) -> web.Response:
        gateway.require_origin(request)
        return web.json_response(await _info(gateway), headers=cors(request))

    return [
        web.get("/api/info", info),
        web.get("/api/personas/{persona:[a-z0-9_-]{1,64}}/portrait", portrait),
        web.get("/", file),
        web.get("/{name:[a-z0-9/._-]+}", file),
    ]


async def _info(gateway: Gateway) -> dict[str, Any]:
    settings = gateway.settings
    body: dict[str, Any] = {
        "personas": [],
        "persona": "",
        "refused": [],
        "ready": False,
        "missing": [],
        "ice_servers": ice_servers(gateway),
        "limits": _limits(settings.capacity, settings),
        "version": vivant.__version__,
    }
    try:
        system = await gateway.client.info()
    except VivantError as exc:
        return body | {"missing": [{"service": "orchestrator", "reason": exc.message}]}
    found = people(system, settings)
    return body | {
        "personas": [_person(each, found) for each in found.offered],
        "persona": found.default,
        "refused": [{"id": each.persona_id, "reason": each.reason, "message": each.message} for each in found.refused],
        "limits": _limits(places(system, settings), settings),
        "missing": [{"service": item.service, "reason": item.reason} for item in system.components if not item.ready],
        "ready": all(item.ready for item in system.components),
    }


def _limits(connections: int, settings: GatewaySettings) -> dict[str, float]:
    return {"connections": connections, "text_characters": MAX_TEXT, "resume_s": settings.resume_s}


def _person(person: Person, among: People) -> dict[str, Any]:
    card = person.card
    return {
        "id": card.id,
        "name": card.name,
        "description": card.description,
        "disclosure": card.disclosure,
        "greeting": card.greeting,
        "starters": list(card.starters),
        "languages": list(card.languages),
        "portrait": f"/api/personas/{card.id}/portrait" if person.seen else None,
        "default": card.id == among.default,
    }


def ice_servers(gateway: Gateway) -> list[dict[str, Any]]:
    """For the browser's RTCPeerConnection."""
    settings = gateway.settings
    servers: list[dict[str, Any]] = [{"urls": list(settings.stun_urls)}] if settings.stun_urls else []
    if settings.turn_urls:
        servers.append(
            {"urls": list(settings.turn_urls), "username": settings.turn_username, "credential": settings.turn_password}
        )
    return servers

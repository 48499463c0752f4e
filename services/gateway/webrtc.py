"""`POST /api/offer`: somebody comes in by WebRTC."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal, TypeVar

from aiohttp import web
from aiortc import RTCSessionDescription
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.connection import Wish
from services.gateway.conversation import Conversation
from services.gateway.conversations import Conversations
from services.gateway.gateway import Gateway, cors
from services.gateway.peer import Peer
from services.gateway.rtc.loopback import offer_loopback
from vivant.errors import InvalidRequest, Unusable, VivantError


class Offer(BaseModel):
    """The body of POST /api/offer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sdp: str = Field(min_length=1, max_length=60_000)
    type: Literal["offer"] = "offer"
    persona: str = Field(default="", max_length=64)
    greeting: bool = False
    token: str = Field(default="", max_length=64)
    conversation_id: str = Field(default="", max_length=64)
    join: str = Field(default="", max_length=64)
    name: str = Field(default="", max_length=64)
    restart: bool = False
    visit: str = Field(default="", max_length=64)


class Farewell(BaseModel):
    """The body of POST /api/leave."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str = Field(default="", max_length=64)
    visit: str = Field(default="", max_length=64)


def routes(gateway: Gateway, conversations: Conversations) -> list[web.RouteDef]:
    """`POST /api/offer`."""
    offer_loopback(enabled=gateway.settings.loopback)

    async def preflight(request: web.Request) -> web.Response:
        gateway.require_origin(request)
        return web.Response(headers=cors(request) | {"Access-Control-Allow-Headers": "content-type"})

    async def offer(request: web.Request) -> web.Response:
        gateway.require_origin(request)
        wanted = read(Offer, await request.read())
        if wanted.restart:
            return answered(request, *await restarted(gateway, conversations, wanted))
        peer = await Peer.made(gateway, wanted.sdp)
        try:
            wish = Wish(**wanted.model_dump(include={field.name for field in fields(Wish)}))
            conversation, resumed = await conversations.get(wish)
            answer = await peer.join(conversation, resumed=resumed)
        except BaseException:
            await peer.close()
            raise
        if request.transport is None or request.transport.is_closing():
            # The page has gone before the answer came: reloaded, or closed.
            conversation.detach(peer, gone=True)
        return answered(request, conversation, answer)

    async def leave(request: web.Request) -> web.Response:
        gateway.require_origin(request)
        wanted = read(Farewell, await request.read())
        conversations.leave(wanted.token, wanted.visit)
        return web.Response(status=204, headers=cors(request))

    return [
        web.post("/api/offer", offer),
        web.options("/api/offer", preflight),
        web.post("/api/leave", leave),
        web.options("/api/leave", preflight),
    ]


Body = TypeVar("Body", bound=BaseModel)


def read(kind: type[Body], data: bytes) -> Body:
    """A body in JSON; raises InvalidRequest that says what is wrong with it."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise InvalidRequest(
            f"this {kind.__name__.lower()} cannot be read: {where}: {first['msg']}", reason="bad_request"
        ) from exc


async def restarted(
    gateway: Gateway, conversations: Conversations, wanted: Offer
) -> tuple[Conversation, RTCSessionDescription]:
    """Begins an ICE restart, and counts it; what comes of it is counted by the peer. Raises InvalidRequest and Unusable."""
    gateway.metrics.count("vivant_ice_restarts_total", "asked")
    try:
        conversation, peer = live(conversations, wanted.token)
        return conversation, await peer.restart(wanted.sdp)
    except VivantError:
        gateway.metrics.count("vivant_ice_restarts_total", "refused")
        raise


def live(conversations: Conversations, token: str) -> tuple[Conversation, Peer]:
    """The conversation with this token and the peer that takes part in it; raises Unusable when there is none."""
    conversation = conversations.known(token)
    if conversation is None or not isinstance(conversation.connection, Peer):
        raise Unusable("there is no WebRTC connection with this token to restart; make a new one", reason="cannot_restart")
    return conversation, conversation.connection


def answered(request: web.Request, conversation: Conversation, answer: RTCSessionDescription) -> web.Response:
    ready = conversation.session.ready
    body = {
        "sdp": answer.sdp,
        "type": answer.type,
        "token": conversation.token,
        "conversation_id": ready.conversation_id,
        "persona": {"id": ready.persona.id, "name": ready.persona.name},
    }
    return web.json_response(body, headers=cors(request))

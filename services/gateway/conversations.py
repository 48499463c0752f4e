"""All conversations of this process: which one a connection takes part in, and who gets a place when there are few."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

import vivant
from services.common.logs import get_logger
from services.common.tasks import say_why
from services.gateway.connection import Wish
from services.gateway.conversation import MICROPHONE_HZ, Conversation
from services.gateway.fitting import CODEC
from services.gateway.gateway import Gateway
from vivant.errors import Full, Internal, InvalidRequest, NotFound, Unavailable, VivantError

_log = get_logger(__name__)

#: A place that was given up is free everywhere within so long, asked so often.
_FREE_S: Final = 2.0
_ASK_S: Final = 0.05
_NOT_THERE: Final = "this conversation is over, or it is not on this server: ask whoever invited you for a new link"


@dataclass
class _Stay:
    """One conversation from its opening to its end."""

    wish: Wish
    opened: asyncio.Future[Conversation]
    task: asyncio.Task[None] | None = None
    conversation: Conversation | None = None


class Conversations:
    """Opens, finds and ends them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stays: list[_Stay] = []
        self._closing = False
        self._returning = asyncio.Lock()

    async def get(self, wish: Wish) -> tuple[Conversation, bool]:
        """The conversation to go on with, and True, or a new one; raises VivantError when none can be had."""
        known = self.known(wish.token)
        if known:
            self._gateway.metrics.count("vivant_connections_total", "resumed")
            known.expect()
            return known, True
        return await self._begin(replace(wish, persona=wish.persona or self._gateway.settings.persona)), False

    def known(self, token: str) -> Conversation | None:
        """The conversation with this token."""
        conversations = (stay.conversation for stay in self._stays if stay.conversation and not stay.conversation.over)
        return next((one for one in conversations if one.token == token), None)

    def leave(self, token: str, visit: str) -> None:
        """The page with this token, or of this visit, is gone for good."""
        for stay in self._stays:
            named = stay.conversation is not None and bool(token) and stay.conversation.token == token
            if named or (visit and stay.wish.visit == visit):
                self._end(stay)

    async def make_room(self) -> bool:
        """Ends the conversation that has waited longest for somebody to come back, if there is one: who is there goes first."""
        waiting = [stay for stay in self._stays if stay.conversation and stay.conversation.absent_s]
        if not waiting:
            return False
        longest = max(waiting, key=lambda stay: stay.conversation.absent_s if stay.conversation else 0.0)
        _log.info("gives_way")
        self._end(longest, "full", "Nothing came from you any more, and somebody else needed the place.")
        await self._over(longest)
        return True

    async def close(self) -> None:
        """Ends all of them, because the gateway stops."""
        self._closing = True
        for stay in self._stays:
            if stay.conversation:
                stay.conversation.shut_down()
            elif stay.task:
                stay.task.cancel()
        await asyncio.gather(*(stay.task for stay in self._stays if stay.task), return_exceptions=True)

    async def _begin(self, wish: Wish) -> Conversation:
        until = asyncio.get_running_loop().time() + _FREE_S
        freed = False
        for earlier in [stay for stay in self._stays if wish.visit and stay.wish.visit == wish.visit]:
            self._end(earlier)
            await self._over(earlier)
            freed = True
        while True:
            try:
                return await self._open(wish)
            except Full:
                freed = freed or await self.make_room()
                if not freed or asyncio.get_running_loop().time() >= until:
                    raise
            # The orchestrator hears a moment later that a session is over.
            await asyncio.sleep(_ASK_S)

    async def _open(self, wish: Wish) -> Conversation:
        stay = _Stay(wish, asyncio.get_running_loop().create_future())
        # Shielded: whoever asked may be gone before it is open; then nobody comes, and it ends by itself.
        stay.task = asyncio.create_task(self._keep(stay), name="conversation")
        self._stays.append(stay)
        stay.task.add_done_callback(lambda _: self._stays.remove(stay))
        stay.task.add_done_callback(say_why("conversation", lambda _: _fail(stay.opened)))
        return await asyncio.shield(stay.opened)

    async def _keep(self, stay: _Stay) -> None:
        """One conversation from its opening to its end; how the opening went is told to `opened`."""
        wish = stay.wish
        try:
            with self._gateway.places.admit():
                async with AsyncExitStack() as stack:
                    session = await self._enter(stack, wish)
                    greets = wish.greeting and not wish.join
                    stay.conversation = Conversation(session, self._gateway, greets=greets, accompanied=self._accompanied)
                    stay.opened.set_result(stay.conversation)
                    await stay.conversation.run()
        except VivantError as exc:
            if stay.opened.done():
                _log.warning("conversation_broken", reason=exc.reason, detail=exc.message)
            else:
                stay.opened.set_exception(exc)
        except asyncio.CancelledError:
            if not stay.opened.done():
                stay.opened.set_exception(self._cancelled())
            raise

    async def _enter(self, stack: AsyncExitStack, wish: Wish) -> vivant.Session:
        """What is wished for, open until `stack` is closed; raises VivantError."""
        client, settings = self._gateway.client, self._gateway.settings
        who = vivant.Participant(secrets.token_hex(8), wish.name) if wish.name else None

        async def join(conversation_id: str) -> vivant.Session:
            return await stack.enter_async_context(client.join(conversation_id, participant=who, microphone=MICROPHONE_HZ))

        new = client.converse(
            wish.persona or None,
            video=vivant.Video(CODEC, settings.video_px),
            microphone=MICROPHONE_HZ,
            participant=who,
            conversation_id=wish.conversation_id or None,
        )
        if wish.join:
            try:
                return await join(wish.join)
            except NotFound as exc:
                raise NotFound(_NOT_THERE, reason="unknown_conversation") from exc
        if not wish.conversation_id:
            return await stack.enter_async_context(new)
        # Whoever comes back finds the others where they are. Where all had to leave, the first of them opens it anew.
        async with self._returning:
            try:
                return await join(wish.conversation_id)
            except NotFound:
                pass
            try:
                return await stack.enter_async_context(new)
            except InvalidRequest as exc:
                if exc.reason != "conversation_live":
                    raise
                # By way of another gateway somebody was faster.
                return await join(wish.conversation_id)

    def _accompanied(self, one: Conversation) -> bool:
        others = (stay.conversation for stay in self._stays if stay.conversation and stay.conversation is not one)
        same = one.session.ready.conversation_id
        return any(other.connection and other.session.ready.conversation_id == same for other in others)

    def _cancelled(self) -> VivantError:
        if self._closing:
            return Unavailable("this server is stopping; try again in a moment", reason="shutdown")
        return Unavailable("the page has gone, or has begun another conversation", reason="replaced")

    @staticmethod
    def _end(stay: _Stay, reason: str = "replaced", message: str = "The conversation goes on in another window.") -> None:
        if stay.conversation:
            stay.conversation.give_way(reason, message)
        elif stay.task:
            stay.task.cancel()

    @staticmethod
    async def _over(stay: _Stay) -> None:
        """Waits until the place is free."""
        if stay.task:
            await asyncio.wait({stay.task}, timeout=_FREE_S)


def _fail(opened: asyncio.Future[Conversation]) -> None:
    if not opened.done():
        opened.set_exception(Internal("a fault in this server; its log has the details", reason="internal"))

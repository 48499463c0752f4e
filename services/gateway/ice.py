"""Another network path under a connection that lives on: the ICE restart that aiortc does not know.

A restart makes a second path beside the one in use, and puts it in the place of the first when it is connected; until then the
first goes on. A path that is lost is the end of the peer only when none takes its place.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

import aioice
from aiortc import RTCIceServer, RTCSessionDescription
from aiortc.rtcicetransport import RTCIceParameters, candidate_from_aioice, candidate_to_aioice, connection_kwargs
from aiortc.sdp import MediaDescription, SessionDescription

from services.common.logs import get_logger
from services.common.tasks import say_why
from services.gateway.rtc.path import Path
from services.gateway.rtc.transport import Transport
from vivant.errors import InvalidRequest, Unusable

_log = get_logger(__name__)

#: A new path that is not connected by then is given up. Pages give up sooner.
_CONNECT_S: Final = 8.0
#: The browser's first check is awaited for so long; where it cannot come in, ours must go out first.
_FIRST_CHECK_S: Final = 2.0
#: A browser has one candidate for each of its addresses, and one more for each server.
_MOST_CANDIDATES: Final = 64
_USERNAME: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")


def read_sdp(sdp: str) -> SessionDescription:
    """Raises InvalidRequest, reason `bad_offer`, for what is no SDP."""
    try:
        return SessionDescription.parse(sdp)
    except (ValueError, LookupError, AttributeError, AssertionError, TypeError, StopIteration) as exc:
        raise bad_offer(str(exc) or "it is not SDP") from exc


def bad_offer(fault: str) -> InvalidRequest:
    """An SDP offer that is refused, and why."""
    return InvalidRequest(f"this SDP offer cannot be used: {fault}", reason="bad_offer")


@dataclass(frozen=True)
class _Offer:
    """What an offer says about the browser's end of the path."""

    username: str
    password: str
    lite: bool
    candidates: tuple[aioice.Candidate, ...]


#: Another path is in use; or none was found in time; or the restart was overtaken by another one or by the end of the peer.
Outcome = Literal["moved", "failed", "given_up"]


class Paths:
    """The path that a peer uses, and at most one that is being tried."""

    def __init__(self, pc: Any, servers: list[RTCIceServer], on_tried: Callable[[Outcome], None]) -> None:
        """`pc`: an RTCPeerConnection that knows the offer and has answered nothing yet. `on_tried`: what came of a restart."""
        self._pc = pc
        self._servers = servers
        self._on_tried = on_tried
        self._trial: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._transport = Transport(pc.sctp.transport.transport, lambda: self._trial is not None)

    @property
    def heard_at(self) -> float:
        """When the browser has sent something the last time."""
        return self._transport.heard_at

    async def restart(self, sdp: str) -> RTCSessionDescription:
        """Answers an offer with new ICE credentials, and tries the path that it describes; an earlier trial is given up.

        Raises InvalidRequest (`bad_offer`) for one that is no such offer, and Unusable (`cannot_restart`) when it belongs to
        another connection or this one is over.
        """
        offer = self._understood(read_sdp(sdp))
        transports = {each.receiver.transport for each in self._pc.getTransceivers()} | {self._pc.sctp.transport}
        if len(transports) > 1:
            raise Unusable("only a connection with all in one bundle can be restarted; make a new one", reason="cannot_restart")
        async with self._one_at_a_time:
            await self.give_up()
            path = Path(controlling=self._transport.path.ice_controlling, **connection_kwargs(self._servers))
            try:
                await path.gather_candidates()
                if not self._transport.alive:
                    raise Unusable("this connection has just ended; make a new one", reason="cannot_restart")
            except BaseException:
                await path.close()
                raise
            self._trial = asyncio.create_task(self._try(path, offer), name="ice-restart")
            self._tasks.add(self._trial)
            self._trial.add_done_callback(self._tasks.discard)
            self._trial.add_done_callback(say_why("ice-restart"))
            return self._answer(path)

    async def give_up(self) -> None:
        """Ends the trial, if there is one; the path in use stays as it is."""
        if self._trial:
            self._trial.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- the new path ---------------------------------------------------------------------------------------------------

    async def _try(self, path: Path, offer: _Offer) -> None:
        unused: aioice.Connection = path
        outcome: Outcome = "given_up"
        path.remote_username, path.remote_password, path.remote_is_lite = offer.username, offer.password, offer.lite
        try:
            async with asyncio.timeout(_CONNECT_S):
                # The end of the candidates is not told: others may show themselves by their checks.
                await asyncio.gather(*map(path.add_remote_candidate, offer.candidates))
                # A check that reaches the browser before the answer comes from an address that it does not know yet. A path
                # learnt so ranks below the old one for ever (libwebrtc), and it never changes over while that one lives.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_FIRST_CHECK_S):
                        await path.checked.wait()
                await path.connect()
            if self._transport.alive:
                unused = self._transport.use(path)
                outcome = "moved"
                _log.info("ice_restarted")
        except OSError as exc:
            # Not connected, or not in time.
            outcome = "failed"
            _log.info("ice_restart_failed", detail=str(exc) or "not in time", pairs=path.pairs())
        finally:
            # From here on nothing cancels this task, so that no socket stays open.
            self._trial = None
            self._on_tried(outcome)
            self._transport.tell()
            await unused.close()

    def _understood(self, offer: SessionDescription) -> _Offer:
        known = read_sdp(self._pc.remoteDescription.sdp)
        if _sections(offer) != _sections(known):
            raise bad_offer("its sections are not those of the connection that it restarts")
        # All is bundled, so the first section speaks for all.
        first, ice = offer.media[0], offer.media[0].ice
        if not _fingerprints(first):
            raise bad_offer("it has no fingerprint, or no setup")
        if _fingerprints(first) != _fingerprints(known.media[0]):
            raise Unusable("this offer is of another peer connection, which has to be connected anew", reason="cannot_restart")
        username, password = (ice.usernameFragment or "", ice.password or "") if ice else ("", "")
        if not _USERNAME.fullmatch(username) or not _PASSWORD.fullmatch(password):
            raise bad_offer("ice-ufrag must have 4 to 256 and ice-pwd 22 to 256 letters, digits, + or /")
        if username == self._transport.path.remote_username:
            raise bad_offer("its ice-ufrag is the one in use; restart ICE in the page before the offer is made")
        if len(first.ice_candidates) > _MOST_CANDIDATES:
            raise bad_offer(f"it has more than {_MOST_CANDIDATES} candidates")
        return _Offer(username, password, bool(ice and ice.iceLite), tuple(map(candidate_to_aioice, first.ice_candidates)))

    def _answer(self, path: aioice.Connection) -> RTCSessionDescription:
        """What was answered first, with another path."""
        answer = read_sdp(self._pc.localDescription.sdp)
        for media in answer.media:
            media.ice = RTCIceParameters(path.local_username, path.local_password)
            media.ice_candidates = [candidate_from_aioice(each) for each in path.local_candidates]
            media.ice_candidates_complete = True
            for each in media.ice_candidates[:1]:
                media.host, media.port = each.ip, each.port
        return RTCSessionDescription(str(answer), "answer")


def _sections(description: SessionDescription) -> list[tuple[str, str]]:
    return [(media.kind, media.rtp.muxId) for media in description.media]


def _fingerprints(media: MediaDescription) -> set[tuple[str, str]]:
    return {(each.algorithm.lower(), each.value.upper()) for each in media.dtls.fingerprints} if media.dtls else set()

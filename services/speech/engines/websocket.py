"""The way to a model's WebSocket, and what goes wrong on it, in one place: errors say what the server did, and what to set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

from services.common.logs import get_logger
from services.common.retry_after import asked_to_wait_s
from services.speech.settings import ServerOptions
from vivant.addresses import is_near
from vivant.errors import Full, Timeout, Unavailable, Unusable, VivantError

_log = get_logger(__name__)

#: Between two looks at a server that is not there yet.
_LOOKS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: Between two attempts to open a broken connection again: the user is in the middle of a conversation.
_ATTEMPTS_S: Final = (0.1, 0.3, 1.0, 2.0)
#: A server that does not answer a ping in half of this is gone.
_HEARTBEAT_S: Final = 10.0
#: Nobody waits longer for the last word of a server that was left.
_CLOSE_S: Final = 1.0
#: Its largest message; a reply of several minutes in one piece is below.
_MAX_MESSAGE: Final = 32 << 20
_SHOWN: Final = 200
_HIDDEN: Final = "***"

#: HTTP status -> the error, what the server did, the settings to look at, the reason.
_MEANINGS: Final[dict[int, tuple[type[VivantError], str, tuple[str, ...], str]]] = {
    401: (Unusable, "does not accept the key", ("api_key",), "wrong_key"),
    403: (Unusable, "does not permit this", ("api_key",), "wrong_key"),
    404: (Unusable, "has no such model or address", ("url",), "unknown_model"),
    429: (Full, "takes no more conversations", (), "model_full"),
}


class Server:
    """One server. A connection is opened for each conversation."""

    def __init__(self, options: ServerOptions, headers: Mapping[str, str] | None = None) -> None:
        self._options = options
        self._headers = dict(headers or {})
        self._http: aiohttp.ClientSession | None = None
        self._waiting: str | None = None
        self._problem: str | None = None
        self._free_at = 0.0
        # Without what may be a secret in it.
        self.name = str(URL(options.url).with_user(None).with_query(None)) if options.url else ""

    def check(self) -> None:
        """Raises Unusable when the settings cannot work."""
        options = self._options
        if options.url is None:
            raise Unusable(
                f"set {options.variable('url')} to the WebSocket of a server, such as ws://localhost:8000/v1/realtime",
                reason="wrong_address",
            )
        if not (self._key.isascii() and self._key.isprintable()):
            raise Unusable(f"{options.variable('api_key')} has characters that no key has; copy it again", reason="wrong_key")
        url = URL(options.url)
        if self._key and url.scheme == "ws" and not is_near(url.host or ""):
            raise Unusable(
                f"{options.variable('api_key')} would travel to {url.host} for anybody to read; use a wss:// address",
                reason="wrong_address",
            )

    async def open(self, **query: str) -> aiohttp.ClientWebSocketResponse:
        """A connection; raises Unusable for what will not pass, and Full, Unavailable or Timeout for what may."""
        wait_s = self._free_at - asyncio.get_running_loop().time()
        if wait_s > 0:
            raise Full(f"{self.name} takes no more conversations for the next {wait_s:.0f} s", reason="model_full")
        url = URL(self._options.url or "").update_query(query)
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                socket = await self._client(url).ws_connect(
                    url, heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_MESSAGE, timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S)
                )
        except TimeoutError as exc:
            raise self.failed(Timeout, "does not answer in time", ("url",), "model_timeout") from exc
        except aiohttp.WSServerHandshakeError as exc:
            raise self._refused(exc) from exc
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as exc:
            raise self.failed(Unusable, "has no certificate that is trusted", ("url",), "wrong_address", str(exc)) from exc
        except aiohttp.ClientConnectorError as exc:
            told = exc.os_error.strerror or str(exc.os_error)
            raise self.failed(Unavailable, "is out of reach", ("url",), "model_unavailable", told) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise self.failed(Unavailable, "broke off its answer", (), "model_broke_off", type(exc).__name__) from exc
        return socket

    async def wait(self, meet: Callable[[], Awaitable[None]]) -> None:
        """Meets the server as soon as it is there; raises at once what will not pass, and Unavailable when the time is over."""
        loop, patience_s = asyncio.get_running_loop(), self._options.load_timeout_s
        end, attempt = loop.time() + patience_s, 0
        self._waiting = f"{self.name} has not answered yet"
        while True:
            try:
                await meet()
                break
            except (Unavailable, Timeout, Full) as exc:
                if exc.message != self._waiting:
                    _log.warning("waiting_for_model", reason=exc.reason, detail=exc.message)
                self._waiting = exc.message
            wait_s = max(_LOOKS_S[min(attempt, len(_LOOKS_S) - 1)], self._free_at - loop.time())
            attempt += 1
            if loop.time() + wait_s >= end:
                raise Unavailable(
                    f"not ready within the {patience_s:g} s that {self._options.variable('load_timeout_s')} sets: "
                    f"{self._waiting}",
                    reason="model_unavailable",
                )
            await asyncio.sleep(wait_s)
        self._waiting = None

    async def again(self, reopen: Callable[[], Awaitable[None]], lost: VivantError) -> None:
        """Opens a connection that was lost again; raises what stood against it when it was tried often enough."""
        error = lost
        for attempt in range(self._options.attempts):
            await asyncio.sleep(_ATTEMPTS_S[min(attempt, len(_ATTEMPTS_S) - 1)])
            try:
                await reopen()
                return
            except (Unavailable, Timeout, Full) as exc:
                _log.warning("reopening", attempt=attempt + 1, reason=exc.reason, detail=exc.message)
                error = exc
        raise type(error)(
            f"{error.message} (tried {self._options.attempts} times; {self._options.variable('attempts')})", reason=error.reason
        )

    async def close(self) -> None:
        if self._http:
            await self._http.close()

    def problems(self) -> tuple[str, ...]:
        """Sentences that say why it cannot be used at the moment."""
        if self._waiting:
            return (f"waiting: {self._waiting}",)
        return (self._problem,) if self._problem else ()

    def well(self) -> None:
        """It has answered as it should."""
        self._problem = None

    def broke_off(self, socket: aiohttp.ClientWebSocketResponse) -> VivantError:
        """A connection has ended that was not over."""
        return self.failed(Unavailable, "closed the connection", (), "model_broke_off", f"close code {socket.close_code}")

    def failed(
        self, kind: type[VivantError], what: str, settings: tuple[str, ...] = (), reason: str = "model_failed", told: str = ""
    ) -> VivantError:
        """The error that says what the server did, and names the `settings` to look at. That it is down is noted."""
        said = f"the speech model's server at {self.name} {what}" + (f": {self._plain(told)}" if told else "")
        if kind in (Unavailable, Timeout):
            self._problem = said
        names = " and ".join(self._options.variable(field) for field in settings)
        return kind(said + (f"; check {names}" if names else ""), reason=reason)

    def _refused(self, exc: aiohttp.WSServerHandshakeError) -> VivantError:
        wait_s = asked_to_wait_s(exc.headers or {})
        if wait_s is not None:
            self._free_at = asyncio.get_running_loop().time() + wait_s
        if exc.status in _MEANINGS:
            kind, what, settings, reason = _MEANINGS[exc.status]
            later = f" for the next {wait_s:.0f} s" if wait_s else ""
            return self.failed(kind, what + later, settings, reason, str(exc.status))
        if 400 <= exc.status < 500:
            return self.failed(Unusable, "refuses the connection", ("url",), "request_refused", str(exc.status))
        if exc.status >= 500:
            return self.failed(Unavailable, "failed", (), "model_failed", str(exc.status))
        return self.failed(Unavailable, "is no WebSocket", ("url",), "not_a_model_server", str(exc.status))

    def _client(self, url: URL) -> aiohttp.ClientSession:
        if self._http is None:
            key: dict[str, Any] = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            # A server far away is reached through the proxy that the environment names; a near one is not.
            self._http = aiohttp.ClientSession(headers=self._headers | key, trust_env=not is_near(url.host or ""))
        return self._http

    @property
    def _key(self) -> str:
        return self._options.api_key.get_secret_value().strip() if self._options.api_key else ""

    def _plain(self, told: str) -> str:
        """What the server says, in one line, without the key that it may repeat."""
        text = " ".join("".join(char if char.isprintable() else " " for char in told).split())
        return (text.replace(self._key, _HIDDEN) if self._key else text)[:_SHOWN]

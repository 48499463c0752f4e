"""The way to a server, and what goes wrong on it, in one place: errors say what the server did, and what to set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import grpc
from grpc.aio import AioRpcError

from services.common.logs import get_logger
from services.common.nvidia.options import ServerOptions
from vivant.addresses import is_near_target
from vivant.channel import DIRECT
from vivant.errors import Full, Timeout, Unavailable, Unusable, VivantError

_log = get_logger(__name__)

T = TypeVar("T")

#: Between two looks at a server that is not there yet.
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: One answer at start may take this long.
_MEET_TIMEOUT_S: Final = 10.0
#: Vivant's own channels ping an idle peer; servers of others cut off who does. One that is gone is noticed by what it owes.
_OPTIONS: Final = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]
_SHOWN: Final = 200
_HIDDEN: Final = "***"
_UNTRUSTED: Final = ("handshake", "certificate")

#: What each status means here: the error, what the server did, the settings to look at, the reason.
_MEANINGS: Final[dict[grpc.StatusCode, tuple[type[VivantError], str, tuple[str, ...], str]]] = {
    grpc.StatusCode.UNAUTHENTICATED: (Unusable, "does not accept the key", ("api_key",), "wrong_key"),
    grpc.StatusCode.PERMISSION_DENIED: (Unusable, "does not permit this", ("api_key", "function_id"), "wrong_key"),
    grpc.StatusCode.NOT_FOUND: (Unusable, "does not have what was asked for", ("function_id",), "unknown_model"),
    grpc.StatusCode.INVALID_ARGUMENT: (Unusable, "refuses the request", (), "request_refused"),
    grpc.StatusCode.FAILED_PRECONDITION: (Unusable, "refuses the request", (), "request_refused"),
    grpc.StatusCode.UNIMPLEMENTED: (Unusable, "cannot do this; is it another kind of server?", ("address",), "wrong_address"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (Full, "takes no more requests (its quota?)", (), "model_full"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Timeout, "did not answer in time", ("timeout_s",), "model_timeout"),
    grpc.StatusCode.UNAVAILABLE: (Unavailable, "is out of reach", ("address", "use_ssl"), "model_unavailable"),
}


class Connection:
    """One server; its channel opens with the first call. `asked` are the settings that choose what a call is for."""

    def __init__(self, options: ServerOptions, *, asked: tuple[str, ...] = ()) -> None:
        self._options = options
        self._asked = asked
        self._server = f"the {options.kind} at {options.address}"
        self._channel: grpc.aio.Channel | None = None
        self._waiting: str | None = None
        self.timeout_s = options.timeout_s
        self._problem: str | None = None

    def check(self) -> None:
        """Raises Unusable when the settings cannot work."""
        options = self._options
        if options.address is None:
            raise Unusable(f"set {options.variable('address')} to host:port of the {options.kind}", reason="wrong_address")
        for field in ("api_key", "function_id"):
            if not (self._secret(field).isascii() and self._secret(field).isprintable()):
                raise Unusable(f"{options.variable(field)} has characters that none has; copy it again", reason="wrong_key")
        if self._secret("api_key") and not options.use_ssl and not is_near_target(options.address):
            raise Unusable(
                f"{options.variable('api_key')} would travel to {options.address} for anybody to read; "
                f"set {options.variable('use_ssl')}=true",
                reason="wrong_address",
            )
        self._authorities()

    @property
    def channel(self) -> grpc.aio.Channel:
        """To be asked for within the event loop."""
        if self._channel is None:
            address = self._options.address or ""
            direct = DIRECT if is_near_target(address) else []
            options = [*_OPTIONS, *direct]
            if self._options.use_ssl:
                credentials = grpc.ssl_channel_credentials(root_certificates=self._authorities())
                self._channel = grpc.aio.secure_channel(address, credentials, options=options)
            else:
                self._channel = grpc.aio.insecure_channel(address, options=options)
        return self._channel

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries: who asks, and for which function."""
        key, function = self._secret("api_key"), self._secret("function_id")
        pairs = (("authorization", f"Bearer {key}" if key else ""), ("function-id", function))
        return tuple(pair for pair in pairs if pair[1])

    @property
    def notice(self) -> str:
        """What people may want to know of it."""
        return f"What is said here is sent to {self._server}."

    async def listed(self, method: Any, request: Any) -> Any:
        """What the server says that it has; None: it tells nobody. Raises as `met`."""

        async def ask(timeout_s: float) -> Any:
            try:
                return await method(request, metadata=self.metadata, timeout=timeout_s)
            except AioRpcError as exc:
                if exc.code() is grpc.StatusCode.UNIMPLEMENTED:
                    _log.warning("no_models_listed", detail="the server does not say what it has; the settings are not checked")
                    return None
                raise self.error(exc) from exc

        return await self.met(ask)

    async def met(self, ask: Callable[[float], Awaitable[T]]) -> T:
        """What `ask`, told how many seconds it has, gets from the server, tried until the settings' patience is over.

        Raises at once what will not pass, and Unavailable when the time is over.
        """
        loop, patience_s = asyncio.get_running_loop(), self._options.load_timeout_s
        end, attempt = loop.time() + patience_s, 0
        self._waiting = f"{self._server} has not answered yet"
        while True:
            try:
                found = await ask(min(_MEET_TIMEOUT_S, max(0.1, end - loop.time())))
                break
            except VivantError as error:
                if not error.retryable:
                    raise
                if error.message != self._waiting:
                    _log.warning("waiting_for_model", reason=error.reason, detail=error.message)
                self._waiting = error.message
            wait_s = _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]
            attempt += 1
            if loop.time() + wait_s >= end:
                raise Unavailable(
                    f"not ready within the {patience_s:g} s that {self._options.variable('load_timeout_s')} sets: "
                    f"{self._waiting}",
                    reason="model_unavailable",
                )
            await asyncio.sleep(wait_s)
        self._waiting = None
        self.well()
        return found

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    def problems(self) -> tuple[str, ...]:
        """Sentences that say why it cannot be used at the moment."""
        if self._waiting:
            return (f"waiting: {self._waiting}",)
        return (self._problem,) if self._problem else ()

    def well(self) -> None:
        """A call has gone as it should."""
        self._problem = None

    def blame(self, error: VivantError) -> None:
        """A call that nobody waits for has failed: whoever asks for problems is told, until one has gone as it should."""
        self._problem = error.message

    def error(self, exc: AioRpcError, *, answered: bool = False) -> VivantError:
        """What the end of a call means; `answered`: the server was there already."""
        told, status = self._told(exc.details()), exc.code()
        if status is grpc.StatusCode.UNAVAILABLE and self._options.use_ssl and any(sign in told.lower() for sign in _UNTRUSTED):
            return self.failed(Unusable, "has no certificate that is trusted", ("ca_file", "use_ssl"), "wrong_address", told)
        if status is grpc.StatusCode.OK:
            return self.broke_off("it ended the stream by itself")
        if answered and status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return self.broke_off(told)
        if status in _MEANINGS:
            kind, what, settings, reason = _MEANINGS[status]
            more = self._asked if kind is Unusable and reason in ("unknown_model", "request_refused") else ()
            return self.failed(kind, what, (*settings, *more), reason, told)
        return self.failed(Unavailable, f"failed ({status.name})", (), "model_failed", told)

    def broke_off(self, told: str = "") -> VivantError:
        """It ended a call that was not over."""
        return self.failed(Unavailable, "broke off its answer", (), "model_broke_off", told)

    def late(self, what: str) -> VivantError:
        """It left something that it owes for longer than the settings allow."""
        return self.failed(Timeout, f"{what} within {self.timeout_s:g} s", ("timeout_s",), "model_timeout")

    def failed(
        self, kind: type[VivantError], what: str, settings: tuple[str, ...] = (), reason: str = "model_failed", told: str = ""
    ) -> VivantError:
        """The error that says what the server did, and names the `settings` to look at. That it is down is noted."""
        told = self._told(told)
        said = f"{self._server} {what}" + (f": {told}" if told else "")
        if kind in (Unavailable, Timeout):
            self._problem = said
        names = " and ".join(self._options.variable(field) for field in settings)
        return kind(said + (f"; check {names}" if names else ""), reason=reason)

    def _told(self, details: str | None) -> str:
        """What the server says, in one line, without the secrets that it may repeat."""
        text = " ".join("".join(char if char.isprintable() else " " for char in details or "").split())
        for field in ("api_key", "function_id"):
            if secret := self._secret(field):
                text = text.replace(secret, _HIDDEN)
        return text[:_SHOWN]

    def _secret(self, field: str) -> str:
        value = getattr(self._options, field)
        return value.get_secret_value().strip() if value else ""

    def _authorities(self) -> bytes | None:
        file = self._options.ca_file
        if file is None:
            return None
        try:
            return file.read_bytes()
        except OSError as exc:
            raise Unusable(
                f"{self._options.variable('ca_file')}={file} cannot be read ({exc.strerror})", reason="wrong_address"
            ) from exc

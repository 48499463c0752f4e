"""The errors of Vivant, the same on both sides of the wire.

    VivantError
    ├── InvalidRequest      INVALID_ARGUMENT     the request breaks a rule of the contract; sending it again will not help
    ├── NotFound            NOT_FOUND            no such persona, voice, conversation
    ├── Unusable            FAILED_PRECONDITION  a persona, portrait or setting cannot be used as it is
    ├── Full                RESOURCE_EXHAUSTED   the service has all the sessions it can serve, or a bound was reached
    ├── Unavailable         UNAVAILABLE          the service is starting, gone or out of reach
    ├── Timeout             DEADLINE_EXCEEDED    the service did not answer in time
    ├── Unimplemented       UNIMPLEMENTED        the contract has room for it, this server does not do it
    └── Internal            INTERNAL             a fault in the service

Every error has a stable `reason` in snake_case for programs, a sentence for people that says what was wrong and what to do, and
`retryable`. Over gRPC the reason travels in the trailing metadata under `REASON_KEY`.
"""

from __future__ import annotations

from typing import ClassVar

import grpc

REASON_KEY = "vivant-reason"


class VivantError(Exception):
    """The root of all errors. `reason` defaults to that of the class."""

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    default_reason: ClassVar[str] = "unknown"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason


class InvalidRequest(VivantError):
    status = grpc.StatusCode.INVALID_ARGUMENT
    default_reason = "invalid_request"


class NotFound(VivantError):
    status = grpc.StatusCode.NOT_FOUND
    default_reason = "not_found"


class Unusable(VivantError):
    status = grpc.StatusCode.FAILED_PRECONDITION
    default_reason = "unusable"


class Full(VivantError):
    status = grpc.StatusCode.RESOURCE_EXHAUSTED
    default_reason = "full"
    retryable = True


class Unavailable(VivantError):
    status = grpc.StatusCode.UNAVAILABLE
    default_reason = "unavailable"
    retryable = True


class Timeout(VivantError):
    status = grpc.StatusCode.DEADLINE_EXCEEDED
    default_reason = "timeout"
    retryable = True


class Unimplemented(VivantError):
    status = grpc.StatusCode.UNIMPLEMENTED
    default_reason = "unimplemented"


class Internal(VivantError):
    status = grpc.StatusCode.INTERNAL
    default_reason = "internal"


_BY_STATUS: dict[grpc.StatusCode, type[VivantError]] = {
    error.status: error for error in (InvalidRequest, NotFound, Unusable, Full, Unavailable, Timeout, Unimplemented, Internal)
}
# A backend that dies behind a proxy ends its calls with CANCELLED.
_BY_STATUS[grpc.StatusCode.CANCELLED] = Unavailable
_BY_STATUS[grpc.StatusCode.UNKNOWN] = Internal


def from_rpc_error(error: grpc.aio.AioRpcError, what: str = "") -> VivantError:
    """Translates a failed call. `what` names the peer for the message, for example "asr at localhost:50051"."""
    kind = _BY_STATUS.get(error.code(), Internal)
    reason = None
    for key, value in error.trailing_metadata() or ():
        if key == REASON_KEY:
            reason = value if isinstance(value, str) else value.decode("ascii", "replace")
    detail = error.details() or error.code().name
    return kind(f"{what}: {detail}" if what else detail, reason=reason)

"""Headwater's errors, and their conversion to problem details (RFC 9457).

HeadwaterError
├── UserError                   4xx: an error of the caller; the message is safe to show
│   ├── BadRequest              400
│   ├── Unauthorized            401
│   ├── Forbidden               403
│   ├── NotFound                404
│   ├── MethodNotAllowed        405
│   ├── RequestTimeout          408
│   ├── Conflict                409
│   ├── PayloadTooLarge         413
│   ├── UriTooLong              414
│   ├── UnprocessableContent    422
│   ├── TooManyRequests         429
│   └── HeadersTooLarge         431
├── ServerBusy                  503: this instance has no capacity left, or shuts down: retry
├── UpstreamError               a service we depend on failed, possibly for a while: retry
│   └── DatabaseUnavailable
│       └── DatabaseRefuses
├── PermanentError              a retry would fail again: record it, don't retry
│   └── SystemicError           similar work would fail for the same reason: give up all of it
├── LeaseLost                   another worker has claimed the step: discard the result
└── ConfigError                 missing or invalid settings, all in one message

A class's name is the problem's type: `NotFound` → `urn:headwater:not-found`.
"""

from typing import Any

from headwater.redaction import escape


class HeadwaterError(Exception):
    """Base class of Headwater's errors; `message` is a sentence that says what to do.

    Characters that can't be printed are escaped. Quote other servers' texts with `redaction.quote`.
    """

    status = 500
    title = "Internal error"

    def __init__(self, message: str) -> None:
        message = escape(message)
        super().__init__(message)
        self.message = message


class UserError(HeadwaterError):
    """An error of the caller; `message` is safe to show.

    `fields` are extra members of the problem, such as `errors`.
    """

    status = 400
    title = "Bad request"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields


class BadRequest(UserError):
    """The request is malformed."""


class Unauthorized(UserError):
    """The caller is not authenticated."""

    status = 401
    title = "Unauthorized"


class Forbidden(UserError):
    """The caller is not allowed to do this."""

    status = 403
    title = "Forbidden"


class NotFound(UserError):
    """The resource does not exist, or the caller may not see it."""

    status = 404
    title = "Not found"


class MethodNotAllowed(UserError):
    """The resource does not support the method; `allowed` becomes the Allow header."""

    status = 405
    title = "Method not allowed"

    def __init__(self, message: str, allowed: list[str]) -> None:
        super().__init__(message, allowed=allowed)
        self.allowed = allowed


class RequestTimeout(UserError):
    """The caller sends the request too slowly."""

    status = 408
    title = "Request timeout"


class Conflict(UserError):
    """The resource's state does not allow this now."""

    status = 409
    title = "Conflict"


class PayloadTooLarge(UserError):
    """The body or a part of it is too large."""

    status = 413
    title = "Payload too large"


class UriTooLong(UserError):
    """The request line is too long."""

    status = 414
    title = "URL too long"


class UnprocessableContent(UserError):
    """The request is well-formed, but its content is invalid."""

    status = 422
    title = "Invalid request"


class TooManyRequests(UserError):
    """The caller exceeds a rate limit."""

    status = 429
    title = "Too many requests"


class HeadersTooLarge(UserError):
    """The headers are too large or too many."""

    status = 431
    title = "Headers too large"


class ServerBusy(HeadwaterError):
    """This instance has no capacity left, or shuts down; a retry soon may succeed."""

    status = 503
    title = "Server busy"
    retry_after_s = 2.0


MAX_RETRY_AFTER_S = 31_536_000.0
"""A year. A service that asks for a longer pause asks for this one, so that times can be computed with it."""


class UpstreamError(HeadwaterError):
    """A service we depend on failed; a retry may succeed.

    `retry_after_s`: the seconds to wait that the service asked for, at most `MAX_RETRY_AFTER_S`; None if it didn't ask,
    or for no number of seconds.
    """

    status = 503
    title = "Service unavailable"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = None
        if retry_after_s is not None and retry_after_s >= 0:  # false for NaN
            self.retry_after_s = min(retry_after_s, MAX_RETRY_AFTER_S)


class DatabaseUnavailable(UpstreamError):
    """The database is unreachable or refuses connections.

    `message` may name the server, for the log and the operator. Callers get `for_callers` if there is one.
    """

    title = "Database unavailable"

    def __init__(self, message: str, *, for_callers: str = "") -> None:
        super().__init__(message)
        self.for_callers = for_callers or self.message


class DatabaseRefuses(DatabaseUnavailable):
    """The database is full, read-only, or reports a conflict with another transaction."""

    title = "Database can't accept changes"


class PermanentError(HeadwaterError):
    """A retry would fail again."""

    status = 422
    title = "Request failed"


class SystemicError(PermanentError):
    """Similar work would fail for the same reason, such as an invalid API key or a missing setting."""


class LeaseLost(HeadwaterError):
    """Another worker has claimed the step; its fence is higher."""


class ConfigError(HeadwaterError):
    """Missing or invalid settings; one message lists all of them."""


def problem(error: BaseException, request_id: str | None = None) -> dict[str, Any]:
    """Return an error as RFC 9457 problem details.

    The message of an unexpected error is only logged: it may contain confidential data. So is the database's address.
    """
    if isinstance(error, HeadwaterError):
        status, title = error.status, error.title
        detail = error.for_callers if isinstance(error, DatabaseUnavailable) else error.message
        kind = "".join("-" + c.lower() if c.isupper() else c for c in type(error).__name__).lstrip("-")
    else:
        status, title, kind = 500, "Internal error", "internal-error"
        detail = "The server failed. Try again. If this continues, contact your administrator with the request id."
    fields = error.fields if isinstance(error, UserError) else {}
    described = {"type": f"urn:headwater:{kind}", "title": title, "status": status, "detail": detail, **fields}
    return described | ({"request_id": request_id} if request_id else {})

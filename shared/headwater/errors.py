"""The one error tree, and the one shape in which errors leave Headwater.

HeadwaterError
├── UserError                   4xx: the caller can mend it; the message is safe to show
│   ├── BadRequest              400
│   ├── Unauthorized            401
│   ├── Forbidden               403
│   ├── NotFound                404
│   ├── MethodNotAllowed        405
│   ├── Conflict                409
│   ├── PayloadTooLarge         413
│   ├── UnprocessableContent    422
│   └── TooManyRequests         429
├── UpstreamError               something we talk to failed; the same may succeed later: retry
│   └── DatabaseUnavailable
│       └── DatabaseRefuses
├── PermanentError              the same will fail again: record it, go on, do not retry
│   └── SystemicError           everything like it will fail for the same reason: give all of it up at once
├── LeaseLost                   another worker holds the step now: drop what was computed
└── ConfigError                 settings are missing or wrong; lists all of them at once

`problem()` turns any of them into RFC 9457 problem details.
"""

from typing import Any


class HeadwaterError(Exception):
    """Base of all errors raised on purpose."""

    status = 500
    title = "Internal error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UserError(HeadwaterError):
    """The caller can mend this; `message` is safe to show.

    `fields` are extra members of the problem, such as `errors`.
    """

    status = 400
    title = "Bad request"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields


class BadRequest(UserError):
    """The request can't be understood."""


class Unauthorized(UserError):
    """Nobody is known to be calling."""

    status = 401
    title = "Unauthorized"


class Forbidden(UserError):
    """The caller is known and may not do this."""

    status = 403
    title = "Forbidden"


class NotFound(UserError):
    """Nothing is here, or nothing that the caller may see."""

    status = 404
    title = "Not found"


class MethodNotAllowed(UserError):
    """The resource is here but doesn't take this method; `allowed` becomes the Allow header."""

    status = 405
    title = "Method not allowed"

    def __init__(self, message: str, allowed: list[str]) -> None:
        super().__init__(message, allowed=allowed)
        self.allowed = allowed


class Conflict(UserError):
    """The resource's present state forbids it."""

    status = 409
    title = "Conflict"


class PayloadTooLarge(UserError):
    """The body or a part of it is over a stated limit."""

    status = 413
    title = "Payload too large"


class UnprocessableContent(UserError):
    """The body is well-formed but its content can't be used."""

    status = 422
    title = "Unprocessable content"


class TooManyRequests(UserError):
    """The caller asks more often than it may."""

    status = 429
    title = "Too many requests"


class UpstreamError(HeadwaterError):
    """Something we talk to failed, and the same may succeed later.

    `retry_after_s` is what the other side asked for, in seconds, or None.
    """

    status = 503
    title = "Upstream unavailable"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DatabaseUnavailable(UpstreamError):
    """The database can't be reached or refuses connections."""

    title = "Database unavailable"


class DatabaseRefuses(DatabaseUnavailable):
    """The database answers, and refuses this for now: it is full, or read-only, or somebody else came first."""

    title = "Database refuses"


class PermanentError(HeadwaterError):
    """The same will fail again: it is recorded and not retried."""

    status = 422
    title = "Permanent failure"


class SystemicError(PermanentError):
    """Whatever else is asked like this fails for the same reason: a key that is refused, a setting that is missing."""


class LeaseLost(HeadwaterError):
    """The step's fence has risen: somebody else works on it now."""


class ConfigError(HeadwaterError):
    """One message that lists every setting that is missing or wrong."""


def problem(error: BaseException, request_id: str | None = None) -> dict[str, Any]:
    """Describe an error as RFC 9457 problem details.

    The text of an unexpected error stays in the log: it may hold what callers must not see.
    """
    if isinstance(error, HeadwaterError):
        status, title, detail = error.status, error.title, error.message
        kind = "".join("-" + c.lower() if c.isupper() else c for c in type(error).__name__).lstrip("-")
    else:
        status, title, kind = 500, "Internal error", "internal-error"
        detail = "Something failed on our side. Try again; if it stays, look in the log for the request id."
    fields = error.fields if isinstance(error, UserError) else {}
    described = {"type": f"urn:headwater:{kind}", "title": title, "status": status, "detail": detail, **fields}
    return described | ({"request_id": request_id} if request_id else {})

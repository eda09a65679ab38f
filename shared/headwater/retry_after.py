"""Read `Retry-After`, the header with which a server asks its clients to wait, and GitHub's `X-RateLimit-Reset`."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


def read_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait; None if it doesn't ask. `headers` ignores case.

    GitHub sends no `Retry-After` with its primary rate limit, but `X-RateLimit-Remaining: 0` and the time of the reset
    in seconds since 1970 (GitHub, "Rate limits for the REST API").
    """
    asked_s = read_retry_after(headers.get("Retry-After"))
    reset_at = headers.get("X-RateLimit-Reset", "")
    if asked_s is None and headers.get("X-RateLimit-Remaining") == "0" and _SECONDS.fullmatch(reset_at):
        return max(0.0, float(reset_at) - time.time())
    return asked_s


def read_retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, which has seconds or a date (RFC 9110, 10.2.3).

    None if it is missing or invalid, 0 for a date in the past. Fractions of a second are accepted, since some servers
    send them. The value may be very large, even infinite: UpstreamError limits it.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None

"""Read `Retry-After`, the header with which a server asks its clients to wait."""

import re
import time
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


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

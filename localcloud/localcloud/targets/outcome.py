"""One attempt to call a target, and its outcome. Used by Cloud Tasks and Cloud Scheduler."""

import asyncio
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

from localcloud.event_log import emit
from localcloud.http1 import ProtocolError
from localcloud.targets.outbound import OutboundRequest, OutboundResponse

DEADLINE_EXCEEDED = 504
UNREACHABLE = 503

# google.rpc.Code by HTTP status: the mapping in google/rpc/code.proto.
_RPC_CODES = {
    400: (3, "INVALID_ARGUMENT"),
    401: (16, "UNAUTHENTICATED"),
    403: (7, "PERMISSION_DENIED"),
    404: (5, "NOT_FOUND"),
    409: (10, "ABORTED"),
    429: (8, "RESOURCE_EXHAUSTED"),
    499: (1, "CANCELLED"),
    500: (13, "INTERNAL"),
    501: (12, "UNIMPLEMENTED"),
    503: (14, "UNAVAILABLE"),
    504: (4, "DEADLINE_EXCEEDED"),
}


class Sender(Protocol):
    """Sends requests: `Outbound`, or a wrapper of it."""

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send a request and return the response. Errors: OSError (no response), ProtocolError (not HTTP)."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an attempt. `answered`: False without a response; `status` is then 503 or 504."""

    dispatched_at: float
    ended_at: float
    status: int
    answered: bool
    retry_after_s: float = 0.0
    reason: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the response was 200 to 299. A redirect is a failure."""
        return self.answered and 200 <= self.status <= 299

    @property
    def overloaded(self) -> bool:
        """Whether the target asked to slow down (429, 503)."""
        return self.answered and self.status in (429, 503)

    @property
    def executed(self) -> bool:
        """Whether the attempt counts as an execution: a response below 500."""
        return self.answered and self.status < 500

    @property
    def rpc_code(self) -> tuple[int, str]:
        """Number and name of the google.rpc.Code that reports a failure."""
        if self.status in _RPC_CODES:
            return _RPC_CODES[self.status]
        if 400 <= self.status <= 499:
            return 9, "FAILED_PRECONDITION"
        return (13, "INTERNAL") if 500 <= self.status <= 599 else (2, "UNKNOWN")


async def attempt(sender: Sender, request_at: Callable[[float], OutboundRequest], deadline_s: float) -> Outcome:
    """Send the request that `request_at` returns for the current time. Never raises: every failure is an outcome."""
    dispatched_at = time.time()
    status, reason = UNREACHABLE, ""
    try:
        async with asyncio.timeout(deadline_s) as deadline:
            response = await sender.send(request_at(dispatched_at))
        return outcome_of(response, dispatched_at=dispatched_at, now=time.time())
    except (OSError, ProtocolError) as error:
        if deadline.expired():
            status, reason = DEADLINE_EXCEEDED, f"no response within {deadline_s:g}s"
        else:
            reason = str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 - boundary: a defect must fail the attempt, not lose its task
        emit("ERROR", "attempt failed with an unexpected error", action="attempt", stack_trace=traceback.format_exc())
        reason = repr(error)
    return Outcome(dispatched_at, time.time(), status, answered=False, reason=reason)


def outcome_of(response: OutboundResponse, *, dispatched_at: float, now: float) -> Outcome:
    """Return the outcome of an attempt that got a response."""
    retry_after_s = parse_retry_after(response.headers.get("retry-after", ""), now)
    return Outcome(dispatched_at, now, response.status, answered=True, retry_after_s=retry_after_s)


def parse_retry_after(value: str, now: float) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3), given as seconds or a date; 0 if it is neither."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return 0.0

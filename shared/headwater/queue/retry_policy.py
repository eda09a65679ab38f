"""The retry policy: decide after a step's error whether and when to retry it. Pure.

Exponential backoff with full jitter: `delay = random · min(cap, base · 2^attempt)`; source: Marc Brooker, "Exponential
Backoff And Jitter", AWS Architecture Blog, 2015. With base 1 s, cap 300 s and `random` = 1, the failures 0, 1, 2, 3 …
wait 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 … seconds. Twelve attempts on an upstream error last up to 1111 s, half
of it on average; five attempts on an unexpected error last up to 15 s.
"""

from dataclasses import dataclass

from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError, UserError

BASE_S = 1.0
CAP_S = 300.0
MAX_RETRY_AFTER_S = 3600.0
"""Cap on `Retry-After`, so that one header can't delay a run for days."""


@dataclass(frozen=True)
class Retry:
    """Retry in `delay_s`."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """Fail the step with `reason`; `is_systemic`: all steps of its kind in the run would fail too."""

    reason: str
    is_systemic: bool = False


def backoff_s(attempt: int, random: float) -> float:
    """Return the seconds to wait after failure number `attempt` (from 0); `random` is in [0, 1)."""
    return random * min(CAP_S, BASE_S * 2.0 ** min(attempt, 30))


def decide(
    error: BaseException, *, attempt: int, max_attempts: int, max_upstream_attempts: int, random: float
) -> Retry | GiveUp:
    """Decide what follows an error, the `attempt`-th (from 0) of its step.

    Upstream errors are tried `max_upstream_attempts` times, unexpected errors `max_attempts` times. The delay is at
    least the error's `Retry-After`, up to `MAX_RETRY_AFTER_S`; jitter is added so that steps don't retry at the same
    moment.
    """
    if isinstance(error, PermanentError | UserError):
        return GiveUp(error.message, is_systemic=isinstance(error, SystemicError))
    reason = error.message if isinstance(error, HeadwaterError) else f"Unexpected {type(error).__name__}. See the log."
    limit = max_upstream_attempts if isinstance(error, UpstreamError) else max_attempts
    if attempt + 1 >= limit:
        return GiveUp(f"{reason} Gave up after {attempt + 1} attempts.")
    retry_after_s = error.retry_after_s if isinstance(error, UpstreamError) else None
    return Retry(min(retry_after_s or 0.0, MAX_RETRY_AFTER_S) + backoff_s(attempt, random))

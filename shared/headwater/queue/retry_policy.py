"""The retry policy: decide after a step's error whether and when to retry it. Pure.

Exponential backoff with full jitter: `delay = random · min(cap, base · 2^attempt)`; source: Marc Brooker, "Exponential
Backoff And Jitter", AWS Architecture Blog, 2015. With base 1 s, cap 300 s and `random` = 1, the failures 0, 1, 2, 3 …
wait 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 … seconds. Twelve attempts on an upstream error last up to 1111 s, half
of it on average; five attempts on an unexpected error last up to 15 s.

A pause that the provider asks for (`Retry-After`) is added. A step whose patience would end before the pause fails now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError, UserError

BASE_S = 1.0
CAP_S = 300.0


@dataclass(frozen=True)
class Limits:
    """Limits of retries: attempts at unexpected errors and at upstream errors, and the patience with pauses.

    `patience_s` is the time from a step's first failure to the end of a pause that its provider asks for.
    """

    max_attempts: int
    max_upstream_attempts: int
    patience_s: float


@dataclass(frozen=True)
class Retry:
    """Retry in `delay_s`, of which `pause_s` are the pause that the provider asked for, because of `reason`."""

    reason: str
    delay_s: float
    pause_s: float
    max_attempts: int


@dataclass(frozen=True)
class GiveUp:
    """Fail the step with `reason`; `is_systemic`: all steps of its kind in the run would fail too."""

    reason: str
    is_systemic: bool = False


def backoff_s(attempt: int, random: float) -> float:
    """Return the seconds to wait after failure number `attempt` (from 0); `random` is in [0, 1)."""
    return random * min(CAP_S, BASE_S * 2.0 ** min(attempt, 30))


def decide(
    error: BaseException,
    limits: Limits,
    *,
    attempt: int,
    failing_s: float,
    server: str,
    now: datetime,
    random: float,
) -> Retry | GiveUp:
    """Decide what follows an error, the `attempt`-th (from 0) of its step, `failing_s` after its first.

    The delay is at least the pause that the provider asks for; jitter is added so that steps don't retry at the same
    moment. A pause that is longer than the step's patience concerns all steps of the run that call the provider.
    """
    if isinstance(error, PermanentError | UserError):
        return GiveUp(error.message, is_systemic=isinstance(error, SystemicError))
    reason = error.message if isinstance(error, HeadwaterError) else f"Unexpected {type(error).__name__}. See the log."
    max_attempts = limits.max_upstream_attempts if isinstance(error, UpstreamError) else limits.max_attempts
    if attempt + 1 >= max_attempts:
        return GiveUp(f"{reason} Gave up after {attempt + 1} attempts.")
    pause_s = (error.retry_after_s if isinstance(error, UpstreamError) else None) or 0.0
    if pause_s and failing_s + pause_s > limits.patience_s:
        until = now + timedelta(seconds=pause_s)
        return GiveUp(
            f"{reason} {server} asks to wait until {until:%Y-%m-%d %H:%M} UTC, longer than Headwater waits: "
            f"{limits.patience_s:g} seconds in total (PROVIDER_PATIENCE_S). Try again then.",
            is_systemic=True,
        )
    return Retry(reason, pause_s + backoff_s(attempt, random), pause_s, max_attempts)

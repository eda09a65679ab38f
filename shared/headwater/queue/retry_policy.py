"""What a failure means: an error and a count flow in, a decision flows out. Pure.

Full jitter: `delay = random · min(cap, base · 2^attempt)`; source: Marc Brooker, "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015. With base 1 s and cap 300 s, and `random` = 1, the failures 0, 1, 2, 3 … wait
1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 … seconds. Twelve attempts at something that doesn't answer so last up to
1111 s, half of it on average; five at something unforeseen up to 15 s.
"""

from dataclasses import dataclass

from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError, UserError

BASE_S = 1.0
CAP_S = 300.0
MAX_RETRY_AFTER_S = 3600.0
"""What asks for more is asked again after this: a run isn't held for days by one header."""


@dataclass(frozen=True)
class Retry:
    """Try again in `delay_s`."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """Record `reason` and go on without it; `is_systemic` when nothing like it can succeed either."""

    reason: str
    is_systemic: bool = False


def backoff_s(attempt: int, random: float) -> float:
    """Return how long to wait after failure number `attempt` (from 0); `random` lies in [0, 1)."""
    return random * min(CAP_S, BASE_S * 2.0 ** min(attempt, 30))


def decide(
    error: BaseException, *, attempt: int, max_attempts: int, max_upstream_attempts: int, random: float
) -> Retry | GiveUp:
    """Decide what follows an error, the `attempt`-th (from 0) of its step.

    What somebody else fails at is tried `max_upstream_attempts` times, what nobody foresaw `max_attempts` times.
    What another side asks to wait (`Retry-After`) is waited at least, up to `MAX_RETRY_AFTER_S`, with the jitter on top so
    that not all come back at once.
    """
    if isinstance(error, PermanentError | UserError):
        return GiveUp(error.message, is_systemic=isinstance(error, SystemicError))
    reason = error.message if isinstance(error, HeadwaterError) else f"Unexpected {type(error).__name__}; see the log."
    limit = max_upstream_attempts if isinstance(error, UpstreamError) else max_attempts
    if attempt + 1 >= limit:
        return GiveUp(f"{reason} Given up after {attempt + 1} attempts.")
    retry_after_s = error.retry_after_s if isinstance(error, UpstreamError) else None
    return Retry(min(retry_after_s or 0.0, MAX_RETRY_AFTER_S) + backoff_s(attempt, random))

"""Retry intervals and limits, as Cloud Tasks' RetryConfig defines them. Pure."""

_MAX_DOUBLINGS = 64  # bounds the power below; more doublings exceed any max_backoff


def backoff(retry: int, *, min_backoff_s: float, max_backoff_s: float, max_doublings: int) -> float:
    """Return the seconds before a retry; `retry` counts from 1.

    The interval starts at `min_backoff_s`, doubles `max_doublings` times, then grows linearly by the last doubled
    interval, and stays at `max_backoff_s` (RetryConfig.max_doublings). With 10 s, 300 s and 3: 10, 20, 40, 80, 160,
    240, 300, 300, …
    """
    doublings = min(retry - 1, max_doublings, _MAX_DOUBLINGS)
    steps_beyond = max(retry - 1 - max_doublings, 0)
    return min(min_backoff_s * 2.0**doublings * (steps_beyond + 1), max_backoff_s)


def retries_exhausted(attempts: int, elapsed_s: float, *, max_attempts: int, max_retry_duration_s: float) -> bool:
    """Return True if a task is not retried: it failed `attempts` times, and `elapsed_s` passed since its first attempt.

    Both limits must be reached (RetryConfig.max_attempts). `max_attempts` -1 and `max_retry_duration_s` 0 mean no
    limit: the other one decides alone. Without limits, a task is retried until its retention ends.
    """
    limits = []
    if max_attempts != -1:
        limits.append(attempts >= max_attempts)
    if max_retry_duration_s > 0:
        limits.append(elapsed_s >= max_retry_duration_s)
    return bool(limits) and all(limits)

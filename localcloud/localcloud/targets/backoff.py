"""When to try again: pure arithmetic that Cloud Tasks' documentation defines, with its worked example.

Called by the dispatcher with counts and seconds; answers with seconds and a yes or no.
"""

_MANY_DOUBLINGS = 64  # beyond, any interval is far past any max_backoff; bounds the power below


def backoff(retry: int, *, min_backoff_s: float, max_backoff_s: float, max_doublings: int) -> float:
    """Return the seconds to wait before the `retry`-th retry (1 is the first).

    The interval starts at `min_backoff_s`, doubles `max_doublings` times, then grows linearly by the last doubled
    interval, and stays at `max_backoff_s` (RetryConfig.max_doublings). With 10 s, 300 s and 3: 10, 20, 40, 80, 160,
    240, 300, 300, …
    """
    doublings = min(retry - 1, max_doublings, _MANY_DOUBLINGS)
    steps_beyond = max(retry - 1 - max_doublings, 0)
    return min(min_backoff_s * 2.0**doublings * (steps_beyond + 1), max_backoff_s)


def gives_up(attempts: int, elapsed_s: float, *, max_attempts: int, max_retry_duration_s: float) -> bool:
    """Say whether a task that failed `attempts` times, first tried `elapsed_s` ago, is not tried again.

    Only when both limits are met (RetryConfig.max_attempts). `max_attempts` -1 and `max_retry_duration_s` 0 mean no
    such limit: then the other decides alone; with neither the task is tried until its retention ends.
    """
    limits = []
    if max_attempts != -1:
        limits.append(attempts >= max_attempts)
    if max_retry_duration_s > 0:
        limits.append(elapsed_s >= max_retry_duration_s)
    return bool(limits) and all(limits)

"""Notify the streams of this instance when the answer that they follow ends, before their next poll."""

import threading
import uuid
from collections import defaultdict

_lock = threading.Lock()
_waiting: defaultdict[uuid.UUID, set[threading.Event]] = defaultdict(set)


def wait_for_end(answer_id: uuid.UUID, timeout_s: float) -> None:
    """Return when the answer ends on this instance, or the time is over."""
    ended = threading.Event()
    with _lock:
        _waiting[answer_id].add(ended)
    try:
        ended.wait(timeout_s)
    finally:
        with _lock:
            _waiting[answer_id].discard(ended)
            if not _waiting[answer_id]:
                del _waiting[answer_id]


def signal_end(answer_id: uuid.UUID) -> None:
    """Wake what waits for the answer's end. Called after the commit that ends it."""
    with _lock:
        for ended in _waiting.get(answer_id, ()):
            ended.set()

"""Limit the long requests of an instance: streams of answers, drains of tickets.

Each holds a thread. gunicorn's pool has as many threads for them as the limit, and `THREADS` more for short requests.
"""

import threading
import uuid
from collections import Counter
from collections.abc import Callable

from headwater.errors import ServerBusy


class LongRequests:
    """Slots for at most `limit` long requests.

    The last eighth is for workspaces that hold less than an eighth, so that one workspace can't keep out all others.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._reserve = limit // 8
        self._open: Counter[uuid.UUID | None] = Counter()
        self._lock = threading.Lock()

    def enter(self, workspace_id: uuid.UUID | None, kind: str) -> Callable[[], None]:
        """Take a slot. Returns the function that releases it. Without a workspace, there is no share.

        Raises ServerBusy, which names the `kind` of requests, if no slot is free.
        """
        with self._lock:
            is_large = workspace_id is not None and self._open[workspace_id] >= self._reserve
            if self._open.total() >= self.limit - (self._reserve if is_large else 0):
                raise ServerBusy(f"The server has reached its limit of concurrent {kind}. Try again in a few seconds.")
            self._open[workspace_id] += 1
        return lambda: self._leave(workspace_id)

    def _leave(self, workspace_id: uuid.UUID | None) -> None:
        with self._lock:
            self._open[workspace_id] -= 1
            if not self._open[workspace_id]:
                del self._open[workspace_id]

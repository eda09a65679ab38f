"""Check sources before they are saved: reach their servers, a few at a time and for a limited time."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.errors import ServerBusy, TooManyRequests, UnprocessableContent
from headwater.outbound.deadline import NotWanted, while_wanted, within

CHECK_S = 10.0
"""Seconds for a check."""

MAX_CHECKS = 2
"""Checks at a time on one instance, of different workspaces: slow servers must not occupy the threads of the API."""


class SourceChecks:
    """Checks sources of an instance."""

    def __init__(self, opener: SourceOpener) -> None:
        self._opener = opener
        self._running: Counter[uuid.UUID] = Counter()
        self._lock = threading.Lock()

    def check(self, workspace_id: uuid.UUID, source: Credentials, is_wanted: Callable[[], bool]) -> None:
        """Reach a source's server while `is_wanted()`.

        Raises UnprocessableContent with the reason and what to do; TooManyRequests or ServerBusy if other checks run.
        """
        try:
            with self._slot(workspace_id), within(CHECK_S), while_wanted(is_wanted):
                self._opener.open(source).check()
        except NotWanted as error:
            raise UnprocessableContent("The check was ended, because its caller has disconnected.") from error

    @contextmanager
    def _slot(self, workspace_id: uuid.UUID) -> Iterator[None]:
        with self._lock:
            if self._running[workspace_id]:
                raise TooManyRequests(
                    "Another source of this workspace is being checked, which takes 10 seconds at most. Try again then."
                )
            if self._running.total() >= MAX_CHECKS:
                raise ServerBusy("The server is checking sources of other workspaces. Try again in a few seconds.")
            self._running[workspace_id] += 1
        try:
            yield
        finally:
            with self._lock:
                del self._running[workspace_id]

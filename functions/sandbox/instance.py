"""One instance serves one workspace: the first that calls it. A call for another one ends the instance."""

import os
import signal
from uuid import UUID


class Instance:
    """Which workspace this instance belongs to."""

    def __init__(self) -> None:
        self._workspace_id: UUID | None = None
        self._is_ending = False

    def take(self, workspace_id: UUID) -> bool:
        """Return whether the instance may serve a workspace. If not, it will serve no other request either."""
        if self._workspace_id is None:
            self._workspace_id = workspace_id
        if workspace_id != self._workspace_id:
            self._is_ending = True
        return not self._is_ending

    def end(self) -> None:
        """End the instance, once this request is answered: ask gunicorn's first process to stop."""
        os.kill(os.getppid(), signal.SIGTERM)

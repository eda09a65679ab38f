"""End a process's work before one of its commits, as a kill does."""

import threading

import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES, Database


class Killed(BaseException):
    """Stands for the end of a process: nothing handles it."""


class KillSwitch:
    """Ends the step before its n-th commit."""

    def __init__(self, database: Database, at: int) -> None:
        self.left = at
        self._lock = threading.Lock()
        self._engine = database.engine
        sa.event.listen(self._engine, "commit", self._count)

    def _count(self, connection: sa.Connection) -> None:
        if "_read" in threading.current_thread().name:  # the client's
            return
        with self._lock:
            self.left -= 1
            if self.left == 0:
                # As Postgres does. The connection returns to the pool, which takes it for one that has been committed.
                connection.connection.rollback()
                raise Killed

    def remove(self) -> None:
        """Kill nothing any more."""
        sa.event.remove(self._engine, "commit", self._count)


def take_back(database: Database) -> None:
    """Return running steps to the queue, as the watchdog does when their leases have expired."""
    with database.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("update steps set state = 'ready', lease_until = null where state = 'running'"))

"""The SQLite database in the data folder; only one process can open it.

Each service has its own tables and statements. A statement outside `transaction()` is a transaction of its own.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Stored in the file. Incremented when a table changes, so that an old file is rejected instead of misread.
SCHEMA_VERSION = 1


class StoreError(Exception):
    """The data folder cannot be used. The message says why and what to do."""


class Store:
    """A database connection. Writes that returned survive `kill -9`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def rows(self, statement: str, *values: object) -> list[Any]:
        """Run one statement and return all its rows, as tuples."""
        return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: object) -> Any:
        """Run one statement and return its first row, or None."""
        rows = self.rows(statement, *values)
        return rows[0] if rows else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block's statements in one transaction."""
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def close(self) -> None:
        """Close the database and merge its write-ahead log."""
        self._connection.close()


def open_store(folder: Path, schemas: Iterable[str]) -> Store:
    """Open or create the database in `folder`, locked for this process. Errors: StoreError.

    `schemas`: statements separated by `;`, which comments must not contain.

    With a write-ahead log and synchronous=NORMAL, each commit is handed to the operating system before it returns:
    `kill -9` loses nothing; a power failure may lose the last commits but does not damage the file. The lock is
    released when the process ends.
    """
    path = folder / "localcloud.db"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        connection = sqlite3.connect(path, timeout=0.5, isolation_level=None)
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("begin immediate")
        version = connection.execute("pragma user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise StoreError(
                f"{path} is from an incompatible version of localcloud. Delete it to start with an empty one."
            )
        for schema in schemas:
            for statement in schema.split(";"):
                connection.execute(statement)
        connection.execute(f"pragma user_version = {SCHEMA_VERSION}")
        connection.execute("commit")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError(
                f"{folder} is in use by another localcloud. Stop it or choose another --data folder."
            ) from error
        raise StoreError(f"Cannot open {path}: {error}") from error
    except (OSError, sqlite3.DatabaseError) as error:
        raise StoreError(f"Cannot open {path}: {error}") from error
    return Store(connection)

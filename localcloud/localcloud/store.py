"""What must survive: one SQLite database in the data folder, opened by one process.

Services bring their own tables (`schema`) and their own statements. A statement outside `transaction()` is a
transaction of its own.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Part of the file: raised when a table changes, so that an old file is refused instead of misread.
SCHEMA_VERSION = 1


class StoreError(Exception):
    """The data folder can't be used; the message says why and what to do."""


class Store:
    """A connection whose writes survive the death of the process as soon as they return."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def rows(self, statement: str, *values: object) -> list[Any]:
        """Run one statement and return all its rows, as tuples."""
        return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: object) -> Any:
        """Run one statement and return its first row, None when there is none."""
        rows = self.rows(statement, *values)
        return rows[0] if rows else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let the statements within count all or not at all."""
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def close(self) -> None:
        """Close the database; its write-ahead log is folded in."""
        self._connection.close()


def open_store(folder: Path, schemas: Iterable[str]) -> Store:
    """Open (or create) the database in `folder` for this process alone. Errors: StoreError.

    The write-ahead log with synchronous=NORMAL hands each commit to the operating system before it returns: `kill -9`
    loses nothing; only a power failure may lose the last moments, never damage the file. The exclusive lock goes with
    the process.
    """
    path = folder / "localcloud.db"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=0.5, isolation_level=None)
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("begin immediate")
        version = connection.execute("pragma user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise StoreError(f"{path} was written by another version of localcloud; delete it to start afresh")
        for schema in schemas:
            for statement in schema.split(";"):
                connection.execute(statement)
        connection.execute(f"pragma user_version = {SCHEMA_VERSION}")
        connection.execute("commit")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError(
                f"{folder} is in use by another localcloud; stop that one or choose another --data"
            ) from error
        raise StoreError(f"{path} can't be used: {error}") from error
    except (OSError, sqlite3.DatabaseError) as error:
        raise StoreError(f"{path} can't be used: {error}") from error
    return Store(connection)

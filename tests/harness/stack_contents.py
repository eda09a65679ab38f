"""What a running stack has stored, to find out whether an attack has changed anything."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from hashlib import sha256

from scripts.local.postgres import Cluster
from tests.harness.stacks import RunningStack

_COLUMNS = {"scheduler_jobs": "id, name, state, config, user_update_time"}
"""Columns of localcloud's tables that don't change by themselves, as the schedule's do every quarter of an hour."""

_OF_TASKS = {"tasks", "finished"}
"""Tables that the watchdog's tickets of other tests change. What tasks do shows in the database."""


def contents(stack: RunningStack) -> dict[str, object]:
    """Return a hash of each table of the database and of localcloud's, by name."""
    return _of_database(stack) | _of_localcloud(stack)


def _of_database(stack: RunningStack) -> dict[str, object]:
    cluster = Cluster(stack.data / "pg", stack.ports["postgres"])
    with closing(cluster.connect("headwater")) as connection:
        cursor = connection.cursor()
        cursor.execute("select tablename from pg_tables where schemaname = 'headwater'")
        hashes = [
            f"select '{name}', md5(string_agg(t::text, '' order by t::text)) from headwater.{name} t"
            for (name,) in cursor.fetchall()
        ]
        cursor.execute(" union all ".join(hashes))
        return dict(cursor.fetchall())


def _of_localcloud(stack: RunningStack) -> dict[str, object]:
    """Read a copy, since localcloud has locked its file."""
    with tempfile.TemporaryDirectory() as folder:
        for path in (stack.data / "cloud").glob("localcloud.db*"):
            shutil.copy(path, folder)
        with closing(sqlite3.connect(f"{folder}/localcloud.db")) as copy:
            tables = copy.execute("select name from sqlite_master where type = 'table'").fetchall()
            rows = {
                name: sorted(map(repr, copy.execute(f"select {_COLUMNS.get(name, '*')} from {name}")))
                for (name,) in tables
            }
    return {
        f"localcloud.{name}": sha256("".join(each).encode()).hexdigest()
        for name, each in rows.items()
        if name not in _OF_TASKS
    }

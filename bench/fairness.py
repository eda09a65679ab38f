"""Measure how fairly steps of small and large workspaces share the workers.

    python -m bench.fairness

The whole stack collects 200 Git repositories at once, ten in each of 20 workspaces; every fifth workspace has far
larger ones. From the ledger's times, for every stretch of three turns per workspace, the bench computes which share of
an equal one the worst-served workspace got, among those that waited throughout. The comparison is a plain queue's order
of the same steps: oldest due first, regardless of workspace. The functions' connections are counted meanwhile.
"""

import argparse
import shlex
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from functions.collection.runs.start import start_run
from functions.collection.sources.sources import NewSource, create_source
from headwater.config import Settings, read_settings
from headwater.database.transactions import ALL_WORKSPACES, OVERFLOW, Database
from headwater.queue.tickets import Tickets
from tests.harness.pipeline import Repository
from tests.harness.stacks import running_stack, temporary_data
from tests.harness.support import add_workspace

WORKSPACES, SOURCES = 20, 10
FEW, MANY = 24, 160
"""Files per source: in most workspaces, and in every fifth."""
STRETCH = 3 * WORKSPACES


@dataclass(frozen=True)
class Turn:
    """A step: its workspace, and when it became due and was claimed, in seconds."""

    workspace_id: uuid.UUID
    due: float
    claimed: float


class ConnectionCounter:
    """Samples the functions' connections and keeps the maximum."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, 1)
        self.maximum = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            with self.database.engine.connect() as tx:
                self.maximum = max(self.maximum, tx.exec_driver_sql(_CONNECTIONS).scalar_one())

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count until the block ends."""
        self._thread.start()
        yield
        self._stop.set()
        self._thread.join()
        self.database.close()


def add_sources(database: Database, settings: Settings, folder: Path) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Create workspaces and their sources; returns the IDs of workspace and source."""
    created = []
    for n in range(WORKSPACES):
        workspace_id = add_workspace(database, uuid.uuid4())
        for m in range(SOURCES):
            repository = Repository(folder / f"{n}-{m}")
            files = range(MANY if n % 5 == 0 else FEW)
            repository.write({f"{f:03}.md": f"# Page {f} of {n}-{m}\n\nValve {n}.{m}.{f} opens.\n" for f in files})
            new = NewSource("git", f"source {m}", {"url": repository.url})
            with database.transaction(workspace_id) as tx:
                created.append((workspace_id, create_source(tx, workspace_id, new, settings).id))
    return created


def collect(database: Database, settings: Settings, sources: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> float:
    """Collect all sources at once; returns the seconds that took."""
    tickets = Tickets(database, settings)
    tickets.arm_watchdog()
    started = time.monotonic()
    for workspace_id, source_id in sources:
        with database.transaction(workspace_id) as tx:
            start_run(tx, workspace_id, source_id, "api")
    tickets.wake(["collection"])
    while count_ended(database) < len(sources):
        time.sleep(0.2)
    return time.monotonic() - started


def count_ended(database: Database) -> int:
    """Return the number of ended runs."""
    with database.transaction(ALL_WORKSPACES) as tx:
        ended: int = tx.execute(sa.text("select count(*) from runs where state <> 'running'")).scalar_one()
    return ended


def worst_share(turns: Sequence[Turn]) -> float:
    """Return the smallest share of an equal one that a workspace got in a stretch of turns through which it waited."""
    worst = 1.0
    for start in range(0, len(turns) - STRETCH, WORKSPACES):
        stretch = turns[start : start + STRETCH]
        begin, end = stretch[0].claimed, stretch[-1].claimed
        waiting = {turn.workspace_id for turn in turns if turn.due <= begin and turn.claimed > end}
        served = Counter(turn.workspace_id for turn in stretch)
        fair = STRETCH / len(waiting | served.keys())
        worst = min([worst, *(served[name] / fair for name in waiting)])
    return worst


def in_plain_order(turns: Sequence[Turn]) -> list[Turn]:
    """Return the same steps in a plain queue's order: oldest due first."""
    order = sorted(turns, key=lambda turn: turn.due)
    return [Turn(step.workspace_id, step.due, turn.claimed) for step, turn in zip(order, turns, strict=True)]


def main() -> None:
    """Collect, and print the shares."""
    argparse.ArgumentParser(
        prog="python -m bench.fairness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary_data() as data:
        data.mkdir()
        (data / ".env").write_text("FETCH_BATCH=8\n")
        with running_stack(data, "--embedding-model", "constant") as stack:
            variables = (shlex.split(line)[-1].partition("=") for line in (stack.data / "env").read_text().splitlines())
            settings = read_settings({name: value for name, _, value in variables})
            database, counter = Database(settings.database_url, 2), ConnectionCounter(settings.database_admin_url)
            sources = add_sources(database, settings, Path(folder))
            with counter.counting():
                seconds = collect(database, settings, sources)
            with database.transaction(ALL_WORKSPACES) as tx:
                states = {row.state: row.n for row in tx.execute(sa.text(_STATES))}
                failures = tx.execute(sa.text(_FAILURES)).scalar_one()
                turns = [Turn(*row) for row in tx.execute(sa.text(_TURNS))]
            database.close()
    limit = 2 * (settings.database_pool_size + OVERFLOW)
    print(f"{len(sources)} sources in {seconds:.0f} s, {len(turns):,} steps of collection; runs: {states}")
    print(f"steps that failed or were retried: {failures}")
    ours, plain = worst_share(turns), worst_share(in_plain_order(turns))
    print(f"smallest share: {ours:.2f} of an equal one; in a plain queue {plain:.2f}")
    print(f"maximum connections: {counter.maximum}, limit {limit}")


_CONNECTIONS = "select count(*) from pg_stat_activity where usename = 'app' and application_name = 'headwater'"
_STATES = "select state, count(*) as n from runs group by state"
_FAILURES = "select count(*) from steps where attempt + lost > 0 or state <> 'done'"
_TURNS = """
    select workspace_id, extract(epoch from not_before)::float8, extract(epoch from started_at)::float8
    from steps where queue = 'collection' order by started_at
"""

if __name__ == "__main__":
    main()

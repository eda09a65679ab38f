"""Measure empty steps per second, with and without a million finished steps in the table.

    python -m bench.ledger

Empty steps are run by job workers, by a function that localcloud's tickets wake, and by job workers again with a
million finished steps in the table. The comparison is a minimal queue in Postgres: a table, `for update skip locked`,
two transactions per job, on the same driver, without leases, fences, fairness or runs. CPU time of workers and database
is printed too, since other processes may use the machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask
import functions_framework
import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bench.cold_start import free_port
from functions.job.database_retry import DatabaseRetry
from functions.job.work import JobWorker
from headwater.config import Settings, get_settings
from headwater.database.migrations import upgrade
from headwater.database.transactions import ALL_WORKSPACES, Database, owner_session, owner_transaction
from headwater.queue import ledger
from headwater.queue.drain_route import drain_route
from headwater.queue.ledger import NewStep, Step
from headwater.queue.tickets import QUEUES, Tickets
from headwater.queue.worker import StepResult
from headwater.web.app import App
from headwater.web.once import once
from headwater.web.shutdown import get_lifetime
from scripts.local.postgres import Cluster, temporary_cluster
from tests.harness.localcloud import Cloud, localcloud
from tests.harness.support import add_run, add_workspace, queue_settings

ROOT = Path(__file__).resolve().parent.parent
WORKSPACES = 4


class Empty:
    """A step that does nothing."""

    def gather(self, tx: Connection, step: Step) -> None:
        """Read nothing."""

    def compute(self, gathered: None) -> None:
        """Do nothing."""

    def apply(self, tx: Connection, step: Step, computed: None) -> StepResult:  # noqa: ARG002
        """Write nothing."""
        return StepResult()

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Do nothing; these steps don't fail."""


class End(Empty):
    """The last step of a run."""

    def apply(self, tx: Connection, step: Step, computed: None) -> StepResult:  # noqa: ARG002
        """End the run."""
        tx.execute(_END, {"id": step.run_id})
        return StepResult()


HANDLERS = {"fetch": Empty(), "finish": End()}


@once
def app() -> App:
    """Build a function that drains the queue of empty steps; gunicorn loads it from this file."""
    settings = get_settings()
    database = Database.from_settings(settings)
    tickets = Tickets(database, settings)
    drain = drain_route(tickets, "collection", get_lifetime(), lambda: HANDLERS)
    return App("collection", settings, [drain], database)


@functions_framework.http
def empty(request: flask.Request) -> flask.Response:
    """Handle a ticket."""
    return app()(request)


def work_as_job(url: str) -> float:
    """Run a job worker until no run is open; returns its CPU seconds."""
    started_s = time.process_time()
    database = Database(url, 2)
    job = JobWorker(database, Settings(database_url=url), get_lifetime(), DatabaseRetry())
    job.worker.handlers = HANDLERS

    def is_open() -> bool:
        with database.transaction(ALL_WORKSPACES) as tx:
            return ledger.has_open_runs(tx)

    job.work(is_open)
    return time.process_time() - started_s


def work_as_peer(url: str) -> float:
    """Run a worker of the plain queue until the queue is empty; returns its CPU seconds."""
    started_s = time.process_time()
    database = Database(url, 1)
    while True:
        with database.transaction(ALL_WORKSPACES) as tx:
            job = tx.execute(_PEER_CLAIM).scalar_one_or_none()
        if job is None:
            return time.process_time() - started_s
        with database.transaction(ALL_WORKSPACES) as tx:
            tx.execute(_PEER_DONE, {"id": job})


@dataclass(frozen=True)
class Rate:
    """Steps per second of a round, and CPU ms per step of all processes involved."""

    per_s: float
    cpu_ms: float


class Bench:
    """A database, and the measurements on it."""

    def __init__(self, cluster: Cluster, steps: int, workers: int) -> None:
        cluster.execute("create database bench")
        self.url = cluster.url("bench", role="app", password="bench")
        upgrade(cluster.url("bench"), self.url)
        self.cluster, self.steps, self.workers = cluster, steps, workers
        self.database = Database(self.url, 2)
        self.postgres = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split()[0]))
        self.workspaces = [add_workspace(self.database, uuid.uuid4()) for _ in range(WORKSPACES)]
        self.sql(_PEER_TABLE)
        self.sql("create index on jobs (id) where state = 'ready'")
        self.sql("grant all on jobs to app")

    def sql(self, statement: str) -> None:
        """Run a statement as the owner."""
        self.cluster.execute("set search_path = headwater, public", statement, database="bench")

    def add_steps(self, engine: str) -> None:
        """Open a run in each workspace, with an equal part of the steps."""
        for workspace_id in self.workspaces:
            run_id = add_run(self.database, workspace_id)
            with self.database.transaction(workspace_id) as tx:
                tx.execute(sa.text("update runs set engine = :engine where id = :id"), {"engine": engine, "id": run_id})
                keys = map(str, range(self.steps // WORKSPACES))
                ledger.add_steps(tx, run_id, workspace_id, [NewStep("collection", "fetch", key) for key in keys])

    def add_finished(self, count: int) -> None:
        """Insert finished steps of an ended run."""
        run_id = add_run(self.database, self.workspaces[0])
        self.sql(f"update runs set state = 'succeeded', finished_at = now() where id = '{run_id}'")
        with owner_transaction(self.cluster.url("bench")) as tx:
            tx.exec_driver_sql(
                "set local session_replication_role = replica"
            )  # skips foreign keys and triggers; the run exists
            values = {"run_id": run_id, "workspace_id": self.workspaces[0], "count": count}
            tx.execute(_FINISHED, values)
        with owner_session(self.cluster.url("bench")) as session:  # as for old rows
            session.exec_driver_sql("vacuum analyze steps")
            session.exec_driver_sql("checkpoint")

    def by_job(self) -> Rate:
        """Add steps and run them with job workers."""
        self.add_steps("job")
        return self._measured("job", _SPAN)

    def by_peer(self) -> Rate:
        """Add as many jobs to the plain queue and run them."""
        self.sql(f"insert into jobs (state) select 'ready' from generate_series(1, {self.steps})")
        return self._measured("peer", _PEER_SPAN)

    def by_tickets(self, cloud: Cloud, function: "subprocess.Popen[bytes]", tickets: Tickets) -> Rate:
        """Add steps and run them with tickets."""
        self.add_steps("tickets")
        family = [psutil.Process(function.pid), psutil.Process(cloud.process.pid)]
        before = self._cpu_s() + sum(map(family_cpu_s, family))
        began_at = self._now()
        tickets.wake(QUEUES)
        while self._is_open():
            time.sleep(0.05)
        used = self._cpu_s() + sum(map(family_cpu_s, family)) - before
        return self._rate(_SPAN, began_at, used)

    def _measured(self, kind: str, span: sa.TextClause) -> Rate:
        command = [sys.executable, "-m", "bench.ledger", "--work-as", kind, "--url", self.url]
        before, began_at = self._cpu_s(), self._now()
        workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(self.workers)]
        used = sum(float(worker.communicate()[0]) for worker in workers)
        return self._rate(span, began_at, self._cpu_s() - before + used)

    def _rate(self, span: sa.TextClause, began_at: Any, cpu_s: float) -> Rate:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            seconds, done, retried = tx.execute(span, {"began_at": began_at}).one()
        assert (done, retried) == (self.steps, 0), f"{done} steps ran, {retried} more than once"
        return Rate(done / float(seconds), cpu_s / done * 1000)

    def _cpu_s(self) -> float:
        return family_cpu_s(self.postgres)

    def _now(self) -> Any:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            return tx.execute(sa.text("select now()")).scalar_one()

    def _is_open(self) -> bool:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            return ledger.has_open_runs(tx)


def family_cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its children, including exited ones."""
    while True:
        with suppress(psutil.NoSuchProcess):  # a child just exited; its time is now counted by its parent
            return sum(sum(member.cpu_times()[:4]) for member in [process, *process.children(recursive=True)])


@contextmanager
def serving(url: str, port: int, settings: dict[str, Any]) -> "Iterator[subprocess.Popen[bytes]]":
    """Serve the function as in the images, until the block ends."""
    variables = {name.upper(): str(value) for name, value in settings.items()}
    variables |= {"AUTH_MODE": "local", "LOG_LEVEL": "WARNING"}
    application = f"functions_framework:create_app('empty', {str(Path(__file__))!r})"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config=python:headwater.web.gunicorn_config",
        f"--bind=127.0.0.1:{port}",
        application,
    ]
    environment = {**os.environ, **variables, "DATABASE_URL": url, "FETCH_PRIVATE": "true"}
    function = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        yield function
    finally:
        function.terminate()
        function.wait(20)


def measure_best(label: str, measure: Callable[[], Rate], rounds: int) -> Rate:
    """Measure in rounds; print and return the best."""
    best = max((measure() for _ in range(rounds)), key=lambda rate: rate.per_s)
    print(f"{label:<42}{best.per_s:6.0f} per second, {best.cpu_ms:5.2f} ms of CPU time each", flush=True)
    return best


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.ledger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=4000, help="steps per round; default: 4000")
    parser.add_argument("--finished", type=int, default=1_000_000, help="finished steps in the table; default: 1000000")
    parser.add_argument("--workers", type=int, default=2, help="job workers; default: 2")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--work-as", choices=("job", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work_as:
        print({"job": work_as_job, "peer": work_as_peer}[options.work_as](options.url))
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        temporary_cluster(Path(folder) / "pg", free_port(), durable=True) as cluster,
    ):
        bench = Bench(cluster, options.steps, options.workers)
        peer = measure_best("plain queue", bench.by_peer, options.rounds)
        job = measure_best(f"{options.workers} job workers", bench.by_job, options.rounds)
        with localcloud(Path(folder) / "cloud", "--sign-tokens") as cloud:
            for queue in QUEUES:
                cloud.create_queue(queue)
            port = free_port()
            settings = {**queue_settings(cloud.url), "collection_url": f"http://127.0.0.1:{port}"}
            tickets = Tickets(bench.database, Settings(database_url=bench.url, **settings))
            with serving(bench.url, port, settings) as function:
                measure_best("tickets", lambda: bench.by_tickets(cloud, function, tickets), options.rounds)
        bench.add_finished(options.finished)
        again = measure_best(f"job workers, {options.finished:,} finished", bench.by_job, options.rounds)
        bench.database.close()
    print(f"job / plain queue {job.per_s / peer.per_s:.2f}")
    print(f"CPU time with finished steps / without {again.cpu_ms / job.cpu_ms:.2f}")


_FINISHED = sa.text("""
    insert into steps (run_id, workspace_id, queue, kind, key, state, finished_at, started_at, payload)
    select :run_id, :workspace_id, 'collection', 'fetch', n, 'done', now(), now() - interval '1 day', '{"batch": 1}'
    from generate_series(1, cast(:count as integer)) n
""")

_END = sa.text("update runs set state = 'succeeded', finished_at = now() where id = :id")

_PEER_TABLE = """
    create table jobs (id bigint generated always as identity primary key, state text not null,
      claimed_at timestamptz, done_at timestamptz)
"""

_PEER_CLAIM = sa.text("""
    update headwater.jobs set state = 'running', claimed_at = clock_timestamp()
    where id = (select id from headwater.jobs where state = 'ready' order by id limit 1 for update skip locked)
    returning id
""")

_PEER_DONE = sa.text("update headwater.jobs set state = 'done', done_at = clock_timestamp() where id = :id")

_PEER_SPAN = sa.text("""
    select extract(epoch from max(done_at) - min(claimed_at)), count(*), 0 from headwater.jobs
    where state = 'done' and claimed_at > :began_at
""")

# The time span of this round's steps, and how many were claimed more than once.
_SPAN = sa.text("""
    select extract(epoch from max(finished_at) - min(started_at)), count(*), count(*) filter (where fence > 1)
    from steps where kind = 'fetch' and state = 'done' and started_at > :began_at
""")

if __name__ == "__main__":
    main()

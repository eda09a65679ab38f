"""Measure how long collecting a Git repository takes, and its memory; compare with LangChain.

    python -m bench.collect REPOSITORY [--embedder NAME]

Two job workers collect a repository on disk into an empty database and build the vector index: from nothing, then
unchanged, then with one changed file. The comparison (`bench.langchain_peer`) uses the same Postgres, files and
embedder; it runs only with `--embedder constant`. The first collect includes the start of its processes, whose bytecode
is compiled before, as in the images; the others are the run's own times, as in a warm process. LangChain's imports are
not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from bench.cold_start import free_port
from functions.collection.sources.sources import NewSource, create_source
from headwater.config import Settings
from headwater.database.migrations import register_model, upgrade
from headwater.database.transactions import Database, create_engine
from scripts.local.postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("documents", "chunks", "vectors_1", "relations")


@dataclass(frozen=True)
class Result:
    """Seconds of a collect's processes and of its run, peak resident MB of the first worker, and its last line."""

    process_s: float
    run_s: float
    megabytes: float
    summary: str


class Ours:
    """Headwater, on a database of the cluster."""

    def __init__(self, cluster: Cluster, repository: Path, embedder: str) -> None:
        cluster.execute("create database ours")
        url, self.admin_url = cluster.url("ours", role="app", password="bench"), cluster.url("ours")
        upgrade(self.admin_url, url)
        register_model(self.admin_url, embedder, 384)
        self.environment = {**os.environ, "DATABASE_URL": url, "DATABASE_ADMIN_URL": self.admin_url}
        self.environment |= {"EMBEDDING_MODEL": embedder, "FETCH_FILE_URLS": "true", "CLOUD_RUN_TASK_COUNT": "2"}
        self.environment["MODEL_DIR"] = str(ROOT / ".headwater" / "models")
        self.source_id = add_source(url, repository)

    def collect(self, label: str) -> Result:
        """Collect with two job workers, print and return the result."""
        started = time.perf_counter()
        first, second = (self._worker(label, index) for index in (0, 1))
        peak = watch_memory(first)
        output = first.communicate()[0]
        second.wait()  # it may build the index
        process_s = time.perf_counter() - started
        summary = next((line for line in output.splitlines() if line.startswith(("succeeded", "partial"))), output)
        run_s = float(self.query(f"select extract(epoch from finished_at - created_at) from runs {_LAST}")[0][0])
        result = Result(process_s, run_s, peak[0], summary)
        print(f"headwater, {label:<10}{process_s:7.1f} s, run {run_s:7.2f} s  {peak[0]:5.0f} MB  {summary}", flush=True)
        return result

    def _worker(self, label: str, index: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "functions.job", "collect", "--source", self.source_id]
        worker = {"CLOUD_RUN_EXECUTION": label, "CLOUD_RUN_TASK_INDEX": str(index)}
        environment = {**self.environment, **worker}
        output = subprocess.DEVNULL if index else subprocess.PIPE  # an unread pipe would block it
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, text=True)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a query as the database's owner."""
        engine = create_engine(self.admin_url, poolclass=sa.NullPool)
        with engine.begin() as tx:
            tx.exec_driver_sql("set local search_path = headwater, public")
            return [tuple(row) for row in tx.exec_driver_sql(statement)]

    def rows_read(self) -> dict[str, int]:
        """Return how many rows Postgres has read from each large table so far."""
        return {name: int(count) for name, count in self.query(_ROWS_READ)}


def watch_memory(process: "subprocess.Popen[str]") -> list[float]:
    """Track a process's peak resident MB while it runs; the returned list has this one element."""
    watched, peak = psutil.Process(process.pid), [0.0]

    def watch() -> None:
        while process.poll() is None:
            try:
                peak[0] = max(peak[0], watched.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:
                return
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()
    return peak


def add_source(url: str, repository: Path) -> str:
    """Insert the source as the API would."""
    database = Database(url, 1)
    settings = Settings(database_url=url)
    new = NewSource("git", "bench", {"url": repository.resolve().as_uri()})
    with database.transaction(settings.local_workspace_id) as tx:
        source = create_source(tx, settings.local_workspace_id, new, settings)
    database.close()
    return str(source.id)


def git(folder: Path, *arguments: str) -> None:
    """Run Git in a folder."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "safe.directory=*"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True)


def measure_ours(cluster: Cluster, repository: Path, embedder: str) -> tuple[Result, Result]:
    """Collect three times; returns the results of the first and the unchanged collect."""
    ours = Ours(cluster, repository, embedder)
    first = ours.collect("first")
    counts = ", ".join(f"{ours.query(f'select count(*) from {table}')[0][0]:,} {table}" for table in TABLES)
    indexes = [name for (name,) in ours.query("select indexname from pg_indexes where indexdef like '%ivfflat%'")]
    print(f"headwater, stored: {counts}; indexes: {indexes}", flush=True)
    unchanged = ours.collect("unchanged")
    page = max(repository.rglob("*.md"), key=lambda path: path.stat().st_size)
    page.write_text(page.read_text() + "\nOne more sentence.\n")
    git(repository, "commit", "--quiet", "--all", "--message=one more sentence")
    before = ours.rows_read()
    ours.collect("one file")
    read = ", ".join(f"{count - before[name]:,} {name}" for name, count in ours.rows_read().items())
    print(f"headwater, rows read by Postgres for one file: {read}", flush=True)
    return first, unchanged


def measure_langchain(cluster: Cluster, repository: Path) -> dict[str, float]:
    """Run the LangChain pipeline in its own process; returns seconds by stage."""
    cluster.execute("create database peer")
    url = cluster.url("peer").replace("+pg8000", "+psycopg")
    command = [sys.executable, "-m", "bench.langchain_peer", url, str(repository), "1GB"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    stages = [json.loads(line) for line in output.splitlines()]
    for line in stages:
        print(f"langchain, {line['label']:<10}{line['seconds']:7.1f} s", flush=True)
    return {line["label"]: line["seconds"] for line in stages}


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.collect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path, help="path of a Git repository")
    parser.add_argument(
        "--embedder", choices=("constant", "all-MiniLM-L6-v2"), default="constant", help="default: constant"
    )
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "compileall", "-q", "functions", "shared"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder, temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
        repository = Path(folder) / "repository"
        git(Path(folder), "clone", "--quiet", str(options.repository.resolve()), str(repository))
        first, unchanged = measure_ours(cluster, repository, options.embedder)
        if options.embedder == "constant":
            theirs = measure_langchain(cluster, repository)
            ratio = (theirs["first"] + theirs["index"]) / first.process_s
            print(f"langchain / headwater: first, with the index {ratio:.1f}, ", end="")
            print(f"unchanged {theirs['unchanged'] / unchanged.run_s:.0f}")


_LAST = "order by created_at desc limit 1"

_ROWS_READ = f"""
    select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables
    where schemaname = 'headwater' and relname in {TABLES}
"""


if __name__ == "__main__":
    main()

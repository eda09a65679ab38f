"""How long does a collect take, and in how much memory? `python -m bench.collect REPOSITORY`

Two job workers collect a Git repository on disk into an empty database, up to vectors that are searched by an index:
whole, then unchanged, then with one file changed. The peer is what a team would write with LangChain
(`bench.langchain_peer`), on the same Postgres, over the same files with the same embedder (only with `--embedder
constant`). The first collect counts its processes' start, the others are what the run tells of itself, as in a process
that is warm; the peer's imports are left out.
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
from headwater.database.transactions import Database
from scripts.local.postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("documents", "chunks", "vectors_1", "relations")


@dataclass(frozen=True)
class Taken:
    """What a collect took: seconds of its processes and of its run, the first worker's peak resident MB."""

    process_s: float
    run_s: float
    megabytes: float
    told: str


class Ours:
    """Headwater on a database of the cluster."""

    def __init__(self, cluster: Cluster, repository: Path, embedder: str) -> None:
        cluster.execute("create database ours")
        url, self.admin_url = cluster.url("ours", role="app", password="bench"), cluster.url("ours")
        upgrade(self.admin_url, url)
        register_model(self.admin_url, embedder, 384)
        self.environment = {**os.environ, "DATABASE_URL": url, "DATABASE_ADMIN_URL": self.admin_url}
        self.environment |= {"EMBEDDING_MODEL": embedder, "FETCH_FILE_URLS": "true", "CLOUD_RUN_TASK_COUNT": "2"}
        self.environment["MODEL_DIR"] = str(ROOT / ".headwater" / "models")
        self.source_id = add_source(url, repository)

    def collect(self, label: str) -> Taken:
        """Collect with two job workers, and print what it took."""
        started = time.perf_counter()
        first, second = (self._worker(label, index) for index in (0, 1))
        peak = watch_memory(first)
        output = first.communicate()[0]
        process_s = time.perf_counter() - started
        second.wait()
        told = next((line for line in output.splitlines() if line.startswith(("succeeded", "partial"))), output)
        run_s = float(self.ask(f"select extract(epoch from finished_at - created_at) from runs {_LAST}")[0][0])
        taken = Taken(process_s, run_s, peak[0], told)
        print(f"headwater, {label:<10}{process_s:7.1f} s, run {run_s:7.2f} s  {peak[0]:5.0f} MB  {told}", flush=True)
        return taken

    def _worker(self, label: str, index: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "functions.job", "collect", "--source", self.source_id]
        worker = {"CLOUD_RUN_EXECUTION": label, "CLOUD_RUN_TASK_INDEX": str(index)}
        environment = {**self.environment, **worker}
        output = subprocess.DEVNULL if index else subprocess.PIPE  # a pipe that nobody reads would stop it
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, text=True)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database something, as its owner."""
        engine = sa.create_engine(self.admin_url, poolclass=sa.NullPool)
        with engine.begin() as tx:
            tx.exec_driver_sql("set local search_path = headwater, public")
            return [tuple(row) for row in tx.exec_driver_sql(statement)]

    def rows_read(self) -> dict[str, int]:
        """Count the rows that Postgres has read of the large tables so far."""
        return {name: int(count) for name, count in self.ask(_ROWS_READ)}


def watch_memory(process: "subprocess.Popen[str]") -> list[float]:
    """Keep the peak of a process's resident MB in a list of one, for as long as it runs."""
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
    """Write the source down as the API would."""
    database = Database(url, 1)
    settings = Settings(database_url=url)
    new = NewSource("git", "bench", {"url": repository.resolve().as_uri()})
    with database.transaction(settings.local_workspace_id) as tx:
        source = create_source(tx, settings.local_workspace_id, new, settings)
    database.close()
    return str(source.id)


def git(folder: Path, *arguments: str) -> None:
    """Run Git in a folder."""
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "safe.directory=*"]
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True)


def measure_ours(cluster: Cluster, repository: Path, embedder: str) -> tuple[Taken, Taken]:
    """Collect three times; returns what the first and the unchanged one took."""
    ours = Ours(cluster, repository, embedder)
    first = ours.collect("first")
    counts = ", ".join(f"{ours.ask(f'select count(*) from {table}')[0][0]:,} {table}" for table in TABLES)
    indexes = [name for (name,) in ours.ask("select indexname from pg_indexes where indexdef like '%hnsw%'")]
    print(f"headwater, stored: {counts}; indexes: {indexes}", flush=True)
    unchanged = ours.collect("unchanged")
    page = max(repository.rglob("*.md"), key=lambda path: path.stat().st_size)
    page.write_text(page.read_text() + "\nOne more sentence.\n")
    git(repository, "commit", "--quiet", "--all", "--message=one more sentence")
    before = ours.rows_read()
    ours.collect("one file")
    read = ", ".join(f"{count - before[name]:,} {name}" for name, count in ours.rows_read().items())
    print(f"headwater, rows that Postgres read for one file: {read}", flush=True)
    return first, unchanged


def measure_langchain(cluster: Cluster, repository: Path) -> dict[str, float]:
    """Do the same with LangChain, in a process of its own; returns seconds by what was done."""
    cluster.execute("create database peer")
    url = cluster.url("peer").replace("+pg8000", "+psycopg")
    command = [sys.executable, "-m", "bench.langchain_peer", url, str(repository), "1GB"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    told = [json.loads(line) for line in output.splitlines()]
    for line in told:
        print(f"langchain, {line['label']:<10}{line['seconds']:7.1f} s", flush=True)
    return {line["label"]: line["seconds"] for line in told}


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench.collect", description="Seconds and memory of a collect.")
    parser.add_argument("repository", type=Path, help="a Git repository on disk")
    parser.add_argument("--embedder", choices=("constant", "all-MiniLM-L6-v2"), default="constant")
    options = parser.parse_args()
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

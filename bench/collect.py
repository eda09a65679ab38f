"""How long does a collect take, and in how much memory? `python -m bench.collect REPOSITORY`

Two job workers collect a Git repository on disk into an empty database: once whole, once unchanged. The peer is what a
team would write with LangChain (`bench.langchain_peer`), on the same Postgres, over the same files with the same
embedder (only with `--embedder constant`). Ours counts its processes' start, the peer's imports are left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from bench.cold_start import free_port
from functions.collection.sources import NewSource, create_source
from headwater.config import Settings
from headwater.db import ENGINE, Database
from headwater.ledger import has_open_runs
from headwater.migrations import register_model, upgrade
from scripts.postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent


def run_job(environment: dict[str, str], source_id: str) -> tuple[float, float, str]:
    """Collect with two job workers; returns seconds, the first one's peak resident MB, and its last line."""
    started = time.perf_counter()
    job = [sys.executable, "-m", "functions.job"]
    process = subprocess.Popen(
        [*job, "collect", "--source", source_id], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    helper = help_out(job, environment, process)
    watched, peak = psutil.Process(process.pid), [0.0]

    def watch() -> None:
        while process.poll() is None:
            try:
                peak[0] = max(peak[0], watched.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:
                return
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    seconds = time.perf_counter() - started
    watcher.join()
    if helper:
        helper.wait(timeout=120)
    told = (line for line in output.splitlines() if line.startswith(("succeeded", "partial", "failed")))
    return seconds, peak[0], next(told, output)


def help_out(
    job: list[str], environment: dict[str, str], first: "subprocess.Popen[str]"
) -> "subprocess.Popen[bytes] | None":
    """Start a second job worker as soon as the run is open: one for each core. None when the run was over before."""
    database = Database(environment["DATABASE_URL"], 1)
    helper = None
    while first.poll() is None and helper is None:
        with database.transaction(ENGINE) as tx:
            if has_open_runs(tx):
                helper = subprocess.Popen([*job, "drain"], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
        time.sleep(0.02)
    database.close()
    return helper


def add_source(url: str, repository: Path) -> str:
    """Write the source down as the API would."""
    database = Database(url, 1)
    settings = Settings(database_url=url)
    new = NewSource("git", "bench", {"url": repository.resolve().as_uri()})
    with database.transaction(settings.local_workspace_id) as tx:
        source = create_source(tx, settings.local_workspace_id, new, settings)
    database.close()
    return str(source.id)


def measure_ours(cluster: Cluster, repository: Path, embedder: str) -> tuple[float, float]:
    """Collect twice; returns the seconds of both."""
    cluster.execute("create database ours")
    url = cluster.url("ours", role="app", password="bench")
    upgrade(cluster.url("ours"), url)
    register_model(cluster.url("ours"), embedder, 384)
    environment = {**os.environ, "DATABASE_URL": url, "EMBEDDING_MODEL": embedder, "FETCH_FILE_URLS": "true"}
    environment["MODEL_DIR"] = str(ROOT / ".headwater" / "models")
    source_id = add_source(url, repository)
    taken = []
    for label in ("first", "unchanged"):
        seconds, megabytes, summary = run_job(environment, source_id)
        print(f"headwater, {label:<10}{seconds:7.1f} s  {megabytes:5.0f} MB  {summary}", flush=True)
        taken.append(seconds)
    return taken[0], taken[1]


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
    parser.add_argument("repository", type=Path, help="a Git repository on disk, with a work tree")
    parser.add_argument("--embedder", choices=("constant", "all-MiniLM-L6-v2"), default="constant")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
        ours = measure_ours(cluster, options.repository, options.embedder)
        if options.embedder == "constant":
            theirs = measure_langchain(cluster, options.repository)
            first, unchanged = theirs["first"] / ours[0], theirs["unchanged"] / ours[1]
            print(f"langchain / headwater: first {first:.1f} (no vector index in either), unchanged {unchanged:.1f}")


if __name__ == "__main__":
    main()

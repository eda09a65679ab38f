"""How long does a collect take, and in how much memory? `python -m bench.collect REPOSITORY`

The job's own process collects a Git repository on disk into an empty database: once whole, once unchanged. The peer is
what a team would write with LangChain: loader, splitter, `index()`, PGVector on the same Postgres, over the same files
with the same constant-cost embeddings (only with `--embedder constant`).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench.cold_start import free_port
from functions.collection.sources import NewSource, create_source
from headwater.config import Settings
from headwater.db import Database
from headwater.migrations import register_model, upgrade
from scripts.postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent


def run_job(environment: dict[str, str], source_id: str) -> tuple[float, float, str]:
    """Collect in a process of its own; returns seconds, peak resident MB, and its last line."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "functions.job", "collect", "--source", source_id]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
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
    watcher.join()
    told = (line for line in output.splitlines() if line.startswith(("succeeded", "partial", "failed")))
    return time.perf_counter() - started, peak[0], next(told, output)


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


def measure_langchain(cluster: Cluster, repository: Path) -> tuple[float, float]:
    """Do the same with LangChain; returns the seconds of the first and of the unchanged run."""
    import numpy as np
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.indexing import InMemoryRecordManager, index
    from langchain_postgres import PGVector
    from langchain_text_splitters import MarkdownTextSplitter

    class Constant(Embeddings):
        """Costs next to nothing, as our constant embedder does."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = np.random.default_rng(0).standard_normal((len(texts), 384)).tolist()
            return vectors

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    cluster.execute("create database peer")
    connection = cluster.url("peer").replace("+pg8000", "+psycopg")
    store = PGVector(Constant(), connection=connection, collection_name="bench", use_jsonb=True)
    records: Any = InMemoryRecordManager("bench")
    records.create_schema()

    def once() -> None:
        paths = sorted([*repository.rglob("*.md"), *repository.rglob("*.mdx")])
        loaded = (Document(path.read_text(errors="replace"), metadata={"source": str(path)}) for path in paths)
        chunks = MarkdownTextSplitter(chunk_size=1000, chunk_overlap=100).split_documents(loaded)
        index(chunks, records, store, cleanup="full", source_id_key="source", batch_size=500, key_encoder="sha256")

    return timed("langchain, first", once), timed("langchain, unchanged", once)


def timed(label: str, work: Callable[[], None]) -> float:
    """Run once and print how long it took."""
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{label:<21}{seconds:7.1f} s", flush=True)
    return seconds


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
            print(f"langchain / headwater: first {theirs[0] / ours[0]:.1f}, unchanged {theirs[1] / ours[1]:.1f}")


if __name__ == "__main__":
    main()

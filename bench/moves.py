"""Rename a folder of pages, half of them edited in the same commit, and look for pages that are found twice or lost.

    python -m bench.moves [--pages 1000] [--kills 8]

A job worker collects the renamed folder, and is killed at random moments and started again. Meanwhile pages are listed
and searched for all the time. Exits with 1 if a page is found twice, missing or has a new id, if a removal is withheld,
or if the result differs from that of a new source.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.cold_start import free_port
from functions.chat.retrieval.search import Search
from functions.collection.sources.sources import NewSource, create_source
from headwater.config import Settings
from headwater.database.migrations import register_model, upgrade
from headwater.database.transactions import Database
from headwater.embedding.constant import ConstantEmbedder
from scripts.local.postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent
WORDS = ["valve", "pump", "filter", "pipe", "gauge", "tank", "lamp", "yard", "keeper", "dusk", "water", "steam"]


def page(n: int, *, edited: bool) -> bytes:
    """Return a page of about 60 words, with a link to the next page."""
    words = random.Random(n)
    text = f"# Page {n}\n\n" + "\n\n".join(" ".join(words.choices(WORDS, k=20)) + f" {n}." for _ in range(3))
    return f"{text}\n\nThen comes [the next](p{n + 1}.md).\n{'Edited as it moved.' * edited}\n".encode()


def commit(repository: Path, folder: str, pages: int, *, edited: bool) -> None:
    """Commit a tree with the pages in a folder, every second one edited."""
    if not repository.exists():
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", repository], check=True)
    lines = [b"commit refs/heads/main\ncommitter b <b@example.org> 1700000000 +0000\ndata 1\nv\ndeleteall\n"]
    for n in range(pages):
        content = page(n, edited=edited and n % 2 == 1)
        lines.append(f"M 644 inline {folder}/p{n}.md\ndata {len(content)}\n".encode() + content + b"\n")
    subprocess.run(["git", "-C", repository, "fast-import", "--quiet", "--force"], input=b"".join(lines), check=True)


class Bench:
    """A database with one source."""

    def __init__(self, cluster: Cluster, repository: Path) -> None:
        cluster.execute("create database bench")
        url = cluster.url("bench", role="app", password="bench")
        upgrade(cluster.url("bench"), url)
        register_model(cluster.url("bench"), "constant", 384)
        self.settings = Settings(database_url=url)
        self.database = Database(url, 4)
        self.repository = repository
        self.environment = {**os.environ, "DATABASE_URL": url, "EMBEDDING_MODEL": "constant", "LOG_LEVEL": "ERROR"}
        self.environment |= {"FETCH_FILE_URLS": "true", "MODEL_DIR": str(ROOT / ".headwater" / "models")}
        self.environment |= {"LEASE_S": "2", "JOB_IDLE_S": "10"}
        self.source_id = self.add_source()

    def add_source(self) -> uuid.UUID:
        """Add a source of the repository."""
        new = NewSource("git", "bench", {"url": self.repository.resolve().as_uri()})
        with self.database.transaction(self.settings.local_workspace_id) as tx:
            return create_source(tx, self.settings.local_workspace_id, new, self.settings).id

    def start(self, source_id: uuid.UUID) -> subprocess.Popen[bytes]:
        """Start a job worker that collects a source, or goes on with its open run."""
        command = [sys.executable, "-m", "functions.job", "collect", "--source", str(source_id)]
        return subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=subprocess.DEVNULL)

    def collect(self, source_id: uuid.UUID) -> None:
        """Collect a source to its end."""
        if self.start(source_id).wait():
            raise SystemExit("the job has failed")

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement in the workspace."""
        with self.database.transaction(self.settings.local_workspace_id) as tx:
            return [tuple(row) for row in tx.execute(sa.text(statement), values)]

    def ids(self) -> dict[str, uuid.UUID]:
        """Return the ids of the source's live documents by file name."""
        statement = "select key, id from documents where deleted_at is null and source_id = :s"
        return {key.rpartition("/")[2]: id_ for key, id_ in self.rows(statement, s=self.source_id)}

    def contents(self, source_id: uuid.UUID) -> list[Any]:
        """Return a source's documents and links, without ids."""
        documents = "select key, title, text, url, fingerprint from documents where source_id = :s order by key"
        links = """select d.key, l.target, t.key from relations l join documents d on d.id = l.document_id
            left join documents t on t.id = l.target_document_id where d.source_id = :s order by d.key"""
        return [self.rows(statement, s=source_id) for statement in (documents, links)]


class Watch(threading.Thread):
    """Lists and searches all the time. `seen` counts looks by live documents, their titles, and pages found twice."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.seen: Counter[tuple[int, int, int]] = Counter()
        self.stopped = threading.Event()

    def run(self) -> None:
        """Look until `stopped` is set."""
        search = Search(self.bench.database, lambda _: ConstantEmbedder())
        rng = random.Random(1)
        while not self.stopped.is_set():
            [(live, titles)] = self.bench.rows(
                "select count(*), count(distinct title) from documents where deleted_at is null and source_id = :s",
                s=self.bench.source_id,
            )
            query = f"{rng.choice(WORDS)} {rng.choice(WORDS)} page {rng.randrange(live or 1)}"
            hits = search(self.bench.settings.local_workspace_id, query, 50)
            documents = {(hit.title, hit.document_id) for hit in hits}
            self.seen[live, titles, len(documents) - len({title for title, _ in documents})] += 1


def collect_with_kills(bench: Bench, kills: int) -> int:
    """Collect the source; kill its worker at random moments and start another. Returns the number of kills."""
    rng, done = random.Random(kills), 0
    while True:
        worker = bench.start(bench.source_id)
        try:
            if worker.wait(rng.uniform(0.5, 4) if done < kills else None) == 0:
                return done
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            done += 1


def main() -> int:
    """Collect, rename, collect while killing; print what was seen."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.moves", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=1_000, help="default: %(default)s")
    parser.add_argument("--kills", type=int, default=8, help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
        repository = Path(folder) / "pages.git"
        commit(repository, "docs", options.pages, edited=False)
        bench = Bench(cluster, repository)
        bench.collect(bench.source_id)
        before = bench.ids()
        commit(repository, "website/docs", options.pages, edited=True)
        watch = Watch(bench)
        watch.start()
        began = time.monotonic()
        try:
            killed = collect_with_kills(bench, options.kills)
        finally:
            watch.stopped.set()
            watch.join()
        seconds = time.monotonic() - began
        runs = bench.rows("select state, counts::text, pending_removals from runs order by created_at")[1:]
        kept = bench.ids() == before
        fresh = bench.add_source()
        bench.collect(fresh)
        same = bench.contents(bench.source_id) == bench.contents(fresh)
        bench.database.close()
    print(f"{options.pages:,} pages renamed, half of them edited: {seconds:.1f} s, {killed} kills")
    for state, counts, withheld in runs:
        print(f"run: {state}, {withheld} withheld, {counts}")
    print(f"ids kept: {kept}; as a new source: {same}; {watch.seen.total():,} looks:")
    for (live, titles, twice), times in watch.seen.items():
        print(f"  {times:6,} × {live:,} documents, {titles:,} titles, {twice} found twice")
    is_right = watch.seen.keys() == {(options.pages, options.pages, 0)} and all(run[2] == 0 for run in runs)
    return 0 if kept and same and is_right else 1


if __name__ == "__main__":
    sys.exit(main())

"""Measure one changed document in a small and a large source, and the large source's listing.

    python -m bench.listing

A job worker collects one changed document of a source with 1,000 stored documents, and of one with 100,000. The steps
other than the listing should take equally long. The listing, with its comparison with the stored keys, is reported in
seconds and as the worker's peak memory. The large source is the small one's folder a hundred times.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.cold_start import free_port
from functions.collection.sources.sources import NewSource, create_source
from headwater.config import Settings
from headwater.database.migrations import register_model, upgrade
from headwater.database.transactions import Database, owner_transaction
from scripts.local.postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent
FILES = 1_000


def page(n: int, version: str) -> bytes:
    """Return a page that links to its neighbour."""
    text = f"# Page {n}\n\nValve {n} opens in version {version}; then comes [the next](d{(n + 1) % FILES:04}.md).\n"
    return text.encode()


def commit(folder: Path, folders: int, version: int) -> None:
    """Commit every page of every folder (version 0), or one changed page."""
    if not folder.exists():
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)
    subprocess.run(
        ["git", "-C", folder, "fast-import", "--quiet", "--force"],
        input=b"".join(_stream(folders, version)),
        check=True,
    )


def _stream(folders: int, version: int) -> Iterator[bytes]:
    yield b"commit refs/heads/main\ncommitter b <b@example.org> %d +0000\ndata 1\nv\n" % (1_700_000_000 + version)
    if version:
        yield b"from refs/heads/main^0\n"
        yield _file("p000/d0000.md", page(0, f"{version} of {folders}"))
        return
    for n in range(FILES):
        content = page(n, "0")
        yield b"".join(_file(f"p{folder:03}/d{n:04}.md", content) for folder in range(folders))


def _file(path: str, content: bytes) -> bytes:
    return b"M 644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content)


class Bench:
    """A database with both sources."""

    def __init__(self, cluster: Cluster, folder: Path, folders: int) -> None:
        cluster.execute("create database bench")
        url = cluster.url("bench", role="app", password="bench")
        upgrade(cluster.url("bench"), url)
        register_model(cluster.url("bench"), "constant", 384)
        self.cluster = cluster
        self.settings = Settings(database_url=url)
        self.environment = {**os.environ, "DATABASE_URL": url, "EMBEDDING_MODEL": "constant", "LOG_LEVEL": "INFO"}
        self.environment |= {"FETCH_FILE_URLS": "true", "MODEL_DIR": str(ROOT / ".headwater" / "models")}
        self.sources: dict[int, tuple[Path, uuid.UUID]] = {}
        for count in (1, folders):
            repository = folder / f"{count}.git"
            commit(repository, count, 0)
            self.sources[count] = repository, self._add_source(repository)
        self.collect(1)
        small, large = self.sources[1][1], self.sources[folders][1]
        copy = _COPY.format(small=small, large=large, folders=folders)
        with owner_transaction(cluster.url("bench")) as tx:
            tx.exec_driver_sql(copy)
            tx.exec_driver_sql("analyze")

    def _add_source(self, repository: Path) -> uuid.UUID:
        database = Database(self.settings.database_url, 1)
        workspace_id = self.settings.local_workspace_id
        with database.transaction(workspace_id) as tx:
            new = NewSource("git", "bench", {"url": repository.resolve().as_uri()})
            source = create_source(tx, workspace_id, new, self.settings)
        database.close()
        return source.id

    def collect(self, folders: int) -> tuple[Counter[str], float]:
        """Collect in a new process; returns seconds by kind of step, and peak resident MB."""
        command = [sys.executable, "-m", "functions.job", "collect", "--source", str(self.sources[folders][1])]
        process = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        events = [json.loads(line) for line in lines if line.startswith("{")]
        seconds: Counter[str] = Counter()
        for event in events:
            if event.get("action") == "step":
                seconds[event["kind"]] += event["duration_ms"] / 1000
        if process.returncode or "finish" not in seconds:
            raise SystemExit("\n".join(lines))
        return seconds, usage.ru_maxrss / 1000


def main() -> None:
    """Measure in rounds; print the best of each source and the ratio."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.listing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folders", type=int, default=100, help=f"folders of {FILES:,} documents in the large source; default: 100"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    options = parser.parse_args()
    rest: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder, temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
        bench = Bench(cluster, Path(folder), options.folders)
        best: dict[int, Counter[str]] = {}
        megabytes: dict[int, float] = {}
        for version in range(1, options.rounds + 1):
            for folders, (repository, _) in bench.sources.items():
                commit(repository, folders, version)
                seconds, megabytes[folders] = bench.collect(folders)
                best[folders] = Counter({k: min(s, best.get(folders, seconds)[k]) for k, s in seconds.items()})
    for folders, seconds in best.items():
        rest[folders] = seconds.total() - seconds["list"]
        steps = ", ".join(f"{kind} {kind_s:.2f}" for kind, kind_s in seconds.items())
        print(f"{folders * FILES:>8,} documents: {steps} s; {megabytes[folders]:.0f} MB")
    print(f"without the listing: {rest[options.folders] / rest[1]:.2f} × the time")


# The rows that collecting the large source would have stored: the small source's documents, once for each folder.
_COPY = """
    with copies as materialized (
      select d, gen_random_uuid() as id, 'p' || lpad(n::text, 3, '0') || substr(d.key, 5) as key
      from documents d, generate_series(0, {folders} - 1) n where d.source_id = '{small}'
    ), new_documents as (
      insert into documents select (jsonb_populate_record(m.d, jsonb_build_object(
        'id', m.id, 'key', m.key, 'source_id', '{large}'))).* from copies m
    ), new_chunks as (
      insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
        token_count, words, word_count)
      select c.workspace_id, m.id, ordinal, start_offset, end_offset, heading_path, input_hash, token_count, words,
        word_count
      from copies m join chunks c on c.document_id = (m.d).id
    ), new_relations as (
      insert into relations (workspace_id, document_id, kind, target, start_offset, end_offset, target_document_id)
      select l.workspace_id, m.id, l.kind, l.target, l.start_offset, l.end_offset, t.id
      from copies m join relations l on l.document_id = (m.d).id
      join copies t on (t.d).id = l.target_document_id and left(t.key, 4) = left(m.key, 4)
    )
    update sources s set snapshot = o.snapshot, embedded_model_id = o.embedded_model_id
    from sources o where o.id = '{small}' and s.id = '{large}'
"""

if __name__ == "__main__":
    main()

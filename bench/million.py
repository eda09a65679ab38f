"""Measure search in workspaces of 10,000, 100,000 and 1,000,000 chunks: recall, latency, size; compare with LangChain.

    python -m bench.million [--sizes N …] [--queries N] [--cluster N]

Loads a corpus made by script (`bench.million_corpus`) into an empty database, indexes its words and vectors with the
code of the job, and searches with the class behind `/api/search`, one query after the other. Vectors of queries are
made, not embedded. Recall is the share of the ten documents with the nearest chunks: a search returns further passages
of a document later. CPU time is that of the client and of Postgres together. The comparison (`bench.langchain_search`)
searches the same 100,000 chunks in the same Postgres with langchain-postgres.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import sqlalchemy as sa
from numpy.typing import NDArray

from bench.cold_start import free_port
from bench.million_corpus import CHUNKS_OF_DOCUMENT, DIM, Block, Corpus, hash_of
from functions.chat.retrieval.search import Ranking, Search
from functions.collection.pipeline import index_words
from functions.embedding.embed import vector_array
from headwater.config import Settings
from headwater.database.arrays import byte_strings
from headwater.database.copy import encode_blocks
from headwater.database.migrations import register_model, upgrade
from headwater.database.transactions import Database, owner_session, owner_transaction
from headwater.embedding import vector_index
from headwater.queue.ledger import Step
from headwater.words.analysis import binary_vector
from scripts.local.postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent
PEER_SIZE = 100_000
K = 10
MAX_K = 50
CANDIDATES = 100
QUERY_WORDS = 5
TABLES = ("documents", "chunks", "word_postings", "vectors_1")


class Queries:
    """An embedder that knows the vectors of queries."""

    name, dim = "constant", DIM

    def __init__(self) -> None:
        self.vectors: dict[str, NDArray[np.float32]] = {}

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return a query's vector."""
        return self.vectors[text]


@dataclass(frozen=True)
class Result:
    """Recall of the ten nearest documents (None if there is no truth to compare with), and milliseconds a search."""

    label: str
    recall: float | None
    median_ms: float
    p95_ms: float
    cpu_ms: float | None = None

    def print(self) -> None:
        """Print a line."""
        recall = "" if self.recall is None else f"recall@{K} {self.recall:.3f}"
        times = f"{self.median_ms:6.1f} ms median {self.p95_ms:6.1f} ms p95"
        times += "" if self.cpu_ms is None else f" {self.cpu_ms:6.1f} ms CPU"
        print(f"  {self.label:<34}{recall:<18}{times}", flush=True)


class Bench:
    """A database with a corpus."""

    def __init__(self, cluster: Cluster, corpus: Corpus, queries: int) -> None:
        name = f"headwater_{corpus.size}"
        cluster.execute(f"create database {name}")
        self.corpus, self.admin_url = corpus, cluster.url(name)
        self.url = cluster.url(name, role="app", password="bench")
        upgrade(self.admin_url, self.url)
        register_model(self.admin_url, "constant", DIM)
        self.database = Database(self.url, 1)
        self.postgres = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split()[0]))
        self.vectors = np.empty((corpus.chunks, DIM), np.float16)
        rng = np.random.default_rng(3)
        of_largest = np.flatnonzero(np.repeat(corpus.owner == 0, CHUNKS_OF_DOCUMENT))
        asked = rng.choice(of_largest, queries, replace=False).tolist()
        self.asked = dict.fromkeys(asked, np.empty(0, np.int64))
        self.embedder = Queries()
        self.search = Search(self.database, lambda _: self.embedder)  # type: ignore[arg-type,return-value]

    def load(self) -> None:
        """Copy the corpus into the tables, as the owner."""
        with owner_transaction(self.admin_url) as tx:
            for n, workspace_id in enumerate(self.corpus.workspaces):
                tx.execute(_ADD_WORKSPACE, {"id": workspace_id, "name": str(n)})
            for n, source_id in enumerate(self.corpus.sources):
                tx.execute(_ADD_SOURCE, {"id": source_id, "workspace_id": self.corpus.workspaces[n % 4]})
        for block in self.corpus.blocks():
            place = slice(block.first, block.first + len(block.vectors))
            self.vectors[place] = block.vectors
            for chunk in range(place.start, place.stop):
                if chunk in self.asked:
                    self.asked[chunk] = block.words[chunk - block.first]
            with owner_transaction(self.admin_url) as tx:
                self._store(tx, block)
        with owner_session(self.admin_url) as session:
            session.exec_driver_sql("vacuum analyze")
            session.exec_driver_sql("checkpoint")

    def _store(self, tx: sa.Connection, block: Block) -> None:
        corpus = self.corpus
        texts = [f"{block.first + n} {corpus.text(words)}" for n, words in enumerate(block.words)]
        documents, chunks = [], []
        for start in range(0, len(texts), CHUNKS_OF_DOCUMENT):
            number = (block.first + start) // CHUNKS_OF_DOCUMENT
            workspace_id = corpus.workspaces[corpus.owner[number]]
            document_id = uuid.UUID(int=number + 1)
            of_document = texts[start : start + CHUNKS_OF_DOCUMENT]
            source_id, text = corpus.sources[corpus.source[number]], "\n".join(of_document)
            documents.append((document_id, workspace_id, source_id, f"{number}.md", "f", "", "text/plain", text, "en"))
            offset = 0
            for n, text in enumerate(of_document):
                ids, counts = np.unique(corpus.word_ids[block.words[start + n]], return_counts=True)
                words = binary_vector(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
                places = workspace_id, document_id, n, offset, offset + len(text)
                input_hash = hash_of(block.first + start + n)
                chunks.append((*places, (), input_hash, len(text) // 4, words, int(counts.sum())))
                offset += len(text) + 1
        _copy(tx, _DOCUMENTS, documents)
        _copy(tx, _CHUNKS, chunks)
        owners = corpus.owner_of(np.arange(block.first, block.first + len(texts)))
        for owner in set(owners.tolist()):
            chosen = np.flatnonzero(owners == owner)
            hashes = byte_strings(hash_of(block.first + n) for n in chosen.tolist())
            values = {"hashes": hashes, "vectors": vector_array(block.vectors[chosen])}
            tx.execute(_VECTORS, {"workspace_id": corpus.workspaces[owner], **values})

    def index(self) -> None:
        """Index words and vectors as the job does; print seconds and sizes."""
        began = time.perf_counter()
        steps = sum(map(self._index_words, self.corpus.workspaces))
        words_s = time.perf_counter() - began
        began = time.perf_counter()
        built = vector_index.build_indexes(Settings(database_url=self.url, database_admin_url=self.admin_url))
        vectors_s = time.perf_counter() - began
        print(f"  words indexed in {words_s:.0f} s by {steps} steps, vectors in {vectors_s:.0f} s {built}")
        with owner_session(self.admin_url) as session:
            session.exec_driver_sql("vacuum analyze")
            sizes = {name: session.execute(_SIZE, {"name": name}).scalar_one() for name in TABLES}
            sizes |= {name: session.execute(_SIZE, {"name": name}).scalar_one() for name in built}
        print("  " + ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sizes.items()), flush=True)

    def _index_words(self, workspace_id: uuid.UUID) -> int:
        step = Step(0, uuid.UUID(int=0), workspace_id, "collection", "index_words", "0", {}, None, 1, 0, 0)
        handler, steps = index_words.IndexWords(), 0
        with self.database.transaction(workspace_id) as tx:
            more = index_words.is_needed(tx, workspace_id)
        while more:
            with self.database.transaction(workspace_id) as tx:
                gathered = handler.gather(tx, step)
            with self.database.transaction(workspace_id) as tx:
                more = bool(handler.apply(tx, step, handler.compute(gathered)).next_steps)
            steps += 1
        return steps

    @property
    def texts(self) -> list[str]:
        """Return a text for each query: five words of its chunk."""
        rng = np.random.default_rng(4)
        return [self.corpus.text(rng.permutation(words)[:QUERY_WORDS]) for words in self.asked.values()]

    def measure(self) -> list[Result]:
        """Search the largest workspace by vectors and by both, its second source, and the smallest workspace."""
        everywhere = np.arange(self.corpus.chunks)
        owner, source = self.corpus.owner_of(everywhere), self.corpus.source_of(everywhere)
        vectors = self.corpus.queries(self.vectors, self.asked)
        texts = self.texts
        self.embedder.vectors = dict(zip(texts, vectors, strict=True))
        largest, smallest = self.corpus.workspaces[0], self.corpus.workspaces[3]
        rare = self.corpus.sources[4]
        return [
            self._measure("vectors", largest, texts, None, self._nearest(vectors, owner == 0)),
            self._measure("vectors, one source (1 %)", largest, texts, rare, self._nearest(vectors, source == 4)),
            self._measure("vectors, workspace of 300", smallest, texts, None, self._nearest(vectors, owner == 3)),
            self._measure("vectors and words", largest, texts),
            self._measure("vectors and words, one source", largest, texts, rare),
        ]

    def _nearest(self, queries: NDArray[np.float32], where: NDArray[np.bool_]) -> list[list[int]]:
        """Return the ten documents nearest to each query by comparing it with all chunks, in blocks."""
        chunks = np.flatnonzero(where)
        nearest: list[list[tuple[float, int]]] = [[] for _ in queries]
        for part in np.array_split(chunks, -(-len(chunks) // 50_000)):
            similar = queries @ self.vectors[part].astype(np.float32).T
            best = np.argpartition(-similar, min(CANDIDATES, len(part)) - 1, axis=1)[:, :CANDIDATES]
            for n, row in enumerate(best):
                found = zip(similar[n, row].tolist(), part[row].tolist(), strict=True)
                nearest[n] = sorted([*nearest[n], *found], reverse=True)[:CANDIDATES]
        return [_first(chunk // CHUNKS_OF_DOCUMENT for _, chunk in row) for row in nearest]

    def _measure(
        self,
        label: str,
        workspace_id: uuid.UUID,
        texts: Sequence[str],
        source_id: uuid.UUID | None = None,
        truth: Sequence[Sequence[int]] | None = None,
    ) -> Result:
        """Measure the recall of one half of the queries, and then the time of the other half."""
        by: Ranking = "hybrid" if truth is None else "vectors"
        common = 0
        for text, nearest in zip(texts[::2], (truth or [[]] * len(texts))[::2], strict=True):
            passages = self.search(workspace_id, text, MAX_K, source_id, by=by)
            common += len({*_first(int(passage.key.removesuffix(".md")) for passage in passages)} & {*nearest})
        times_ms, cpu_s = [], self._cpu_s()
        for text in texts[1::2]:
            began = time.perf_counter()
            self.search(workspace_id, text, K, source_id, by=by)
            times_ms.append((time.perf_counter() - began) * 1000)
        cpu_ms = (self._cpu_s() - cpu_s) / len(times_ms) * 1000
        recall = None if truth is None else common / sum(map(len, truth[::2]))
        result = Result(label, recall, float(np.median(times_ms)), float(np.quantile(times_ms, 0.95)), cpu_ms)
        result.print()
        return result

    def _cpu_s(self) -> float:
        """Return the CPU seconds of this process and of the server's processes that run."""
        children = self.postgres.children(recursive=True)
        return time.process_time() + sum(sum(child.cpu_times()[:2]) for child in children)


def _first(documents: Iterable[int]) -> list[int]:
    """Return the first ten different documents."""
    return list(dict.fromkeys(documents))[:K]


def _copy(tx: sa.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    tx.exec_driver_sql(f"copy {table} from stdin (format binary)", execution_options={"copy_from": encode_blocks(rows)})


def measure_langchain(cluster: Cluster, bench: Bench, folder: Path) -> None:
    """Search the chunks of the largest workspace with langchain-postgres, in its own process."""
    cluster.execute("create database peer", "alter database peer set maintenance_work_mem = '1GB'")
    cluster.execute("create extension vector", database="peer")
    corpus, url = bench.corpus, cluster.url("peer").replace("+pg8000", "+psycopg")
    largest = np.repeat(corpus.owner == 0, CHUNKS_OF_DOCUMENT)
    texts = [corpus.text(words) for block in corpus.blocks() for words in block.words]
    queries = corpus.queries(bench.vectors, bench.asked)
    file = folder / "peer.npz"
    np.savez(
        file,
        vectors=bench.vectors[largest],
        texts=np.array(texts)[largest],
        documents=np.flatnonzero(largest) // CHUNKS_OF_DOCUMENT,
        queries=queries,
        query_texts=np.array(bench.texts),
        nearest=np.array(bench._nearest(queries, largest)),
    )
    command = [sys.executable, "-m", "bench.langchain_search", url, str(file)]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in map(json.loads, output.splitlines()):
        if "seconds" in line:
            print(f"  langchain, {line['label']:<23}{line['seconds']:7.1f} s")
        else:
            Result(f"langchain, {line.pop('label')}", **line).print()


_ADD_WORKSPACE = sa.text("insert into workspaces (id, name) values (:id, :name)")

_ADD_SOURCE = sa.text("""
    insert into sources (id, workspace_id, kind, name, config) values (:id, :workspace_id, 'git', 'bench', '{}')
""")

_DOCUMENTS = "documents (id, workspace_id, source_id, key, fingerprint, title, media_type, text, language)"

_CHUNKS = """chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
    token_count, words, word_count)"""

_VECTORS = sa.text("""
    insert into vectors (model_id, workspace_id, input_hash, embedding)
    select 1, :workspace_id, unnest(cast(:hashes as bytea[])), unnest(cast(:vectors as halfvec[]))
""")

_SIZE = sa.text("select pg_total_relation_size(cast('headwater.' || :name as regclass))")


def main() -> None:
    """Measure each size and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.million", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="chunks")
    parser.add_argument("--queries", type=int, default=400, help="default: 400")
    parser.add_argument("--cluster", type=int, default=1_000, help="vectors of a cluster; default: 1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
        for size in options.sizes:
            began = time.perf_counter()
            bench = Bench(cluster, Corpus(size, options.cluster), options.queries)
            bench.load()
            print(f"{size:,} chunks, loaded in {time.perf_counter() - began:.0f} s", flush=True)
            bench.index()
            bench.measure()
            if size == PEER_SIZE:
                measure_langchain(cluster, bench, Path(folder))
            bench.database.close()


if __name__ == "__main__":
    main()

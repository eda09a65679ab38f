"""Search with langchain-postgres, for `bench.million`.

    python -m bench.langchain_search URL FILE

Copies the vectors and texts of a NumPy file into a `PGVectorStore`, builds its HNSW index and its index of words with
their defaults, and searches, one query after the other. Prints a JSON line for each result.
"""

import argparse
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from langchain_core.embeddings import Embeddings

K = 10
MORE = 50
"""Results of a query from which the first ten documents are taken."""


class NoModel(Embeddings):
    """Embeds nothing: the vectors are given."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Fail."""
        raise NotImplementedError

    def embed_query(self, text: str) -> list[float]:
        """Fail."""
        raise NotImplementedError


class Peer:
    """A `PGVectorStore` with the chunks of a file. Constructing it imports LangChain's packages."""

    def __init__(self, url: str, file: Path) -> None:
        from langchain_postgres import Column, PGEngine, PGVectorStore
        from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig
        from langchain_postgres.v2.indexes import HNSWIndex, HNSWQueryOptions

        self.url = url.replace("+psycopg", "")
        self.data = np.load(file, allow_pickle=False)
        engine = PGEngine.from_connection_string(url)
        column = Column("document", "INTEGER")
        words = HybridSearchConfig(tsv_column="content_tsv", tsv_lang="pg_catalog.english")
        engine.init_vectorstore_table(
            "chunks", self.data["vectors"].shape[1], metadata_columns=[column], hybrid_search_config=words
        )

        def store(ef_search: int, hybrid: Any = None) -> Any:
            options = HNSWQueryOptions(ef_search=ef_search)
            return PGVectorStore.create_sync(
                engine,
                NoModel(),
                "chunks",
                metadata_columns=["document"],
                index_query_options=options,
                hybrid_search_config=hybrid,
            )

        self.index = HNSWIndex()
        self.stores = {"ef_search 40": store(40), "ef_search 400": store(400)}
        self.hybrid = store(40, words)

    def load(self) -> None:
        """Copy all chunks into the store's table: `add_embeddings` takes minutes for 10,000."""
        data = {name: self.data[name] for name in ("texts", "documents", "vectors")}
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute("alter table chunks alter column content_tsv set default ''")
            with cursor.copy("copy chunks (langchain_id, content, document, embedding) from stdin") as copy:
                for text, document, vector in zip(*data.values(), strict=True):
                    numbers = ",".join(map("{:.6g}".format, vector.tolist()))
                    copy.write_row((str(uuid.uuid4()), str(text), int(document), f"[{numbers}]"))
            cursor.execute("update chunks set content_tsv = to_tsvector('pg_catalog.english', content)")

    def search(self, store: Any, label: str, *, by_words: bool) -> dict[str, Any]:
        """Measure the recall of one half of the queries, and then the time of the other half."""
        queries, texts, nearest = (self.data[name] for name in ("queries", "query_texts", "nearest"))

        def found(n: int, k: int) -> list[int]:
            more = {"query": str(texts[n])} if by_words else {}
            results = store.similarity_search_by_vector(queries[n].astype(float).tolist(), k=k, **more)
            return list(dict.fromkeys(int(result.metadata["document"]) for result in results))[:K]

        common = sum(len({*found(n, MORE)} & {*nearest[n].tolist()}) for n in range(0, len(queries), 2))
        times_ms = [_seconds(lambda n=n: found(n, K)) * 1000 for n in range(1, len(queries), 2)]  # type: ignore[misc]
        recall = None if by_words else common / nearest[::2].size
        median_ms, p95_ms = np.quantile(times_ms, (0.5, 0.95)).tolist()
        return {"label": label, "recall": recall, "median_ms": median_ms, "p95_ms": p95_ms}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Load, build the indexes, search."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.langchain_search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="an empty database with pgvector")
    parser.add_argument("file", type=Path, help="a NumPy file with the chunks and the queries")
    options = parser.parse_args()
    peer = Peer(options.url, options.file)
    print(json.dumps({"label": "load", "seconds": _seconds(peer.load)}), flush=True)
    seconds = _seconds(lambda: peer.hybrid.apply_vector_index(peer.index))
    print(json.dumps({"label": "HNSW index", "seconds": seconds}), flush=True)
    seconds = _seconds(peer.hybrid.apply_hybrid_search_index)
    print(json.dumps({"label": "index of words", "seconds": seconds}), flush=True)
    with psycopg.connect(peer.url, autocommit=True) as connection:
        connection.execute("vacuum analyze chunks")
    for label, store in peer.stores.items():
        print(json.dumps(peer.search(store, f"vectors, {label}", by_words=False)), flush=True)
    print(json.dumps(peer.search(peer.hybrid, "vectors and words", by_words=True)), flush=True)


if __name__ == "__main__":
    main()

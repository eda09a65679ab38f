"""LangChain pipeline that `bench.collect` compares Headwater with.

    python -m bench.langchain_peer URL FOLDER [MEMORY]

Directory loader, Markdown splitter, `index()` with its SQL record manager, and PGVector with an HNSW index, over the
Markdown files of a folder, with the constant embedder. Prints a JSON line with the seconds of each stage; imports are
not counted.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from langchain_core.embeddings import Embeddings

from headwater.embedding.constant import ConstantEmbedder

HNSW = "create index on langchain_pg_embedding using hnsw (embedding vector_cosine_ops)"


class Constant(Embeddings):
    """Headwater's constant embedder, as a LangChain class."""

    def __init__(self) -> None:
        self.embedder = ConstantEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Derive each text's vector from its hash."""
        vectors: list[list[float]] = self.embedder.embed_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Derive a text's vector from its hash."""
        return self.embed_documents([text])[0]


class Pipeline:
    """Loads, splits and indexes the Markdown files of a folder. Constructing it imports LangChain's packages."""

    def __init__(self, url: str, folder: Path) -> None:
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from langchain_classic.indexes import SQLRecordManager
        from langchain_community.document_loaders import DirectoryLoader, TextLoader
        from langchain_core.indexing import index
        from langchain_postgres import PGVector
        from langchain_text_splitters import MarkdownTextSplitter

        globs = ["**/*.md", "**/*.mdx"]
        self._url, self._index = url, index
        self._loader = DirectoryLoader(
            str(folder), glob=globs, loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"}
        )
        self._splitter = MarkdownTextSplitter(chunk_size=1000, chunk_overlap=100)
        self._store: Any = PGVector(
            Constant(), connection=url, embedding_length=ConstantEmbedder.dim, collection_name="bench", use_jsonb=True
        )
        self._records: Any = SQLRecordManager("bench", db_url=url)
        self._records.create_schema()

    def collect(self) -> None:
        """Load, split and index everything; unchanged chunks are skipped, missing ones deleted."""
        chunks = self._splitter.split_documents(self._loader.load())
        self._index(
            chunks,
            self._records,
            self._store,
            cleanup="full",
            source_id_key="source",
            batch_size=500,
            key_encoder="sha256",
        )

    def build_index(self, memory: str) -> None:
        """Build the HNSW index, with enough memory for all of it, as pgvector's manual recommends."""
        engine = sa.create_engine(self._url)
        with engine.begin() as connection:
            connection.execute(sa.text(f"set local maintenance_work_mem = '{memory}'"))
            connection.execute(sa.text(HNSW))
        engine.dispose()


def measure(label: str, work: Callable[[], None]) -> None:
    """Run a stage and print its seconds."""
    started = time.perf_counter()
    work()
    print(json.dumps({"label": label, "seconds": time.perf_counter() - started}), flush=True)


def main() -> None:
    """Collect, build the index, and collect again without a change."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.langchain_peer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="an empty database with pgvector")
    parser.add_argument("folder", type=Path, help="a folder with Markdown files")
    parser.add_argument("memory", nargs="?", default="1GB", help="maintenance_work_mem for the index; default: 1GB")
    options = parser.parse_args()
    pipeline = Pipeline(options.url, options.folder)
    measure("first", pipeline.collect)
    measure("index", lambda: pipeline.build_index(options.memory))
    measure("unchanged", pipeline.collect)


if __name__ == "__main__":
    main()

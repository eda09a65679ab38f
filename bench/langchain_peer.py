"""The peer of `bench.collect`: what a team would write with LangChain. `python -m bench.langchain_peer URL FOLDER`

Directory loader, Markdown splitter, `index()` with its SQL record manager, PGVector with an HNSW index, over the
Markdown of a folder, with the constant embedder. Prints a JSON line for each thing it has done; importing it all is not
counted.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from langchain_core.embeddings import Embeddings

from headwater.embedding.constant import ConstantEmbedder

warnings.filterwarnings("ignore", category=DeprecationWarning)

from langchain_classic.indexes import SQLRecordManager  # noqa: E402
from langchain_community.document_loaders import DirectoryLoader, TextLoader  # noqa: E402
from langchain_core.indexing import index  # noqa: E402
from langchain_postgres import PGVector  # noqa: E402
from langchain_text_splitters import MarkdownTextSplitter  # noqa: E402

HNSW = "create index on langchain_pg_embedding using hnsw (embedding vector_cosine_ops)"


class Constant(Embeddings):
    """The constant embedder of the other side."""

    def __init__(self) -> None:
        self.embedder = ConstantEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Draw each text's vector from its hash."""
        vectors: list[list[float]] = self.embedder.embed_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Draw a vector."""
        return self.embed_documents([text])[0]


def collect(folder: Path, records: Any, store: PGVector) -> None:
    """Load, split and index the Markdown of a folder."""
    globs = ["**/*.md", "**/*.mdx"]
    loader = DirectoryLoader(str(folder), glob=globs, loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"})
    chunks = MarkdownTextSplitter(chunk_size=1000, chunk_overlap=100).split_documents(loader.load())
    index(chunks, records, store, cleanup="full", source_id_key="source", batch_size=500, key_encoder="sha256")


def build_index(url: str, memory: str) -> None:
    """Build the index as pgvector's manual says: with all of it in memory."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"set local maintenance_work_mem = '{memory}'"))
        connection.execute(sa.text(HNSW))
    engine.dispose()


def tell(label: str, work: Callable[[], None]) -> None:
    """Do it once and print how long it took."""
    started = time.perf_counter()
    work()
    print(json.dumps({"label": label, "seconds": time.perf_counter() - started}), flush=True)


def main(url: str, folder: Path, memory: str) -> None:
    """Collect, build the index, collect again without a change."""
    store = PGVector(
        Constant(), connection=url, embedding_length=ConstantEmbedder.dim, collection_name="bench", use_jsonb=True
    )
    records = SQLRecordManager("bench", db_url=url)
    records.create_schema()
    tell("first", lambda: collect(folder, records, store))
    tell("index", lambda: build_index(url, memory))
    tell("unchanged", lambda: collect(folder, records, store))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])

"""The vector index: when it is built, its use under row-level security, and its recall."""

import hashlib
import uuid
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from functions.chat.retrieval.search import OVERSAMPLE, Search
from functions.chat.retrieval.statements import indexed, statement
from functions.embedding.embed import vector_array
from headwater.config import Settings
from headwater.database.arrays import byte_strings
from headwater.database.migrations import register_model
from headwater.database.transactions import Database
from headwater.embedding import vector_index
from headwater.embedding.constant import ConstantEmbedder
from headwater.filters.parse import parse_filter
from headwater.filters.sql import where
from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_source, add_workspace, rows, settings_for

MANY, FEW_MORE = 5_000, 60
Matrix = NDArray[np.float32]


@cache
def vectors() -> Matrix:
    """Make vectors like those of texts: 384 numbers of a few dozen dimensions, rounded to float16."""
    rng = np.random.default_rng(4)
    made = rng.standard_normal((MANY + FEW_MORE + 20, 24)) @ rng.standard_normal((24, 384))
    unit: Matrix = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    return unit


class NumberEmbedder(ConstantEmbedder):
    """Embeds the question "n" as the n-th vector."""

    def embed_query(self, text: str) -> Matrix:
        vector: Matrix = vectors()[int(text)]
        return vector


@pytest.fixture(scope="module")
def settings(module_database: FreshDatabase) -> Settings:
    register_model(module_database.admin_url, "constant", 384)
    made = settings_for(module_database)
    database = Database(made.database_url, 1)
    fill(database, WORKSPACE, range(MANY))
    fill(database, OTHER_WORKSPACE, range(MANY, MANY + FEW_MORE))
    database.close()
    return made


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    made = Database(settings.database_url, 1)
    yield made
    made.close()


def fill(database: Database, workspace_id: uuid.UUID, numbers: range) -> None:
    """Store a document whose n-th character is a chunk with the n-th of these vectors. None is joined with another."""
    source_id = add_source(database, add_workspace(database, workspace_id))
    hashes = [hashlib.sha256(b"%d" % n).digest() for n in numbers]
    with database.transaction(workspace_id) as tx:
        values = {"w": workspace_id, "s": source_id, "n": len(numbers), "from": numbers.start}
        values |= {"hashes": byte_strings(hashes), "vectors": vector_array(vectors()[list(numbers)])}
        tx.execute(_FILL, values)
        tx.execute(sa.text("select refresh_statistics()"))


def found(search: Search, workspace_id: uuid.UUID, n: int, text: str = "") -> list[int]:
    document_filter = parse_filter(text)
    return [passage.start for passage in search(workspace_id, str(n), 100, document_filter=document_filter)]


def nearest(numbers: range, n: int) -> list[int]:
    """Rank exactly, in numpy."""
    return list(map(int, np.argsort(-(vectors()[list(numbers)] @ vectors()[n]))[:100]))


def test_build_indexes_skips_unneeded_and_rebuilds_invalid_indexes(
    settings: Settings, module_database: FreshDatabase, postgres: Cluster
) -> None:
    assert vector_index.build_indexes(settings, exact_vectors=MANY) == []
    assert vector_index.build_indexes(settings, exact_vectors=MANY - 1) == ["ix_vectors_1_lists_10"]
    assert vector_index.build_indexes(settings, exact_vectors=MANY - 1) == []
    postgres.execute(_INTERRUPT, database=module_database.name)
    assert vector_index.build_indexes(settings, exact_vectors=MANY - 1) == ["ix_vectors_1_lists_10"]
    assert rows(
        settings, "select indisvalid from pg_index where indexrelid = to_regclass('ix_vectors_1_lists_10')"
    ) == [(True,)]


def test_outgrown_index_is_replaced(settings: Settings, module_database: FreshDatabase, postgres: Cluster) -> None:
    def replace_by(lists: int) -> None:
        postgres.execute(
            "set search_path = headwater, public, extensions",
            "drop index if exists ix_vectors_1_lists_10, ix_vectors_1_lists_6",
            f"create index ix_vectors_1_lists_{lists} on vectors_1 using ivfflat"
            f" ((embedding::halfvec(384)) halfvec_cosine_ops) with (lists = {lists})",
            "create index if not exists ix_vectors_1_embedding on vectors_1 (input_hash)",  # an earlier release's
            database=module_database.name,
        )

    replace_by(6)
    assert vector_index.build_indexes(settings, exact_vectors=MANY - 1) == []
    replace_by(5)
    assert vector_index.build_indexes(settings, exact_vectors=MANY - 1) == ["ix_vectors_1_lists_10"]
    assert rows(
        settings, "select indexname from pg_indexes where tablename = 'vectors_1' and indexname like 'ix%'"
    ) == [("ix_vectors_1_lists_10",)]


def test_large_workspace_is_searched_by_the_index(settings: Settings, database: Database) -> None:
    vector_index.build_indexes(settings, exact_vectors=MANY - 1)
    search = Search(database, lambda name: NumberEmbedder(), exact_limit=MANY - 1)
    questions = range(MANY + FEW_MORE, MANY + FEW_MORE + 20)
    executed: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *given: executed.append(given[2]))
    shares = [len({*found(search, WORKSPACE, n)} & {*nearest(range(MANY), n)}) / 100 for n in questions]
    assert np.mean(shares) > 0.95
    by_index = statement(indexed(384), "true")
    assert executed.count(by_index.compile(dialect=database.engine.dialect).string) == len(questions)
    values = {
        "workspace_id": WORKSPACE,
        "model_id": 1,
        "vector": str([0.5] * 384),
        "oversample": OVERSAMPLE,
    }
    values["n"] = 100
    with database.transaction(WORKSPACE) as tx:
        plan = "\n".join(tx.execute(sa.text(f"explain {by_index}"), values).scalars())
    assert "Index Scan using ix_vectors_1_lists_10" in plan


@pytest.mark.parametrize(("chunks", "is_large"), [(2 * MANY, False), (2 * MANY + 1, True)], ids=["few", "many"])
def test_workspace_with_many_chunks_in_segments_counts_as_large(
    settings: Settings, database: Database, chunks: int, is_large: bool
) -> None:
    vector_index.build_indexes(settings, exact_vectors=MANY - 1)
    search = Search(database, lambda name: NumberEmbedder(), exact_limit=MANY)
    executed: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *given: executed.append(given[2]))
    with database.transaction(WORKSPACE) as tx:
        tx.execute(_ADD_SEGMENT, {"w": WORKSPACE, "chunks": chunks})
    try:
        assert search(WORKSPACE, str(MANY), 10, by="vectors")
    finally:
        with database.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("delete from word_segments"))
    by_index = statement(indexed(384), "true").compile(dialect=database.engine.dialect).string
    assert (by_index in executed) == is_large


def test_small_workspace_is_scanned_exactly(settings: Settings, database: Database) -> None:
    vector_index.build_indexes(settings, exact_vectors=MANY - 1)
    search = Search(database, lambda name: NumberEmbedder(), exact_limit=MANY - 1)
    small = range(MANY, MANY + FEW_MORE)
    for n in range(MANY + FEW_MORE, MANY + FEW_MORE + 5):
        assert found(search, OTHER_WORKSPACE, n) == nearest(small, n)


def test_filter_that_leaves_many_chunks_uses_the_index(settings: Settings, database: Database) -> None:
    vector_index.build_indexes(settings, exact_vectors=MANY - 1)
    tenth = range(0, MANY, 10)
    with database.transaction(WORKSPACE) as tx:
        tx.execute(_MOVE_TENTH, {"w": WORKSPACE})
        tx.execute(sa.text("select refresh_statistics()"))
    few = Search(database, lambda name: NumberEmbedder(), exact_limit=MANY - 1)
    many = Search(database, lambda name: NumberEmbedder(), exact_limit=len(tenth) - 1)
    executed: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *given: executed.append(given[2]))
    shares = []
    for n in range(MANY + FEW_MORE, MANY + FEW_MORE + 20):
        best = {tenth[place] for place in nearest(tenth, n)}
        assert len({*found(few, WORKSPACE, n, "path:tenth.md")} & best) >= 99  # two may be equally near
        shares.append(len({*found(many, WORKSPACE, n, "path:tenth.md")} & best) / 100)
    assert np.mean(shares) > 0.95
    wanted = where(parse_filter("path:tenth.md"))
    by_index = statement(indexed(384, is_filtered=True), wanted.sql)
    assert executed.count(by_index.compile(dialect=database.engine.dialect).string) == len(shares)
    values = {"workspace_id": WORKSPACE, "model_id": 1, "vector": str([0.5] * 384), "oversample": OVERSAMPLE, "n": 100}
    with database.transaction(WORKSPACE) as tx:
        plan = "\n".join(tx.execute(sa.text(f"explain {by_index}"), values | wanted.values).scalars())
    assert "Index Scan using ix_vectors_1_lists_10" in plan


_ADD_SEGMENT = sa.text("""
    insert into word_segments (workspace_id, first_chunk_id, chunks, words, documents) values (:w, 1, :chunks, 1, 1)
""")

_MOVE_TENTH = sa.text("""
    with document as (
      insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text)
      select workspace_id, source_id, 'tenth.md', '', 'A', 'text/markdown', text from documents where key = 'a.md'
      on conflict do nothing returning id
    )
    update chunks set document_id = document.id from document where workspace_id = :w and mod(ordinal, 10) = 0
""")

_FILL = sa.text("""
    with document as (
      insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text)
      select :w, :s, 'a.md', '', 'A', 'text/markdown', string_agg(chr(19968 + n), '' order by n)
      from generate_series(0, :n - 1) n returning id
    ), filled as (
      insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
        token_count)
      select :w, document.id, n, n, n + 1, '{}', sha256(convert_to(cast(n + :from as text), 'utf8')), 1000
      from document, generate_series(0, :n - 1) n
    )
    insert into vectors (model_id, workspace_id, input_hash, embedding)
    select 1, :w, unnest(cast(:hashes as bytea[])), unnest(cast(:vectors as halfvec[]))
""")

_INTERRUPT = """
    update pg_index set indisvalid = false
    where indexrelid = cast('headwater.ix_vectors_1_lists_10' as regclass)
"""

"""When a run indexes words. How they are found: `tests/integration/chat/retrieval/test_words.py`."""

import uuid

import pytest
import sqlalchemy as sa

from functions.collection.pipeline.index_words import MEANWHILE, SCANNED_CHUNKS, IndexWords, is_urgent
from headwater.queue.ledger import Step
from tests.harness.pipeline import Pipeline, Repository
from tests.harness.support import WORKSPACE

_ADD_CHUNKS = """
    insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count, words, word_count)
    select d.workspace_id, d.id, n, n, n + 1, '{}', c.input_hash, 1, c.words, c.word_count
    from documents d join chunks c on c.document_id = d.id, generate_series(1, :n) n
    where c.ordinal = 0 returning 1
"""

_ADD_DOCUMENTS = """
    insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text)
    select workspace_id, source_id, n || key, fingerprint, title, media_type, text
    from documents, generate_series(1, :n) n returning 1
"""

_CHUNKS_OF_DOCUMENTS = """
    insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count, words, word_count)
    select d.workspace_id, d.id, n, n, n + 1, '{}', sha256(cast(d.key as bytea)), 1, c.words, c.word_count
    from documents d, (select words, word_count from chunks limit 1) c, generate_series(1, :n) n returning 1
"""

_READ_IN_INDEXES = sa.text("""
    select sum(pg_stat_get_xact_tuples_returned(indexrelid)) from pg_index
    where indrelid = cast('chunks' as regclass)
""")


def test_many_chunks_are_indexed_by_word_while_they_are_embedded(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"a.md": "# A\n\nWords of [another page](b.md).\n"})
    run_id = pipeline.start(pipeline.add_source(repository.url))
    assert [pipeline.step("collection") for _ in ("list", "fetch")] == [1, 1]
    pipeline.rows(_ADD_CHUNKS, n=SCANNED_CHUNKS)
    assert pipeline.step("collection") == 1
    waiting = pipeline.rows("select kind from steps where state = 'ready' order by kind")
    assert waiting == [("embed",), ("index_words",), ("link",)]
    pipeline.drain()
    assert pipeline.read(run_id).state == "succeeded"
    assert pipeline.rows("select count(*) from documents where word_segment_id is null") == [(0,)]
    assert pipeline.rows("select chunks from word_segments") == [(SCANNED_CHUNKS + 1,)]


@pytest.mark.parametrize(("key", "continues"), [("0", True), (f"{MEANWHILE}0", False)])
def test_step_that_a_fetching_run_adds_does_not_continue(
    pipeline: Pipeline, repository: Repository, key: str, continues: bool
) -> None:
    """The next batches add another one, before the other batches. One that continued would wait until after them."""
    repository.write({"a.md": "# A\n\nWords.\n", "b.md": "# B\n\nWords.\n"})
    pipeline.collect(pipeline.add_source(repository.url))
    pipeline.rows(_ADD_CHUNKS, n=SCANNED_CHUNKS)
    [(document_id,)] = pipeline.rows("select cast(id as text) from documents where key = 'a.md'")
    step = Step(0, uuid.UUID(int=0), WORKSPACE, "collection", "index_words", key, {}, None, 1, 0, 0)
    with pipeline.database.transaction(WORKSPACE) as tx:
        result = IndexWords().apply(tx, step, [document_id])
    assert bool(result.next_steps) == continues


def test_look_for_chunks_to_index_reads_each_once(pipeline: Pipeline, repository: Repository) -> None:
    """Without statistics of its tables, Postgres would read all chunks of the workspace for each document."""
    repository.write({"a.md": "# A\n\nWords.\n"})
    pipeline.collect(pipeline.add_source(repository.url))
    documents, chunks = 1 + len(pipeline.rows(_ADD_DOCUMENTS, n=200)), 1
    chunks += len(pipeline.rows(_CHUNKS_OF_DOCUMENTS, n=20))
    step = Step(0, uuid.UUID(int=0), WORKSPACE, "collection", "fetch", "0", {}, None, 1, 0, 0)
    with pipeline.database.transaction(WORKSPACE) as tx:
        assert not is_urgent(tx, step)
        assert tx.execute(_READ_IN_INDEXES).scalar_one() <= chunks + documents

"""Search by words on a real database: scanned, indexed and changed documents."""

import random
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from functions.chat.retrieval.words import MAX_POSTINGS, read_scores, weigh_words
from functions.collection.pipeline import index_words
from functions.collection.pipeline.index_words import IndexWords
from headwater.database.transactions import owner_transaction
from headwater.queue.ledger import Step
from scripts.local.postgres import Cluster
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE

VOCABULARY = [f"word{n}" for n in range(60)]


@pytest.fixture
def chat(database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(database) as made:
        yield made


def add_documents(chat: ChatApp, n: int, start: int = 0) -> list[uuid.UUID]:
    """Add documents of three chunks, with words whose frequencies differ."""
    chosen = random.Random(start)
    ids = []
    for document in range(start, start + n):
        text = " ".join(VOCABULARY[min(int(chosen.expovariate(0.08)), 59)] for _ in range(120))
        ids.append(chat.add_document(f"{document}.md", text, cuts=[300, 600], vectors=()))
    return ids


def index(chat: ChatApp) -> None:
    """Index the workspace's documents, as the step does."""
    step = Step(0, uuid.UUID(int=0), WORKSPACE, "collection", "index_words", "0", {}, None, 1, 0, 0)
    with chat.database.transaction(WORKSPACE) as tx:
        chosen = IndexWords().gather(tx, step)
    with chat.database.transaction(WORKSPACE) as tx:
        IndexWords().apply(tx, step, chosen)


def scores(
    chat: ChatApp, query: str, max_postings: int = MAX_POSTINGS, among: NDArray[np.int64] | None = None
) -> dict[int, float]:
    with chat.database.transaction(WORKSPACE, snapshot=True) as tx:
        found = read_scores(tx, WORKSPACE, weigh_words(query, ["en"], ()), max_postings, among=among)
    return dict(zip(found.chunks.tolist(), found.scores.tolist(), strict=True))


def keys(chat: ChatApp, query: str) -> Sequence[object]:
    return sorted(hit["key"] for hit in chat.search(q=query, k=50))


def test_english_stop_words_of_questions_in_english_find_no_texts_in_other_languages(chat: ChatApp) -> None:
    chat.add_document("code.md", "Der Befehl schreibt: what is the.", vectors=())
    chat.add_document("pump.md", "Ein Motor treibt sie an.", vectors=())
    chat.rows("update documents set language = 'de' returning id")
    assert keys(chat, "What is the Motor?") == ["pump.md"]
    assert keys(chat, "Ist the ein Befehl?") == ["code.md"]


def test_indexed_documents_score_as_scanned_ones(chat: ChatApp) -> None:
    add_documents(chat, 30)
    queries = ["word0", "word3 word40", "word0 word1 word2 word55", "absent", "word59 absent"]
    scanned = [scores(chat, query) for query in queries]
    assert len(scanned[0]) > 60
    index(chat)
    assert chat.rows("select count(*) from documents where word_segment_id is null") == [(0,)]
    assert [scores(chat, query) for query in queries] == [pytest.approx(expected) for expected in scanned]
    add_documents(chat, 10, start=30)
    mixed = [scores(chat, query) for query in queries]
    index(chat)
    assert [scores(chat, query) for query in queries] == [pytest.approx(expected) for expected in mixed]
    assert chat.rows("select count(*) from word_segments") == [(2,)]


def test_frequent_words_are_counted_for_the_best_chunks(chat: ChatApp) -> None:
    add_documents(chat, 40)
    index(chat)
    exact = scores(chat, "word0 word1 word50")
    bounded = scores(chat, "word0 word1 word50", max_postings=30)
    assert 0 < len(bounded) < len(exact)
    assert bounded == pytest.approx({chunk: exact[chunk] for chunk in bounded})


def test_chunks_that_a_filter_leaves_are_scored_exactly(chat: ChatApp) -> None:
    add_documents(chat, 40)
    index(chat)
    exact = scores(chat, "word0 word1 word50")
    few = sorted(exact)[::3]
    for max_postings in (30, MAX_POSTINGS):
        found = scores(chat, "word0 word1 word50", max_postings, np.array(few))
        assert found == pytest.approx({chunk: exact[chunk] for chunk in few})


def test_changed_and_removed_documents_are_not_found_in_old_postings(chat: ChatApp) -> None:
    first, second, *_ = add_documents(chat, 12)
    chat.add_document("rare.md", "A zebra.", vectors=())
    index(chat)
    assert keys(chat, "zebra") == ["rare.md"]
    chat.rows("update documents set deleted_at = now() where key = 'rare.md'")
    assert keys(chat, "zebra") == []
    chat.rows("update documents set deleted_at = null where key = 'rare.md'")
    assert keys(chat, "zebra") == ["rare.md"]
    chat.rows("delete from documents where id = any(array[cast(:a as uuid), cast(:b as uuid)])", a=first, b=second)
    chat.rows("delete from documents where key = 'rare.md'")
    assert keys(chat, "zebra") == []
    assert set(keys(chat, "word0 word1")) == {f"{n}.md" for n in range(2, 12)}


def test_outdated_segments_are_indexed_again_and_dropped(chat: ChatApp) -> None:
    add_documents(chat, 10)
    index(chat)
    chat.rows("delete from documents where key = any(array['0.md','1.md','2.md','3.md','4.md','5.md'])")
    expected = keys(chat, "word0")
    index(chat)
    assert chat.rows("select chunks from word_segments") == [(12,)]
    assert keys(chat, "word0") == expected
    chat.rows("delete from documents")
    index(chat)
    assert chat.rows("select (select count(*) from word_segments where chunks > 0), count(*) from word_postings") == [
        (0, 0)
    ]


def test_postings_are_deleted_with_their_segment(chat: ChatApp, database: FreshDatabase, postgres: Cluster) -> None:
    add_documents(chat, 2)
    index(chat)
    [(segments, postings)] = chat.rows("select count(distinct segment_id), count(*) from word_postings")
    assert segments == 1
    assert postings > 0
    postgres.execute(f"delete from headwater.workspaces where id = '{WORKSPACE}'", database=database.name)
    with owner_transaction(database.admin_url) as tx:
        assert tx.exec_driver_sql("select count(*) from word_postings").scalar_one() == 0


def test_chunk_ids_far_apart_are_indexed_in_different_segments(
    chat: ChatApp, database: FreshDatabase, postgres: Cluster
) -> None:
    add_documents(chat, 5)
    advance = f"alter table headwater.chunks alter column id restart with {2**31 + 10}"
    postgres.execute(advance, database=database.name)
    add_documents(chat, 5, start=5)
    expected = scores(chat, "word0 word3")
    assert len(expected) > 20
    assert max(expected) - min(expected) > 2**31
    index(chat)
    index(chat)
    assert chat.rows("select chunks from word_segments order by id") == [(15,), (15,)]
    assert scores(chat, "word0 word3") == pytest.approx(expected)


def test_postings_stay_in_proportion_to_documents_that_are_replaced_and_removed(chat: ChatApp) -> None:
    postings = "select coalesce(sum(chunks), 0) from word_segments"
    written = 0
    for turn in range(12):
        chat.rows("delete from documents where key like '%0.md' or key like '%5.md'")
        chat.rows("update documents set deleted_at = now() where key like '%1.md'")
        add_documents(chat, 20, start=20 * turn)
        needed = True
        while needed:
            before = chat.rows("select coalesce(max(id), 0) from word_segments")[0][0]
            index(chat)
            [(new,)] = chat.rows("select coalesce(sum(chunks), 0) from word_segments where id > :id", id=before)
            written += new
            with chat.database.transaction(WORKSPACE) as tx:
                needed = new > 0 and index_words.is_needed(tx, WORKSPACE)
        [(stored,)] = chat.rows(postings)
        [(live,)] = chat.rows("select 3 * count(*) from documents where deleted_at is null")
        assert stored <= 2 * live + 60
    assert written < 4 * 12 * 60
    chat.rows("update documents set deleted_at = now()")
    with chat.database.transaction(WORKSPACE) as tx:
        assert index_words.is_needed(tx, WORKSPACE)
    index(chat)
    assert chat.rows(postings) == [(0,)]
    with chat.database.transaction(WORKSPACE) as tx:
        assert not index_words.is_needed(tx, WORKSPACE)
    chat.rows("update documents set deleted_at = null where key = '239.md'")
    assert keys(chat, "word0 word1 word2") == ["239.md"] * 3


def test_search_reads_few_chunks_of_many(chat: ChatApp) -> None:
    source = chat.add_source()
    chat.add_document("x.md", "x", source_id=source, vectors=[[1.0] + [0.0] * 383])
    chat.rows(
        """with added as (
          insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text, language)
          select :w, :s, n || '.md', 'f', '', 'text/plain', 'x', 'en' from generate_series(1, 200) n returning id)
        insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
          token_count, words, word_count)
        select :w, id, n, 0, 1, '{}', '', 1, cast('{7:1}/1000000000' as sparsevec), 1
        from added, generate_series(1, 40) n""",
        w=WORKSPACE,
        s=source,
    )
    index(chat)
    plans: list[str] = []

    def explain(_: object, cursor: Any, statement: str, parameters: Any, *__: object) -> None:
        if not statement.startswith("explain"):
            cursor.execute(f"explain {statement}", parameters)
            plans.append("\n".join(row[0] for row in cursor.fetchall()))

    sa.event.listen(chat.database.engine, "before_cursor_execute", explain)
    assert keys(chat, "x") == ["x.md"]
    assert any("pk_chunks" in plan for plan in plans)
    assert not [plan for plan in plans if "Seq Scan on chunks" in plan]


def test_document_that_another_step_changes_stays_scanned(chat: ChatApp) -> None:
    first, *_ = add_documents(chat, 5)
    with chat.database.transaction(WORKSPACE) as tx:
        tx.exec_driver_sql(f"select 1 from documents where id = '{first}' for update")
        index(chat)
    assert chat.rows("select id from documents where word_segment_id is null") == [(first,)]
    assert set(keys(chat, "word0")) == {f"{n}.md" for n in range(5)}


def test_many_scanned_chunks_need_an_index(chat: ChatApp) -> None:
    document = chat.add_document("large.md", "x" * 11_000, vectors=())
    add = """insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
          token_count, words, word_count)
        select :w, :d, n, n, n + 1, '{}', '', 1, cast('{7:1}/1000000000' as sparsevec), 1
        from generate_series(cast(:a as integer), :b) n"""
    chat.rows(add, w=WORKSPACE, d=document, a=1, b=index_words.SCANNED_CHUNKS - 1)
    with chat.database.transaction(WORKSPACE) as tx:
        assert not index_words.is_needed(tx, WORKSPACE)
    chat.rows(add, w=WORKSPACE, d=document, a=index_words.SCANNED_CHUNKS, b=index_words.SCANNED_CHUNKS)
    with chat.database.transaction(WORKSPACE) as tx:
        assert index_words.is_needed(tx, WORKSPACE)
    index(chat)
    with chat.database.transaction(WORKSPACE) as tx:
        assert not index_words.is_needed(tx, WORKSPACE)

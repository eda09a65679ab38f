"""The `index_words` step: index a workspace's documents by word.

Search scans the chunks of documents that are not indexed. Once they are many, this step moves them into a segment: a
set of postings that never changes. A changed document leaves its segment, so that it is scanned again; its old postings
remain until half of the segment's documents have left it or are deleted, and this step indexes the others again. So
there are at most twice as many documents in segments as in the workspace, and a document is indexed again at most once
for each that has left. Without this step, search is slower and finds the same.
"""

import itertools
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.pipeline.postings import ChunkWords, make_postings
from headwater.database.arrays import BinaryValue
from headwater.database.transactions import Database, json_rows, to_array
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult

SCANNED_CHUNKS = 4_000
"""Chunks of a workspace that search scans, at most, once a run has ended."""

SCANNED_MEANWHILE = 10_000
"""Chunks that search scans while a run goes on, at most: in .1 s. With fewer, chunks would be indexed repeatedly."""

MEANWHILE = "fetch."
"""Keys of steps that a run adds while it fetches begin with this."""

SEGMENT_CHUNKS = 100_000
"""Chunks that a step indexes, at most. 78,000 chunks of an API reference take 3 s."""

SEGMENT_WORDS = 16_000_000
"""Words of these chunks, at most: their postings are in memory, 12 bytes each. An API reference has 113 in a chunk."""

BLOCK_CHUNKS = 2_000
"""Chunks whose words the driver decodes at once."""

SMALL_SEGMENTS = 8
"""So many segments of less than half the size are joined."""


MAX_SPAN = 2**31
"""Postings have the distance from the segment's first chunk id in 4 bytes, signed."""


def is_needed(tx: Connection, workspace_id: uuid.UUID) -> bool:
    """Return whether search has to scan more than SCANNED_CHUNKS, or a segment is mostly outdated."""
    return bool(tx.execute(_IS_NEEDED, {"workspace_id": workspace_id, "scanned": SCANNED_CHUNKS}).scalar_one())


def is_urgent(tx: Connection, step: Step) -> bool:
    """Return whether search has to scan more than SCANNED_MEANWHILE, and the step's run is not about to index them."""
    tx.execute(_REFRESH_STATISTICS)
    values = {"workspace_id": step.workspace_id, "run_id": step.run_id, "scanned": SCANNED_MEANWHILE}
    return bool(tx.execute(_IS_URGENT, values).scalar_one())


def index_workspace(database: Database, workspace_id: uuid.UUID) -> None:
    """Index a workspace's documents by word without a run, as after `migrate` has counted their words."""
    while True:
        with database.transaction(workspace_id) as tx:
            if not is_needed(tx, workspace_id) or not _index(tx, workspace_id, _choose_documents(tx, workspace_id)):
                return


class IndexWords:
    """Handler of `index_words` steps."""

    def gather(self, tx: Connection, step: Step) -> list[str]:
        """Choose documents that are not indexed, and those of segments that are small or mostly outdated."""
        return _choose_documents(tx, step.workspace_id)

    def compute(self, gathered: list[str]) -> list[str]:
        """Do nothing: the database does the work."""
        return gathered

    def apply(self, tx: Connection, step: Step, computed: list[str]) -> StepResult:
        """Move the documents into a new segment, except those that another step is changing."""
        n = _index(tx, step.workspace_id, computed)
        # While a run fetches, its next batches look again.
        more = n and not step.key.startswith(MEANWHILE) and is_needed(tx, step.workspace_id)
        return StepResult(next_steps=[NewStep("collection", "index_words", f"{step.key}+")] if more else ())

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Leave the documents as they are: search scans them."""


def _choose_documents(tx: Connection, workspace_id: uuid.UUID) -> list[str]:
    tx.execute(_REFRESH_STATISTICS)
    segments = tx.execute(_SELECT_SEGMENTS, {"workspace_id": workspace_id}).all()
    small = [row.id for row in segments if row.chunks < SEGMENT_CHUNKS / 2 and row.words < SEGMENT_WORDS / 2]
    outdated = [row.id for row in segments if row.live < row.chunks / 2 or row.live_documents < row.documents / 2]
    joined = {*outdated, *(small if len(small) >= SMALL_SEGMENTS else ())}
    values = {"workspace_id": workspace_id, "segments": json_rows(sorted(joined))}
    values |= {"chunks": SEGMENT_CHUNKS, "words": SEGMENT_WORDS, "span": MAX_SPAN}
    return [str(document_id) for document_id in tx.execute(_SELECT_DOCUMENTS, values).scalars()]


def _index(tx: Connection, workspace_id: uuid.UUID, documents: Sequence[str]) -> int:
    """Move documents into a new segment, except those that are locked. Returns their number."""
    values: dict[str, Any] = {"workspace_id": workspace_id, "documents": json_rows(documents)}
    locked: Sequence[uuid.UUID] = tx.execute(_LOCK_DOCUMENTS, values).scalars().all()
    values["documents"] = json_rows([str(document_id) for document_id in locked])
    segment = tx.execute(_INSERT_SEGMENT, values).one()
    blocks = tx.execute(_SELECT_WORDS, {**values, **segment._mapping, "block": BLOCK_CHUNKS})
    for words, chunks, postings in make_postings(itertools.starmap(ChunkWords, blocks), segment.mean_length):
        arrays = {"words": to_array(words.tolist()), "chunks": to_array(chunks.tolist())}
        tx.execute(_INSERT_POSTINGS, {**values, "id": segment.id, **arrays, "postings": BinaryValue(postings)})
    tx.execute(_MOVE_DOCUMENTS, {**values, "segment_id": segment.id})
    tx.execute(_RELEASE_DELETED, values)
    tx.execute(_DELETE_EMPTY_SEGMENTS, values)
    return len(locked)


# Of tables that have grown. Without statistics, the planner takes the chunks of a document for as many as those of its
# workspace, and reads both for each document: seconds for 10,000 chunks.
_REFRESH_STATISTICS = sa.text("select refresh_statistics()")

_NOT_INDEXED = "d.workspace_id = :workspace_id and d.word_segment_id is null and d.deleted_at is null"

# The lateral join reads the chunks of one document after another, until there are enough. Without statistics, the
# planner would read all chunks.
_MANY_ARE_SCANNED = f"""(select count(*) > cast(:scanned as integer) from (
      select 1 from documents d
      cross join lateral (
        select 1 from chunks c where c.document_id = d.id limit cast(:scanned as integer) + 1) of_document
      where {_NOT_INDEXED} limit cast(:scanned as integer) + 1) scanned)"""

_IS_URGENT = sa.text(f"""
    select {_MANY_ARE_SCANNED} and not exists (
      select 1 from steps where run_id = :run_id and kind = 'index_words' and is_open)
""")

_IS_NEEDED = sa.text(f"""
    select {_MANY_ARE_SCANNED}
    or exists (
      select 1 from word_segments s where s.workspace_id = :workspace_id and s.documents > 2 * (
        select count(*) from documents d where d.word_segment_id = s.id and d.deleted_at is null))
""")

# Documents take all of their chunks with them when they leave a segment.
_SELECT_SEGMENTS = sa.text("""
    select s.*, case when s.live_documents = s.documents then s.chunks else (
      select count(*) from documents d join chunks c on c.document_id = d.id
      where d.word_segment_id = s.id and d.deleted_at is null) end as live
    from (
      select s.id, s.chunks, s.words, s.documents, count(d.id) as live_documents from word_segments s
      left join documents d on d.word_segment_id = s.id and d.deleted_at is null
      where s.workspace_id = :workspace_id group by s.id) s
""")

# These join: a subquery for each row, or a comparison of each row with a list, would take a minute.
_SELECT_DOCUMENTS = sa.text(f"""
    select id from (
      select id, sum(chunks) over before as chunks, sum(words) over before as words, row_number() over before as place,
        last - min(first) over () as span
      from (
        select d.id, count(c.id) as chunks, sum(c.word_count) as words, min(c.id) as first, max(c.id) as last
        from documents d left join chunks c on c.document_id = d.id
        where {_NOT_INDEXED} or d.workspace_id = :workspace_id and d.deleted_at is null and d.word_segment_id in (
          select cast(value as bigint) from json_array_elements_text(cast(:segments as json)))
        group by d.id) chosen
      window before as (order by first, id)) counted
    where (chunks <= cast(:chunks as bigint) and coalesce(words, 0) <= cast(:words as bigint) or place = 1)
      and coalesce(span, 0) < cast(:span as bigint)
""")

_CHOSEN = "(select cast(value as uuid) as id from json_array_elements_text(cast(:documents as json))) chosen"

# A step that replaces a document's chunks locks the document first.
_LOCK_DOCUMENTS = sa.text(f"""
    select d.id from {_CHOSEN} join documents d on d.id = chosen.id
    where d.workspace_id = :workspace_id and d.deleted_at is null order by d.id for update of d skip locked
""")

_INSERT_SEGMENT = sa.text(f"""
    insert into word_segments (workspace_id, first_chunk_id, chunks, words, documents)
    select cast(:workspace_id as uuid), coalesce(min(c.id), 0), count(*), coalesce(sum(c.word_count), 0),
      (select count(*) from {_CHOSEN})
    from {_CHOSEN} join chunks c on c.document_id = chosen.id where c.words is not null
    returning id, first_chunk_id, words / greatest(chunks, 1)::float as mean_length
""")

# pgvector sends a sparse vector as its dimensions, its number of elements and an unused number, 4 bytes each, and its
# elements. One value for many chunks: the driver takes longer for more.
_SELECT_WORDS = sa.text(f"""
    select string_agg(int8send(id - cast(:first_chunk_id as bigint)) || int4send(word_count)
        || substring(vector from 5 for 4), ''::bytea order by id) as chunks,
      string_agg(substring(vector from 13), ''::bytea order by id) as vectors
    from (
      select c.id, c.word_count, sparsevec_send(c.words) as vector,
        (row_number() over (order by c.id) - 1) / cast(:block as integer) as block
      from {_CHOSEN} join chunks c on c.document_id = chosen.id where c.words is not null) numbered
    group by block order by block
""")

# A posting has 8 bytes.
_INSERT_POSTINGS = sa.text("""
    insert into word_postings (segment_id, workspace_id, word, chunks, postings)
    select :id, cast(:workspace_id as uuid), word, chunks,
      substring(cast(:postings as bytea) from cast(1 + 8 * (before - chunks) as integer) for 8 * chunks)
    from (
      select word, chunks, sum(chunks) over (order by place) as before
      from unnest(cast(:words as integer[]), cast(:chunks as integer[])) with ordinality as found (word, chunks, place))
      placed
""")

_MOVE_DOCUMENTS = sa.text(f"""
    update documents d set word_segment_id = :segment_id from {_CHOSEN} where d.id = chosen.id
""")

# Restored documents are scanned.
_RELEASE_DELETED = sa.text("""
    update documents d set word_segment_id = null from (
      select id from documents where workspace_id = :workspace_id and deleted_at is not null
        and word_segment_id is not null order by id for update skip locked) deleted
    where d.id = deleted.id
""")

_DELETE_EMPTY_SEGMENTS = sa.text("""
    delete from word_segments s where s.workspace_id = :workspace_id
      and not exists (select 1 from documents d where d.word_segment_id = s.id)
""")

"""Store parsed files as documents with their chunks and links.

Used by the `fetch` step and by manual uploads. A file that cannot be read leaves the document's last text in place; the
reason is stored with the document and its item. Where a later attempt may succeed, runs try again: those that a user
starts always, scheduled ones after waits that double, up to a day.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.chunking.chunk import Chunk
from functions.collection.documents.parsed_file import ParsedFile, ParseFailure
from headwater.connectors import Fetched
from headwater.database import arrays
from headwater.database.transactions import json_rows, to_array
from headwater.errors import SystemicError
from headwater.redaction import quote

_MAX_REASON_CHARS = 1_000

_ROWS_AT_ONCE = 2_000
"""Chunks or links that one statement inserts: chunks of 2 MB, as the driver and Postgres have each in memory."""

ChunkRow = tuple[
    str, int, int, int, Sequence[str], bytes, int, Sequence[int] | None, int | None, int | None, bytes, int
]
"""Key, ordinal, start, end, heading path, input hash, token count, markup, start and end of the table's header, words
as a sparse vector in its binary format, and their number."""

RelationRow = tuple[str, str, str, int, int]
"""Key, kind, target, start, end."""


@dataclass(frozen=True)
class DocumentRows:
    """The rows to store for a batch of files. `item_updates` are for items that failed or have a warning."""

    item_updates: list[dict[str, Any]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[ChunkRow] = field(default_factory=list)
    relations: list[RelationRow] = field(default_factory=list)


def read_active_model(tx: Connection) -> str:
    """Return the name of the embedding model that chunks have to fit; raises SystemicError if there is none."""
    model: str | None = tx.execute(_SELECT_ACTIVE_MODEL).scalar_one_or_none()
    if model is None:
        raise SystemicError("No embedding model is registered. Run `python -m functions.job migrate`.")
    return model


def read_source_language(tx: Connection, source_id: uuid.UUID) -> str | None:
    """Return the language of more than half of a source's documents, of a sample of long ones; None if there is none.

    Documents that are too short to detect their language inherit it.
    """
    language: str | None = tx.execute(_SELECT_LANGUAGE, {"source_id": source_id}).scalar_one_or_none()
    return language


def document_rows(
    parsed: Iterable[tuple[Fetched, ParsedFile | ParseFailure]], fingerprints: Mapping[str, str]
) -> DocumentRows:
    """Make the rows of files that were parsed, or could not be. `fingerprints` are the ones to store, by key."""
    rows = DocumentRows()
    for file, result in parsed:
        document: dict[str, Any] = {
            "k": file.key,
            "f": fingerprints[file.key],
            "url": file.url,
            "media_type": file.media_type,
            "title": file.key.rpartition("/")[2],
            "text": "",
            "front_matter": {},
            "language": None,
            "inherits": False,
            "warnings": [],
            "pages": None,
            "error": None,
            "may_pass": False,
        }
        rows.documents.append(document)
        if isinstance(result, ParseFailure):
            document |= {"error": quote(result.reason, _MAX_REASON_CHARS), "may_pass": result.may_pass}
            rows.item_updates.append(item_update(file.key, "failed", result.reason))
            continue
        document |= {"title": result.title, "text": result.text, "front_matter": result.front_matter}
        document["warnings"] = [quote(warning, _MAX_REASON_CHARS) for warning in result.warnings]
        if result.warnings:
            rows.item_updates.append(item_update(file.key, "done", warning="; ".join(result.warnings)))
        document |= {"language": result.language, "inherits": result.inherits_language}
        document["pages"] = f"{{{','.join(map(str, result.pages))}}}" if result.pages else None
        rows.chunks.extend(map(_chunk_row, repeat(file.key), result.chunks, result.words))
        rows.relations.extend((file.key, link.kind, link.target, link.start, link.end) for link in result.links)
    return rows


def store(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, rows: DocumentRows) -> dict[str, uuid.UUID]:
    """Store documents of a run's source and replace their chunks and links; returns the documents' ids by key."""
    values = {"run_id": run_id, "workspace_id": workspace_id}
    stored = tx.execute(_UPSERT_DOCUMENTS, {**values, "rows": json_rows(rows.documents)}).all()
    ids = {row.key: row.id for row in stored}
    failed_keys = {row["k"] for row in rows.documents if row["error"] is not None}
    replaced = [row.id for row in stored if row.existed and row.key not in failed_keys]
    if replaced:
        tx.execute(_DELETE_CHUNKS, {"ids": json_rows(replaced)})
        tx.execute(_DELETE_RELATIONS, {"ids": json_rows(replaced)})
    for at in range(0, len(rows.chunks), _ROWS_AT_ONCE):
        tx.execute(_INSERT_CHUNKS, values | _chunk_arrays(ids, rows.chunks[at : at + _ROWS_AT_ONCE]))
    for at in range(0, len(rows.relations), _ROWS_AT_ONCE):
        tx.execute(_INSERT_RELATIONS, values | _relation_arrays(ids, rows.relations[at : at + _ROWS_AT_ONCE]))
    return ids


def item_update(key: str, state: str, reason: str | None = None, *, warning: str | None = None) -> dict[str, Any]:
    """Describe how the item of a key ended. Texts may quote a document or a server, so they are escaped and cut."""
    texts = {"reason": reason, "warning": warning}
    return {"k": key, "state": state, **{name: text and quote(text, _MAX_REASON_CHARS) for name, text in texts.items()}}


def _chunk_row(key: str, chunk: Chunk, words: tuple[bytes, int]) -> ChunkRow:
    """Make a chunk's row; its text is stored only with the document."""
    place = chunk.ordinal, chunk.start, chunk.end, chunk.heading_path
    shown = chunk.markup or None, *(chunk.table_header or (None, None))
    return (key, *place, chunk.input_hash, chunk.token_count, *shown, *words)


def _chunk_arrays(ids: Mapping[str, uuid.UUID], rows: Sequence[ChunkRow]) -> dict[str, Any]:
    keys, ordinals, starts, ends, paths, hashes, tokens, markup, first, last, words, counts = zip(*rows, strict=True)
    return {
        "documents": arrays.uuids(map(ids.__getitem__, keys)),
        "ordinals": arrays.integers(ordinals),
        "starts": arrays.integers(starts),
        "ends": arrays.integers(ends),
        "paths": arrays.texts(map(arrays.text_literal, paths)),
        "hashes": arrays.byte_strings(hashes),
        "tokens": arrays.integers(tokens),
        "markup": arrays.texts(ranges and to_array(ranges) for ranges in markup),
        "header_starts": arrays.integers(first),
        "header_ends": arrays.integers(last),
        "words": arrays.elements(arrays.EXTENSION_TYPE, words),
        "counts": arrays.integers(counts),
    }


def _relation_arrays(ids: Mapping[str, uuid.UUID], rows: Sequence[RelationRow]) -> dict[str, Any]:
    keys, kinds, targets, starts, ends = zip(*rows, strict=True)
    return {
        "documents": arrays.uuids(map(ids.__getitem__, keys)),
        "kinds": arrays.texts(kinds),
        "targets": arrays.texts(targets),
        "starts": arrays.integers(starts),
        "ends": arrays.integers(ends),
    }


# `failed_at` stays the time of the first of several failures; the wait until the next attempt is as long as they have
# lasted.
_FAILED_AT = "case when documents.error is not null and documents.deleted_at is null then documents.failed_at end"
SET_ERROR = f"""error = excluded.error, failed_at = case when excluded.error is not null then
        coalesce({_FAILED_AT}, now()) end,
      retry_at = excluded.retry_at + least(now() - coalesce({_FAILED_AT}, now()), interval '1 day')"""
"""Part of an upsert of documents: sets or clears the error."""

# `octet_length` reads no compressed text. In texts of this size, the language has been detected.
_SELECT_LANGUAGE = sa.text("""
    with sample as (
      select language from documents
      where source_id = :source_id and deleted_at is null and language is not null and octet_length(text) >= 200
      limit 1000)
    select language from sample group by language having count(*) * 2 > (select count(*) from sample)
""")

_SELECT_ACTIVE_MODEL = sa.text("select name from embedding_models where state = 'active'")

# A file that cannot be read leaves the last text in place, with its time and warnings. Its fingerprint is stored all
# the same, so that unchanged bytes are not fetched by every run. `existed`: only an updated row has been locked (xmax).
_UPSERT_DOCUMENTS = sa.text(f"""
    insert into documents (workspace_id, source_id, key, fingerprint, title, url, media_type, text, front_matter,
      language, inherits_language, warnings, page_starts, fetched_at, error, failed_at, retry_at)
    select runs.workspace_id, runs.source_id, k, f, r.title, r.url, r.media_type, r.text, r.front_matter,
      r.language, r.inherits, r.warnings, cast(r.pages as integer[]), case when r.error is null then now() end,
      r.error, case when r.error is not null then now() end, case when r.may_pass then now() end
    from json_to_recordset(cast(:rows as json)) as r (k text, f text, title text, url text, media_type text, text text,
      front_matter jsonb, language text, inherits boolean, warnings jsonb, pages text, error text, may_pass boolean)
    join runs on runs.id = :run_id
    on conflict (source_id, key) do update set fingerprint = excluded.fingerprint, deleted_at = null, held = null,
      {SET_ERROR},
      fetched_at = case when excluded.error is null then excluded.fetched_at else documents.fetched_at end,
      warnings = case when excluded.error is null then excluded.warnings else documents.warnings end,
      page_starts = case when excluded.error is null then excluded.page_starts else documents.page_starts end,
      title = case when excluded.error is null then excluded.title else documents.title end,
      url = case when excluded.error is null then excluded.url else documents.url end,
      media_type = case when excluded.error is null then excluded.media_type else documents.media_type end,
      text = case when excluded.error is null then excluded.text else documents.text end,
      front_matter = case when excluded.error is null then excluded.front_matter else documents.front_matter end,
      language = case when excluded.error is null then excluded.language else documents.language end,
      inherits_language = case when excluded.error is null then excluded.inherits_language
        else documents.inherits_language end,
      word_segment_id = case when excluded.error is not null then documents.word_segment_id end
    returning id, key, xmax <> 0 as existed
""")

# Also for added documents: a tombstone that the source lists again still has its chunks and links.
_REPLACED = """document_id = any(array(
    select cast(value as uuid) from json_array_elements_text(cast(:ids as json))))"""

_DELETE_CHUNKS = sa.text(f"delete from chunks where {_REPLACED}")

_DELETE_RELATIONS = sa.text(f"delete from relations where {_REPLACED}")

_INSERT_CHUNKS = sa.text("""
    insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count, markup, header_start, header_end, words, word_count)
    select cast(:workspace_id as uuid), document_id, ordinal, start_offset, end_offset, cast(path as text[]), hash,
      tokens, cast(markup as integer[]), header_start, header_end, words, word_count
    from (
      select unnest(cast(:documents as uuid[])) as document_id, unnest(cast(:ordinals as integer[])) as ordinal,
        unnest(cast(:starts as integer[])) as start_offset, unnest(cast(:ends as integer[])) as end_offset,
        unnest(cast(:paths as text[])) as path, unnest(cast(:hashes as bytea[])) as hash,
        unnest(cast(:tokens as integer[])) as tokens, unnest(cast(:markup as text[])) as markup,
        unnest(cast(:header_starts as integer[])) as header_start,
        unnest(cast(:header_ends as integer[])) as header_end, unnest(cast(:words as sparsevec[])) as words,
        unnest(cast(:counts as integer[])) as word_count) new
""")

_INSERT_RELATIONS = sa.text("""
    insert into relations (workspace_id, document_id, kind, target, start_offset, end_offset)
    select cast(:workspace_id as uuid), unnest(cast(:documents as uuid[])), unnest(cast(:kinds as text[])),
      unnest(cast(:targets as text[])), unnest(cast(:starts as integer[])), unnest(cast(:ends as integer[]))
""")

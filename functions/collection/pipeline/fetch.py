"""The `fetch` step: a batch of changed keys flows in, their documents, chunks and relations flow out, stored.

What is wrong with one file is recorded on its item and the batch goes on. A document whose new content can't be read
keeps its last readable one; the reason is on the item and on the document. A batch is in memory as a whole until it is
stored; one that comes to too much for that is given up, which makes single steps of it (`worker.Divisible`).
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.parsers.parse import Parsed, parse
from functions.collection.pipeline.chunk import Chunk, chunk
from functions.collection.pipeline.list_source import FINGERPRINT_SUFFIX, bare_fingerprint
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials, read_credentials
from headwater.config import Settings
from headwater.connectors import Entry, Fetched
from headwater.database.copy import copy_rows
from headwater.database.transactions import json_rows
from headwater.embedding.base import Tokenizer
from headwater.embedding.registry import load_tokenizer
from headwater.errors import PermanentError, SystemicError
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult

_NOT_GIVEN = "The source listed this and then gave nothing for it."


@dataclass(frozen=True)
class Batch:
    """What a fetch step starts from: the source, pinned to the run's snapshot, and the entries to be had."""

    credentials: Credentials
    model: str
    entries: Sequence[Entry]


ChunkRow = tuple[str, int, int, int, Sequence[str], bytes, int, str]
"""Key, ordinal, start, end, heading path, input hash, tokens, and the words that its lexemes are made of."""

RelationRow = tuple[str, str, str, int, int]
"""Key, kind, target, start, end."""


@dataclass(frozen=True)
class Rows:
    """What a batch came to, as the rows to be stored."""

    told: list[dict[str, Any]] = field(default_factory=list)
    """The items there is something to be said about."""
    documents: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[ChunkRow] = field(default_factory=list)
    relations: list[RelationRow] = field(default_factory=list)


class Fetch:
    """Handler of `fetch` steps."""

    def __init__(self, opener: SourceOpener, settings: Settings) -> None:
        self.opener = opener
        self.settings = settings
        self.tokenizer = cache(lambda model: load_tokenizer(model, settings.model_dir))

    def gather(self, tx: Connection, step: Step) -> Batch:
        """Read the batch's pending items."""
        items = tx.execute(_ITEMS, _which(step))
        entries = [Entry(item.key, bare_fingerprint(item.fingerprint)) for item in items]
        return Batch(read_credentials(tx, step.run_id, self.settings), read_active_model(tx), entries)

    def compute(self, gathered: Batch) -> Rows:
        """Fetch, parse and chunk the batch."""
        source = gathered.credentials
        fetched = self.opener.open(source).fetch(source.snapshot or "", gathered.entries)
        if len(gathered.entries) > 1:
            fetched = _within(self.settings.fetch_batch_bytes, fetched)
        fingerprints = {entry.key: entry.fingerprint for entry in gathered.entries}
        rows = read_files(fetched, fingerprints, self.tokenizer(gathered.model))
        had = {row["k"] for row in rows.documents}
        rows.told.extend(_told(entry.key, "failed", _NOT_GIVEN) for entry in gathered.entries if entry.key not in had)
        return rows

    def apply(self, tx: Connection, step: Step, computed: Rows) -> StepResult:
        """Store the batch: documents, then what hangs on them, then how each item ended."""
        values = {"run_id": step.run_id, "workspace_id": step.workspace_id}
        store(tx, step.workspace_id, step.run_id, computed)
        if computed.told:
            tx.execute(_ITEMS_TOLD, {**values, "rows": json_rows(computed.told)})
        tx.execute(_ITEMS_DONE, _which(step))
        return StepResult({"chunks": len(computed.chunks)})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Every item of the batch has failed for the step's reason; its documents stay as they were."""
        tx.execute(_ITEMS_FAILED, {**_which(step), "reason": reason})

    def split(self, tx: Connection, step: Step) -> list[NewStep]:
        """Fetch each item of the batch by itself."""
        items = tx.execute(_ITEMS, _which(step)).all()
        if len(items) < 2:
            return []
        return [
            NewStep("collection", "fetch", f"{step.key}/{n}", {**step.payload, "key": item.key}, step.provider)
            for n, item in enumerate(items)
        ]


def read_active_model(tx: Connection) -> str:
    """Name the model that chunks are cut for; raises SystemicError when there is none."""
    model: str | None = tx.execute(_ACTIVE).scalar_one_or_none()
    if model is None:
        raise SystemicError("No embedding model is registered. Run `python -m functions.job migrate`.")
    return model


def read_files(fetched: Iterator[Fetched], fingerprints: Mapping[str, str], tokenizer: Tokenizer) -> Rows:
    """Parse and chunk files; `fingerprints` are the source's own, by key."""
    rows = Rows()
    parsed = dict(_parse_each(fetched, fingerprints, rows))
    for key, chunks in zip(parsed, chunk(list(parsed.values()), tokenizer), strict=True):
        rows.chunks.extend(_chunk_row(key, parsed[key], piece) for piece in chunks)
        rows.relations.extend((key, link.kind, link.target, link.start, link.end) for link in parsed[key].links)
    return rows


def store(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, rows: Rows) -> dict[str, uuid.UUID]:
    """Store documents of a run's source and what hangs on them, in the place of what did; returns their ids by key."""
    values = {"run_id": run_id, "workspace_id": workspace_id}
    stored = tx.execute(_DOCUMENTS, {**values, "rows": json_rows(rows.documents)}).all()
    ids = {row.key: row.id for row in stored}
    unreadable = {row["k"] for row in rows.documents if row["error"] is not None}
    outdated = [row.id for row in stored if row.was_there and row.key not in unreadable]
    if outdated:
        tx.execute(_DROP_CHUNKS, {"ids": json_rows(outdated)})
        tx.execute(_DROP_RELATIONS, {"ids": json_rows(outdated)})
    copy_rows(tx, "new_chunks", _NEW_CHUNKS, ((ids[key], *rest) for key, *rest in rows.chunks))
    tx.execute(_CHUNKS, values)
    copy_rows(tx, "new_relations", _NEW_RELATIONS, ((ids[key], *rest) for key, *rest in rows.relations))
    tx.execute(_RELATIONS, values)
    return ids


def _which(step: Step) -> dict[str, Any]:
    """Say which items a step is about: a batch of the run's, or the one item of it that it was split for."""
    return {"run_id": step.run_id, "batch": step.payload["batch"], "key": step.payload.get("key")}


def _within(max_bytes: int, fetched: Iterator[Fetched]) -> Iterator[Fetched]:
    """Pass files on for as long as they don't come to more; raises PermanentError then."""
    size_bytes = 0
    for file in fetched:
        size_bytes += len(file.content or b"")
        if size_bytes > max_bytes:
            raise PermanentError(f"The files of the batch come to more than {max_bytes:,} bytes (FETCH_BATCH_BYTES).")
        yield file


def _parse_each(
    fetched: Iterator[Fetched], fingerprints: Mapping[str, str], rows: Rows
) -> Iterator[tuple[str, Parsed]]:
    """Parse what was fetched, writing each item's end and document into `rows`."""
    for file in fetched:
        document: dict[str, Any] = {
            "k": file.key,
            "f": fingerprints[file.key] + FINGERPRINT_SUFFIX,
            "url": file.url,
            "media_type": file.media_type,
            "title": file.key.rpartition("/")[2],
            "text": "",
            "front_matter": {},
            "error": file.error,
        }
        parsed = None
        try:
            if file.content is not None:
                parsed = parse(file.key, file.content, file.media_type, file.title)
        except PermanentError as error:
            document["error"] = error.message
        rows.documents.append(document)
        if parsed is None:
            rows.told.append(_told(file.key, "failed", document["error"]))
            continue
        document |= {"title": parsed.title, "text": parsed.text, "front_matter": parsed.front_matter}
        if parsed.warnings:
            rows.told.append(_told(file.key, "done", warning="; ".join(parsed.warnings)))
        yield file.key, parsed


def _told(key: str, state: str, reason: str | None = None, *, warning: str | None = None) -> dict[str, Any]:
    return {"k": key, "state": state, "reason": reason, "warning": warning}


def _chunk_row(key: str, page: Parsed, piece: Chunk) -> ChunkRow:
    """Make a chunk's row; its text is stored with the document only, of which it is a range."""
    words = " ".join((page.title, *piece.heading_path, page.text[piece.start : piece.end]))
    where = piece.ordinal, piece.start, piece.end, piece.heading_path
    return (key, *where, piece.input_hash, piece.token_count, words)


_ACTIVE = sa.text("select name from embedding_models where state = 'active'")

_OF_STEP = """run_id = :run_id and batch = :batch and state = 'pending'
    and (cast(:key as text) is null or key = :key)"""

_ITEMS = sa.text(f"select key, fingerprint from run_items where {_OF_STEP} order by key")

# A file that can't be read leaves the last readable text in place; its fingerprint is kept all the same, so that the
# same bytes aren't fetched again and again.
_DOCUMENTS = sa.text("""
    insert into documents
      (workspace_id, source_id, key, fingerprint, title, url, media_type, text, front_matter, error)
    select runs.workspace_id, runs.source_id, k, f, r.title, r.url, r.media_type, r.text, r.front_matter, r.error
    from json_to_recordset(cast(:rows as json)) as r
      (k text, f text, title text, url text, media_type text, text text, front_matter jsonb, error text)
    join runs on runs.id = :run_id
    on conflict (source_id, key) do update set fingerprint = excluded.fingerprint, error = excluded.error,
      deleted_at = null, held = null, fetched_at = now(),
      title = case when excluded.error is null then excluded.title else documents.title end,
      url = case when excluded.error is null then excluded.url else documents.url end,
      media_type = case when excluded.error is null then excluded.media_type else documents.media_type end,
      text = case when excluded.error is null then excluded.text else documents.text end,
      front_matter = case when excluded.error is null then excluded.front_matter else documents.front_matter end
    returning id, key, xmax <> 0 as was_there -- a row that is new has been locked by nobody
""")

# Of what is added, too, if it was there: a tombstone that the source lists again has kept its own.
_OUTDATED = """document_id = any(array(
    select cast(value as uuid) from json_array_elements_text(cast(:ids as json))))"""

_DROP_CHUNKS = sa.text(f"delete from chunks where {_OUTDATED}")

_DROP_RELATIONS = sa.text(f"delete from relations where {_OUTDATED}")

_NEW_CHUNKS = """document_id uuid, ordinal integer, start_offset integer, end_offset integer, heading_path text[],
    input_hash bytea, token_count integer, words text"""

_CHUNKS = sa.text("""
    insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count, lexemes)
    select cast(:workspace_id as uuid), document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count, to_tsvector('english', words)
    from new_chunks
""")

_NEW_RELATIONS = "document_id uuid, kind text, target text, start_offset integer, end_offset integer"

_RELATIONS = sa.text("""
    insert into relations (workspace_id, document_id, kind, target, start_offset, end_offset)
    select cast(:workspace_id as uuid), document_id, kind, target, start_offset, end_offset from new_relations
""")

_ITEMS_TOLD = sa.text("""
    update run_items i set state = r.state, reason = r.reason, warning = concat_ws('; ', i.warning, r.warning)
    from json_to_recordset(cast(:rows as json)) as r (k text, state text, reason text, warning text)
    where i.run_id = :run_id and i.key = r.k
""")

_ITEMS_DONE = sa.text(f"update run_items set state = 'done' where {_OF_STEP}")

_ITEMS_FAILED = sa.text(f"update run_items set state = 'failed', reason = :reason where {_OF_STEP}")

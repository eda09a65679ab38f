"""The `fetch` step: a batch of changed keys flows in, their documents, chunks and relations flow out, stored.

What is wrong with one file is recorded on its item and the batch goes on. A document whose new content can't be read
keeps its last readable one; the reason is on the item and on the document.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.chunk import Chunk, chunk
from functions.collection.connect import Connect
from functions.collection.connectors import Entry, Fetched
from functions.collection.list import FINGERPRINT_SUFFIX, bare_fingerprint
from functions.collection.parse import Parsed, parse
from functions.collection.sources import Credentials, read_credentials
from headwater.config import Settings
from headwater.db import as_rows
from headwater.embedder import load_tokenizer
from headwater.errors import PermanentError, SystemicError
from headwater.ledger import NewStep, Step
from headwater.worker import Done


@dataclass(frozen=True)
class Batch:
    """What a fetch step starts from: the source, pinned to the run's snapshot, and the entries to be had."""

    credentials: Credentials
    model: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Rows:
    """What a batch came to, as the rows to be stored."""

    items: list[dict[str, Any]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[dict[str, Any]] = field(default_factory=list)
    relations: list[dict[str, Any]] = field(default_factory=list)


class Fetch:
    """Handler of `fetch` steps."""

    def __init__(self, connect: Connect, settings: Settings) -> None:
        self.connect = connect
        self.settings = settings
        self.tokenizer = cache(lambda model: load_tokenizer(model, settings.model_dir))

    def gather(self, tx: Connection, step: Step) -> Batch:
        """Read the batch's pending items."""
        items = tx.execute(_ITEMS, _which(step))
        entries = [Entry(item.key, bare_fingerprint(item.fingerprint)) for item in items]
        model = tx.execute(sa.text("select name from embedding_models where state = 'active'")).scalar_one_or_none()
        if model is None:
            raise SystemicError("No embedding model is registered. Run `python -m functions.job migrate`.")
        return Batch(read_credentials(tx, step.run_id, self.settings), model, entries)

    def compute(self, gathered: Batch) -> Rows:
        """Fetch, parse and chunk the batch."""
        source = gathered.credentials
        fetched = self.connect(source).fetch(source.config, source.token, source.snapshot or "", gathered.entries)
        rows = Rows()
        parsed = dict(_parse_each(fetched, {entry.key: entry.fingerprint for entry in gathered.entries}, rows))
        chunked = chunk(list(parsed.values()), self.tokenizer(gathered.model))
        for key, chunks in zip(parsed, chunked, strict=True):
            rows.chunks.extend(_chunk_row(key, parsed[key], piece) for piece in chunks)
            rows.relations.extend(
                {"k": key, "kind": link.kind, "target": link.target, "s": link.start, "e": link.end}
                for link in parsed[key].links
            )
        return rows

    def apply(self, tx: Connection, step: Step, computed: Rows) -> Done:
        """Store the batch: documents, then what hangs on them, then how each item ended."""
        values = {"run_id": step.run_id, "workspace_id": step.workspace_id}
        tx.execute(_DOCUMENTS, {**values, "rows": as_rows(computed.documents)})
        keys = {**values, "keys": [row["k"] for row in computed.documents if row["error"] is None]}
        tx.execute(_DROP_CHUNKS, keys)
        tx.execute(_DROP_RELATIONS, keys)
        tx.execute(_CHUNKS, {**values, "rows": as_rows(computed.chunks)})
        tx.execute(_RELATIONS, {**values, "rows": as_rows(computed.relations)})
        tx.execute(_ITEMS_DONE, {**values, "rows": as_rows(computed.items)})
        return Done({"chunks": len(computed.chunks)})

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


def _which(step: Step) -> dict[str, Any]:
    """Say which items a step is about: a batch of the run's, or the one item of it that it was split for."""
    return {"run_id": step.run_id, "batch": step.payload["batch"], "key": step.payload.get("key")}


def _parse_each(fetched: Iterator[Fetched], fingerprints: dict[str, str], rows: Rows) -> Iterator[tuple[str, Parsed]]:
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
                parsed = parse(file.key, file.content, file.media_type)
        except PermanentError as error:
            document["error"] = error.message
        rows.documents.append(document)
        if parsed is None:
            rows.items.append({"k": file.key, "state": "failed", "reason": document["error"], "warning": None})
            continue
        document |= {"title": parsed.title, "text": parsed.text, "front_matter": parsed.front_matter}
        warning = "; ".join(parsed.warnings) or None
        rows.items.append({"k": file.key, "state": "done", "reason": None, "warning": warning})
        yield file.key, parsed


def _chunk_row(key: str, page: Parsed, piece: Chunk) -> dict[str, Any]:
    """Make a chunk's row; `words` are for its lexemes only, the chunk itself is a range of its document's text."""
    return {
        "k": key,
        "n": piece.ordinal,
        "s": piece.start,
        "e": piece.end,
        "path": piece.heading_path,
        "hash": piece.input_hash.hex(),
        "tokens": piece.token_count,
        "words": " ".join((page.title, *piece.heading_path, page.text[piece.start : piece.end])),
    }


_ITEMS = sa.text("""
    select key, fingerprint from run_items
    where run_id = :run_id and batch = :batch and state = 'pending'
      and (cast(:key as text) is null or key = :key) order by key
""")

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
""")

# Of what is added, too: a tombstone that the source lists again has kept its own.
_DOCUMENT = "documents d join runs on runs.source_id = d.source_id"

_DROP_CHUNKS = sa.text(f"""
    delete from chunks c using {_DOCUMENT}
    where runs.id = :run_id and d.key = any(cast(:keys as text[])) and c.document_id = d.id
""")

_DROP_RELATIONS = sa.text(f"""
    delete from relations c using {_DOCUMENT}
    where runs.id = :run_id and d.key = any(cast(:keys as text[])) and c.document_id = d.id
""")

_CHUNKS = sa.text(f"""
    insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count, lexemes)
    select d.workspace_id, d.id, n, s, e, path, decode(hash, 'hex'), tokens,
      to_tsvector('english', words)
    from json_to_recordset(cast(:rows as json)) as r
      (k text, n integer, s integer, e integer, path text[], hash text, tokens integer, words text)
    join ({_DOCUMENT}) on d.key = r.k and runs.id = :run_id
""")

_RELATIONS = sa.text(f"""
    insert into relations (workspace_id, document_id, kind, target, start_offset, end_offset)
    select d.workspace_id, d.id, r.kind, r.target, s, e
    from json_to_recordset(cast(:rows as json)) as r (k text, kind text, target text, s integer, e integer)
    join ({_DOCUMENT}) on d.key = r.k and runs.id = :run_id
""")

_ITEMS_DONE = sa.text("""
    update run_items i set state = r.state, reason = r.reason, warning = concat_ws('; ', i.warning, r.warning)
    from json_to_recordset(cast(:rows as json)) as r (k text, state text, reason text, warning text)
    where i.run_id = :run_id and i.key = r.k
""")

_ITEMS_FAILED = sa.text("""
    update run_items set state = 'failed', reason = :reason
    where run_id = :run_id and batch = :batch and state = 'pending' and (cast(:key as text) is null or key = :key)
""")

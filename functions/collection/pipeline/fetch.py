"""The `fetch` step: fetch, parse, chunk and store one batch of changed documents.

A changed document that may have moved keeps its id if the new text is like its old one; otherwise the new document is
added and the old one removed. The problem of a single file is recorded on its item. A batch is in memory until it is
stored: one that is too large, or takes long to parse, fails, and the worker splits its step into one for each item
(`worker.Divisible`).
"""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.fingerprints import source_fingerprint, with_current_versions
from functions.collection.documents.parser_pool import parser_pool
from functions.collection.documents.store import (
    DocumentRows,
    document_rows,
    item_update,
    read_active_model,
    read_source_language,
    store,
)
from functions.collection.pipeline import index_words
from functions.collection.pipeline.difference import give_new_keys
from functions.collection.pipeline.moves import COMPARED_CHARS, is_alike
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials, read_credentials
from headwater.config import Settings
from headwater.connectors import Entry, Fetched
from headwater.database.transactions import json_rows
from headwater.errors import PermanentError
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult

MAX_PARSING_S = 60.0
"""A batch that takes longer to parse is split, so that its files take turns with other sources'."""

LOOK_INTERVAL = 4
"""Every so many batches, a run looks whether many chunks are to be indexed by word: in 20 ms."""

MANY_CHUNKS = 2_000
"""It looks after a batch with as many chunks, too."""

_NOT_RETURNED = "The source listed this document but did not return it."


@dataclass(frozen=True)
class Batch:
    """What a `fetch` step reads: the source, pinned to the run's snapshot, and what to fetch of it.

    `fingerprints` are the ones to store, by key. `movers` are stored documents that may have moved, by new key: rows
    with `id`, `from_key`, and `text`, the compared part of their text. `language` is that of most documents of the
    source, None if there are none.
    """

    workspace_id: uuid.UUID
    credentials: Credentials
    model: str
    entries: Sequence[Entry]
    fingerprints: Mapping[str, str]
    movers: Mapping[str, Any]
    language: str | None


@dataclass(frozen=True)
class FetchedBatch:
    """The rows to store. `moved` are documents (id, new key) that moved; `unlike` are keys (old, new) of others."""

    rows: DocumentRows
    moved: Sequence[tuple[uuid.UUID, str]]
    unlike: Sequence[tuple[str, str]]


class Fetch:
    """Handler of `fetch` steps."""

    def __init__(self, opener: SourceOpener, settings: Settings) -> None:
        self.opener = opener
        self.settings = settings
        self.parsers = parser_pool(settings)

    def gather(self, tx: Connection, step: Step) -> Batch:
        """Read the batch's pending items."""
        items = tx.execute(_SELECT_ITEMS, _step_items(step)).all()
        entries = [Entry(item.key, source_fingerprint(item.fingerprint)) for item in items]
        fingerprints = {item.key: with_current_versions(item.fingerprint) for item in items}
        movers = _read_movers(tx, step) if any(item.may_have_moved for item in items) else {}
        credentials = read_credentials(tx, step.run_id, self.settings)
        language = read_source_language(tx, credentials.source_id)
        return Batch(step.workspace_id, credentials, read_active_model(tx), entries, fingerprints, movers, language)

    def compute(self, gathered: Batch) -> FetchedBatch:
        """Fetch, parse and chunk the batch, and decide which documents have moved."""
        self.parsers.warm(gathered.model)
        source = gathered.credentials
        files: Iterable[Fetched] = self.opener.open(source).fetch(source.snapshot or "", gathered.entries)
        if len(gathered.entries) > 1:
            files = limit_time(_limit_size(self.settings.fetch_batch_bytes, files))
        parsed = self.parsers.parse(gathered.workspace_id, files, gathered.model, language=gathered.language)
        rows = document_rows(parsed, gathered.fingerprints)
        fetched_keys = {row["k"] for row in rows.documents}
        missing = [entry.key for entry in gathered.entries if entry.key not in fetched_keys]
        rows.item_updates.extend(item_update(key, "failed", _NOT_RETURNED) for key in missing)
        return _decide_moves(rows, gathered.movers)

    def apply(self, tx: Connection, step: Step, computed: FetchedBatch) -> StepResult:
        """Store documents, chunks and links, and how each item ended."""
        rows = computed.rows
        if computed.moved:
            give_new_keys(tx, computed.moved)
        if computed.unlike:
            unlike = [{"f": old, "k": new} for old, new in computed.unlike]
            tx.execute(_REPLACE_MOVES, {"run_id": step.run_id, "rows": json_rows(unlike)})
        store(tx, step.workspace_id, step.run_id, rows)
        if rows.item_updates:
            tx.execute(_UPDATE_ITEMS, {"run_id": step.run_id, "rows": json_rows(rows.item_updates)})
        tx.execute(_COMPLETE_ITEMS, _step_items(step))
        next_steps = []
        looks = len(rows.chunks) >= MANY_CHUNKS or step.payload["batch"] % LOOK_INTERVAL == 0
        if looks and index_words.is_urgent(tx, step):
            next_steps = [NewStep("collection", "index_words", index_words.MEANWHILE + step.key, is_urgent=True)]
        return StepResult({"chunks": len(rows.chunks)}, next_steps)

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Fail the step's items; their documents stay unchanged."""
        tx.execute(_FAIL_ITEMS, {**_step_items(step), "reason": reason})

    def split(self, tx: Connection, step: Step) -> list[NewStep]:
        """Make a step for each item of the batch; none if it has one item."""
        items = tx.execute(_SELECT_ITEMS, _step_items(step)).all()
        if len(items) < 2:
            return []
        return [
            NewStep("collection", "fetch", f"{step.key}/{n}", {**step.payload, "key": item.key}, step.provider)
            for n, item in enumerate(items)
        ]


def _read_movers(tx: Connection, step: Step) -> Mapping[str, Any]:
    return {row.key: row for row in tx.execute(_SELECT_MOVERS, {**_step_items(step), "chars": COMPARED_CHARS})}


def _decide_moves(rows: DocumentRows, movers: Mapping[str, Any]) -> FetchedBatch:
    """Decide which documents have moved. One whose file can't be read at its new key has: it keeps its last text."""
    moved, unlike = [], []
    for document in rows.documents:
        mover = movers.get(document["k"])
        if mover is None:
            continue
        if document["error"] is not None or is_alike(mover.text, document["text"]):
            moved.append((mover.id, mover.key))
        else:
            unlike.append((mover.from_key, mover.key))
    return FetchedBatch(rows, moved, unlike)


def _step_items(step: Step) -> dict[str, Any]:
    """Return the parameters of `_OF_STEP`: a batch of the run, or one item of it after a split."""
    return {"run_id": step.run_id, "batch": step.payload["batch"], "key": step.payload.get("key")}


def _limit_size(max_bytes: int, files: Iterable[Fetched]) -> Iterator[Fetched]:
    """Yield files; raises PermanentError once they have more than `max_bytes` together."""
    size_bytes = 0
    for file in files:
        size_bytes += len(file.content or b"")
        if size_bytes > max_bytes:
            raise PermanentError(f"The files of the batch have more than {max_bytes:,} bytes (FETCH_BATCH_BYTES).")
        yield file


def limit_time(files: Iterable[Fetched]) -> Iterator[Fetched]:
    """Yield files; raises PermanentError once the caller has needed more than MAX_PARSING_S for them together."""
    spent_s = 0.0
    for file in files:
        if spent_s > MAX_PARSING_S:
            raise PermanentError(f"The files of the batch took longer than {MAX_PARSING_S:g} s to parse.")
        started = time.monotonic()
        yield file
        spent_s += time.monotonic() - started


_OF_STEP = """run_id = :run_id and batch = :batch and state = 'pending'
    and (cast(:key as text) is null or key = :key)"""

_SELECT_ITEMS = sa.text(f"""
    select key, fingerprint, from_key is not null as may_have_moved from run_items where {_OF_STEP} order by key
""")

# Documents with the same bytes have their new keys already.
_SELECT_MOVERS = sa.text(f"""
    select d.id, i.from_key, i.key, left(d.text, :chars) as text
    from (select run_id, key, from_key from run_items where {_OF_STEP} and from_key is not null) i
    join runs r on r.id = i.run_id
    join documents d on d.source_id = r.source_id and d.key = i.from_key and d.deleted_at is null and d.held is null
    where not exists (
      select 1 from documents o where o.source_id = r.source_id and o.key = i.key and o.deleted_at is null
        and o.fingerprint <> '')
""")

_REPLACE_MOVES = sa.text("""
    with replaced as (
      update run_items i set action = 'added', from_key = null
      from json_to_recordset(cast(:rows as json)) as r (f text, k text) where i.run_id = :run_id and i.key = r.k
      returning i.run_id, i.workspace_id, r.f
    )
    insert into run_items (run_id, workspace_id, key, action) select run_id, workspace_id, f, 'removed' from replaced
""")

_UPDATE_ITEMS = sa.text("""
    update run_items i set state = r.state, reason = r.reason, warning = concat_ws('; ', i.warning, r.warning),
      action = case when r.state = 'done' and i.action = 'unchanged' then 'changed' else i.action end
    from json_to_recordset(cast(:rows as json)) as r (k text, state text, reason text, warning text)
    where i.run_id = :run_id and i.key = r.k
""")

# A document that failed before can be read now, so it has changed.
_COMPLETE_ITEMS = sa.text(f"""
    update run_items set state = 'done', action = case action when 'unchanged' then 'changed' else action end
    where {_OF_STEP}
""")

_FAIL_ITEMS = sa.text(f"update run_items set state = 'failed', reason = :reason where {_OF_STEP}")

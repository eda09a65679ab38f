"""The rows of extractions from many documents. Functions run in the caller's transaction.

A step extracts from one document. What it found, and that it is done, are stored in one transaction with the end of the
step. Steps lock their own row of the ledger first, then the extraction, as a request that cancels it does.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.extraction.extract import Extracted
from functions.chat.extraction.passages import MAX_WHOLE_CHARS, to_uuids
from headwater.auth.callers import Caller, Role
from headwater.errors import Conflict, NotFound
from headwater.filters.sql import Where
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step

QUEUE, KIND = "chat", "extract"
PAGE = 50
"""Rows that a download reads at a time."""

State = Literal["running", "complete", "cancelled"]


class ExtractionState(msgspec.Struct, frozen=True, kw_only=True):
    """An extraction and its progress, in documents: `done` and `failed` of `total`.

    `estimated_cost` and `cost`, of what is done, are in US dollars; null if the model's price is unknown. `model` is
    null for the first that the workspace allows.
    """

    id: uuid.UUID
    question: str
    schema: dict[str, Any]
    model: str | None
    state: State
    total: int
    done: int
    failed: int
    estimated_cost: float | None
    cost: float | None
    created_at: dt.datetime
    finished_at: dt.datetime | None


class Task(msgspec.Struct, frozen=True):
    """What a step extracts, from which document, and for whom."""

    extraction_id: uuid.UUID
    document_id: uuid.UUID
    question: str
    schema: dict[str, Any]
    model: str | None
    subject: str
    role: Role


class Ended(msgspec.Struct, frozen=True):
    """What a step extracted and what it cost, or why it extracted nothing."""

    found: Extracted | None = None
    error: str | None = None
    cost: float | None = None


class Document(msgspec.Struct, frozen=True):
    """A document to extract from. At most `MAX_WHOLE_CHARS` of its characters are read."""

    id: uuid.UUID
    chars: int


class StoredRow(msgspec.Struct, frozen=True):
    """What was extracted from a document. `value`, `citations` and `uncited` are JSON, null for a failed one."""

    n: int
    document_id: uuid.UUID
    title: str
    url: str | None
    state: Literal["done", "failed"]
    value: str | None
    citations: str | None
    uncited: str | None
    error: str | None


def find_documents(tx: Connection, workspace_id: uuid.UUID, wanted: Where, limit: int) -> list[Document]:
    """Return the chosen documents by source and key, at most `limit`."""
    statement = sa.text(_FIND_DOCUMENTS.format(wanted=wanted.sql))
    values = {**wanted.values, "workspace_id": workspace_id, "limit": limit, "whole": MAX_WHOLE_CHARS}
    return [Document(row.id, row.chars) for row in tx.execute(statement, values)]


def create(
    tx: Connection,
    caller: Caller,
    *,
    question: str,
    schema: dict[str, Any],
    model: str | None,
    documents: Sequence[Document],
    estimated_cost: float | None,
) -> uuid.UUID:
    """Store an extraction with a step for each document. The caller wakes the queue."""
    values = {
        "workspace_id": caller.workspace_id,
        "subject": caller.subject,
        "role": caller.role,
        "question": question,
        "schema": msgspec.json.encode(schema).decode(),
        "model": model,
        "estimated_cost": estimated_cost,
        "ids": to_uuids([document.id for document in documents]),
    }
    extraction_id: uuid.UUID = tx.execute(_INSERT, values).scalar_one()
    tx.execute(_INSERT_ROWS, {**values, "id": extraction_id})
    _open_run(tx, caller.workspace_id, extraction_id)
    return extraction_id


def retry(tx: Connection, caller: Caller, extraction_id: uuid.UUID) -> None:
    """Extract from the failed documents again, and from those that a cancel left out.

    Raises NotFound, and Conflict while the extraction runs or if no document is left.
    """
    state = read(tx, caller, extraction_id)
    values = {"workspace_id": caller.workspace_id, "id": extraction_id}
    if state.state == "running" or not tx.execute(_REOPEN, values).rowcount:
        raise Conflict("The extraction is still running. Wait for its end, or cancel it.")
    if not tx.execute(_RESET_ROWS, values).rowcount:
        raise Conflict("Every document is done. There is nothing to retry.")
    _open_run(tx, caller.workspace_id, extraction_id)


def cancel(tx: Connection, caller: Caller, extraction_id: uuid.UUID) -> None:
    """Cancel the documents that are not done. Nothing changes if none is left. Raises NotFound."""
    read(tx, caller, extraction_id)
    values = {"workspace_id": caller.workspace_id, "id": extraction_id}
    for run_id in tx.execute(_OPEN_RUNS, values).scalars().all():
        ledger.cancel(tx, run_id)
    if tx.execute(_CANCEL, values).rowcount:
        tx.execute(_END_RUN, {**values, "state": "cancelled"})


def delete(tx: Connection, caller: Caller, extraction_id: uuid.UUID) -> None:
    """Cancel and delete an extraction. Raises NotFound."""
    cancel(tx, caller, extraction_id)
    tx.execute(_DELETE, {"workspace_id": caller.workspace_id, "id": extraction_id})


def read(tx: Connection, caller: Caller, extraction_id: uuid.UUID) -> ExtractionState:
    """Return an extraction of the caller. Raises NotFound."""
    rows = _read(tx, caller, "and e.id = :id", {"id": extraction_id})
    if not rows:
        raise NotFound(f"Extraction not found: {extraction_id}.")
    return rows[0]


def read_latest(tx: Connection, caller: Caller, limit: int) -> list[ExtractionState]:
    """Return the latest extractions of the caller."""
    return _read(tx, caller, "order by e.created_at desc, e.id limit :limit", {"limit": limit})


def read_rows(tx: Connection, caller: Caller, extraction_id: uuid.UUID, after: int) -> list[StoredRow]:
    """Return the next rows that are done or failed, in the order of the documents."""
    values = {"workspace_id": caller.workspace_id, "id": extraction_id, "after": after, "limit": PAGE}
    return [StoredRow(*row) for row in tx.execute(_ROWS, values)]


def take(tx: Connection, run_id: uuid.UUID, workspace_id: uuid.UUID, document_id: uuid.UUID) -> Task | None:
    """Return what a step extracts; None if its document is done, or the extraction was cancelled."""
    values = {"workspace_id": workspace_id, "run_id": run_id, "document_id": document_id}
    row = tx.execute(_TAKE, values).one_or_none()
    if row is None:
        return None
    schema = msgspec.json.decode(row.schema)
    return Task(row.id, document_id, row.question, schema, row.model, row.subject, row.role)


def end_row(tx: Connection, step: Step, ended: Ended) -> None:
    """Store what a step extracted; with the last document, end the extraction."""
    values: dict[str, Any] = {"workspace_id": step.workspace_id, "run_id": step.run_id}
    extraction_id = tx.execute(_LOCK, values).scalar_one_or_none()
    if extraction_id is None:
        return
    found = ended.found
    parts = {} if found is None else {"value": found.value, "citations": found.citations, "uncited": found.uncited}
    values |= {
        "id": extraction_id,
        "document_id": uuid.UUID(step.key),
        "state": "failed" if found is None else "done",
        "error": ended.error,
        "cost": ended.cost,
        **dict.fromkeys(("value", "citations", "uncited")),
        **{name: msgspec.json.encode(part).decode() for name, part in parts.items()},
    }
    tx.execute(_END_ROW, values)
    if tx.execute(_COMPLETE, values).rowcount:
        tx.execute(_END_RUN, {**values, "state": "succeeded"})


def _open_run(tx: Connection, workspace_id: uuid.UUID, extraction_id: uuid.UUID) -> None:
    values = {"workspace_id": workspace_id, "id": extraction_id}
    run_id: uuid.UUID = tx.execute(_OPEN_RUN, values).scalar_one()
    waiting = tx.execute(_WAITING, values).scalars()
    ledger.add_steps(tx, run_id, workspace_id, [NewStep(QUEUE, KIND, str(document_id)) for document_id in waiting])


def _read(tx: Connection, caller: Caller, condition: str, values: dict[str, Any]) -> list[ExtractionState]:
    statement = sa.text(f"{_READ} {condition}")
    rows = tx.execute(statement, {"workspace_id": caller.workspace_id, "subject": caller.subject, **values})
    return [ExtractionState(**{**row._mapping, "schema": msgspec.json.decode(row.schema)}) for row in rows]


_FIND_DOCUMENTS = """
    select d.id, least(char_length(d.text), :whole) as chars from documents d
    where d.workspace_id = :workspace_id and d.deleted_at is null and {wanted}
    order by d.source_id, d.key, d.id limit :limit
"""

_INSERT = sa.text("""
    insert into extractions (workspace_id, subject, role, question, schema, model, estimated_cost)
    values (:workspace_id, :subject, :role, :question, :schema, :model, cast(:estimated_cost as numeric)) returning id
""")

_INSERT_ROWS = sa.text("""
    insert into extraction_rows (extraction_id, workspace_id, document_id, n, title, url)
    select :id, :workspace_id, d.id, wanted.n, coalesce(nullif(d.title, ''), d.key), d.url
    from unnest(cast(:ids as uuid[])) with ordinality as wanted (id, n) join documents d on d.id = wanted.id
    where d.workspace_id = :workspace_id
""")

_OPEN_RUN = sa.text("""
    insert into runs (workspace_id, kind, engine, extraction_id)
    values (:workspace_id, 'extraction', 'tickets', :id) returning id
""")

_WAITING = sa.text("""
    select document_id from extraction_rows
    where workspace_id = :workspace_id and extraction_id = :id and state = 'waiting' order by n
""")

_READ = """
    select e.id, e.question, e.schema, e.model, e.state, e.created_at, e.finished_at,
      e.estimated_cost::float8 as estimated_cost, r.total, r.done, r.failed, r.cost
    from extractions e cross join lateral (
      select count(*) as total, count(*) filter (where state = 'done') as done,
        count(*) filter (where state = 'failed') as failed, sum(cost)::float8 as cost
      from extraction_rows where extraction_id = e.id and workspace_id = e.workspace_id) r
    where e.workspace_id = :workspace_id and e.subject = :subject
"""

_ROWS = sa.text("""
    select n, document_id, title, url, state, value, citations, uncited, error from extraction_rows
    where workspace_id = :workspace_id and extraction_id = :id and n > :after and state in ('done', 'failed')
    order by n limit :limit
""")

_TAKE = sa.text("""
    select e.id, e.question, e.schema, e.model, e.subject, e.role
    from runs run join extractions e on e.id = run.extraction_id and e.workspace_id = run.workspace_id
    join extraction_rows r on r.extraction_id = e.id and r.document_id = :document_id
    where run.id = :run_id and e.workspace_id = :workspace_id and e.state = 'running' and r.state = 'waiting'
""")

# Steps that end at the same time wait for each other here, so that the last one sees that it is the last.
_LOCK = sa.text("""
    select e.id from extractions e
    where e.workspace_id = :workspace_id and e.state = 'running'
      and e.id = (select extraction_id from runs where id = :run_id and workspace_id = :workspace_id)
    for update
""")

_END_ROW = sa.text("""
    update extraction_rows set state = :state, value = :value, citations = :citations, uncited = :uncited,
      error = :error, cost = cast(:cost as numeric)
    where workspace_id = :workspace_id and extraction_id = :id and document_id = :document_id and state = 'waiting'
""")

_COMPLETE = sa.text("""
    update extractions set state = 'complete', finished_at = clock_timestamp()
    where workspace_id = :workspace_id and id = :id and state = 'running' and not exists (
      select 1 from extraction_rows r where r.extraction_id = :id and r.workspace_id = :workspace_id
        and r.state = 'waiting')
""")

_END_RUN = sa.text("""
    update runs set state = :state, finished_at = clock_timestamp()
    where workspace_id = :workspace_id and extraction_id = :id and state = 'running'
""")

_OPEN_RUNS = sa.text("""
    select id from runs where workspace_id = :workspace_id and extraction_id = :id and state = 'running'
""")

_CANCEL = sa.text("""
    update extractions set state = 'cancelled', finished_at = clock_timestamp()
    where workspace_id = :workspace_id and id = :id and state = 'running'
""")

_REOPEN = sa.text("""
    update extractions set state = 'running', finished_at = null
    where workspace_id = :workspace_id and id = :id and state <> 'running'
""")

_RESET_ROWS = sa.text("""
    update extraction_rows set state = 'waiting', error = null
    where workspace_id = :workspace_id and extraction_id = :id and state <> 'done'
""")

_DELETE = sa.text("delete from extractions where workspace_id = :workspace_id and id = :id")

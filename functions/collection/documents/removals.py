"""Withheld removals: list them, accept or refuse them.

A listing that would remove suspiciously many documents removes none (see `list_source`). They are stored with the
source until a user decides. The decision names the run that withheld them, so that it can't apply to another listing
than the one the user has seen.
"""

import uuid
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.locks import check_no_open_run, lock_source
from functions.collection.runs.manual import open_manual_run
from headwater.errors import Conflict, NotFound


class RemovalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page after `after`, which is the previous page's `next`."""

    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class Removal(msgspec.Struct, frozen=True):
    """A document that waits for a decision: remove or keep."""

    key: str
    document_id: uuid.UUID
    title: str
    url: str | None


class RemovalList(msgspec.Struct, frozen=True):
    """A page of withheld removals, ordered by key. `next` is the next page's `after`, null on the last page.

    `run_id` is the run that withheld them, null if there are none. `total` counts them, `stored` all live documents of
    the source.
    """

    run_id: uuid.UUID | None
    total: int
    stored: int
    removals: list[Removal]
    next: str | None


class RemovalDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision about the removals that a run withheld."""

    run_id: uuid.UUID


class KeptDocuments(msgspec.Struct, frozen=True):
    """The number of documents kept. No run removes them until the source has listed them again."""

    kept: int


def read_removals(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, query: RemovalQuery) -> RemovalList:
    """Read a page of a source's withheld removals. Raises NotFound."""
    pending = tx.execute(_PENDING, {"id": source_id, "workspace_id": workspace_id}).one_or_none()
    if pending is None:
        raise NotFound(f"Source not found: {source_id}.")
    values = {"id": source_id, "after": query.after, "limit": query.limit + 1}
    rows = [Removal(**row._mapping) for row in tx.execute(_PAGE, values)] if pending.total else []
    page = rows[: query.limit]
    return RemovalList(**pending._mapping, removals=page, next=page[-1].key if len(rows) > query.limit else None)


def accept_removals(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, decision: RemovalDecision
) -> uuid.UUID:
    """Open a run that removes the withheld documents, which can be restored later. Returns its id.

    Raises NotFound, or Conflict if another run withheld the removals, or a run is open.
    """
    keys = _lock_pending(tx, workspace_id, source_id, decision)
    items: list[dict[str, Any]] = [{"k": key, "a": "removed"} for key in keys]
    return open_manual_run(tx, workspace_id, source_id, kind="removal", items=items)


def refuse_removals(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, decision: RemovalDecision
) -> KeptDocuments:
    """Keep the documents until the source lists them again. Raises the same errors as `accept_removals`."""
    _lock_pending(tx, workspace_id, source_id, decision)
    check_no_open_run(tx, source_id)
    count = tx.execute(_HOLD, {"id": source_id}).rowcount
    tx.execute(_CLEAR_PENDING, {"id": source_id})
    return KeptDocuments(count)


def _lock_pending(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, decision: RemovalDecision
) -> list[str]:
    """Lock a source and return the keys of its withheld removals. Raises Conflict if the decision is outdated."""
    lock_source(tx, workspace_id, source_id)
    pending = tx.execute(_KEYS, {"id": source_id}).one()
    if pending.run_id is None:
        raise Conflict("No removals are withheld any more: a user has decided, or a later run listed the documents.")
    if pending.run_id != decision.run_id:
        raise Conflict(f"The withheld removals have changed. Review those of run {pending.run_id} and decide again.")
    keys: list[str] = pending.pending_keys
    return keys


_PENDING = sa.text("""
    select pending_run_id as run_id, jsonb_array_length(pending_removals) as total,
      (select count(*) from documents d where d.source_id = s.id and d.deleted_at is null) as stored
    from sources s where id = :id and workspace_id = :workspace_id
""")

_PAGE = sa.text("""
    select d.key, d.id as document_id, d.title, d.url from (
      select k.key from sources s cross join jsonb_array_elements_text(s.pending_removals) as k (key)
      where s.id = :id and k.key > :after order by k.key limit :limit) page
    join documents d on d.source_id = :id and d.key = page.key order by d.key
""")

_KEYS = sa.text("select pending_run_id as run_id, pending_removals as pending_keys from sources where id = :id")

_HOLD = sa.text("""
    update documents d set held = 'restored' from sources s
    where s.id = :id and d.source_id = s.id and d.deleted_at is null and d.held is null
      and d.key in (select jsonb_array_elements_text(s.pending_removals))
""")

_CLEAR_PENDING = sa.text("update sources set pending_removals = '[]', pending_run_id = null where id = :id")

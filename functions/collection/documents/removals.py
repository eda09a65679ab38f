"""Withheld removals: what a listing lacked flows in, page by page; a yes or a no flows out.

A listing that would remove suspiciously much removes nothing (see `list`): what it lacked waits on its source for a
person. An answer names the run that withheld it, so that nobody says yes to a diff other than the one they have seen.
"""

import uuid
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.manual import check_no_open_run, lock_source, open_manual_run
from headwater.errors import Conflict, NotFound


class RemovalQuery(msgspec.Struct, frozen=True):
    """Which withheld removals are asked for: those after the key `after`, which is a page's `next`."""

    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class Removal(msgspec.Struct, frozen=True):
    """A document that waits to be removed or kept."""

    key: str
    document_id: uuid.UUID
    title: str
    url: str | None


class RemovalList(msgspec.Struct, frozen=True):
    """A page of withheld removals by key; `next` goes into `after` for the next page, None at the end.

    `run_id` is the run that withheld them, None when there are none. `total` of the source's `stored` documents wait.
    """

    run_id: uuid.UUID | None
    total: int
    stored: int
    removals: list[Removal]
    next: str | None


class RemovalDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which removals are meant: those that this run withheld."""

    run_id: uuid.UUID


class KeptDocuments(msgspec.Struct, frozen=True):
    """How many documents stay; until the source lists them again, no sync removes them."""

    kept: int


def read_removals(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, query: RemovalQuery) -> RemovalList:
    """Read a page of what waits on a source; raises NotFound."""
    waiting = tx.execute(_WAITING, {"id": source_id, "workspace_id": workspace_id}).one_or_none()
    if waiting is None:
        raise NotFound(f"No source {source_id} is here.")
    values = {"id": source_id, "after": query.after, "limit": query.limit + 1}
    rows = [Removal(**row._mapping) for row in tx.execute(_PAGE, values)] if waiting.total else []
    page = rows[: query.limit]
    return RemovalList(**waiting._mapping, removals=page, next=page[-1].key if len(rows) > query.limit else None)


def accept_removals(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, answer: RemovalDecision
) -> uuid.UUID:
    """Open a run that removes what waits; what it removed can be restored. Returns its id.

    Raises NotFound, or Conflict when another diff waits than the one meant, or a run is open.
    """
    keys = _answered(tx, workspace_id, source_id, answer)
    items: list[dict[str, Any]] = [{"k": key, "a": "removed"} for key in keys]
    return open_manual_run(tx, workspace_id, source_id, "removal", items)


def refuse_removals(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, answer: RemovalDecision
) -> KeptDocuments:
    """Keep what waits until the source lists it again. Raises as `accept_removals` does."""
    _answered(tx, workspace_id, source_id, answer)
    check_no_open_run(tx, source_id)
    kept = tx.execute(_KEEP, {"id": source_id}).rowcount
    tx.execute(_NOTHING_WAITS, {"id": source_id})
    return KeptDocuments(kept)


def _answered(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, answer: RemovalDecision) -> list[str]:
    """Hold the source, and return the keys that wait on it if they are those that are meant."""
    lock_source(tx, workspace_id, source_id)
    waiting = tx.execute(_KEYS, {"id": source_id}).one()
    if waiting.run_id is None:
        raise Conflict("No removals wait for an answer any more: a later listing or somebody else has settled them.")
    if waiting.run_id != answer.run_id:
        raise Conflict(
            f"Since run {answer.run_id} another listing has been made; look at what run {waiting.run_id} withheld."
        )
    keys: list[str] = waiting.pending
    return keys


_WAITING = sa.text("""
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

_KEYS = sa.text("select pending_run_id as run_id, pending_removals as pending from sources where id = :id")

_KEEP = sa.text("""
    update documents d set held = 'restored' from sources s
    where s.id = :id and d.source_id = s.id and d.deleted_at is null and d.held is null
      and d.key in (select jsonb_array_elements_text(s.pending_removals))
""")

_NOTHING_WAITS = sa.text("update sources set pending_removals = '[]', pending_run_id = null where id = :id")

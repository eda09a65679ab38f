"""List the documents that runs of the sources have added, changed and removed in a period.

The items of ended runs say so (`run_items`), for as long as runs are kept. Of several changes of a document the net
effect counts: one that was added and changed is added, one that was added and removed is not listed.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.filters.sql import Where

Effect = Literal["added", "changed", "removed"]

MAX_CHANGES = 200
"""Changes that are listed, at most."""


class Change(msgspec.Struct, frozen=True):
    """A change of a document. `document_id` is null for one that was removed; `title` may be empty."""

    change: Effect
    document_id: uuid.UUID | None
    title: str
    key: str
    url: str | None
    source: str
    changed_at: dt.datetime


class Changes(msgspec.Struct, frozen=True):
    """Changes by effect and source, at most MAX_CHANGES of `total`."""

    changes: Sequence[Change]
    added: int = 0
    changed: int = 0
    removed: int = 0

    @property
    def total(self) -> int:
        """The number of all changes."""
        return self.added + self.changed + self.removed


def read_changes(
    tx: Connection,
    workspace_id: uuid.UUID,
    since: dt.datetime,
    until: dt.datetime | None = None,
    *,
    wanted: Where = Where(),  # noqa: B008 - never changed
    sources: Sequence[uuid.UUID] = (),
    source_name: str = "",
) -> Changes:
    """Return the changes of runs that ended after `since`, until `until` at the latest, of documents that match.

    `sources` and `source_name` restrict to some sources; empty for all.
    """
    values = {
        **wanted.values,
        "workspace_id": workspace_id,
        "since": since,
        "until": until,
        "sources": [str(source) for source in sources],
        "source_name": source_name,
        "limit": MAX_CHANGES,
    }
    rows = tx.execute(sa.text(_READ.replace("{documents}", wanted.sql)), values).all()
    if not rows:
        return Changes([])
    found = [
        Change(
            row.effect,
            None if row.effect == "removed" else row.document_id,
            row.title or "",
            row.key,
            row.url,
            row.source,
            row.changed_at,
        )
        for row in rows
    ]
    return Changes(found, rows[0].added, rows[0].changed, rows[0].removed)


# `first` and `last`: the first and last action on a document in the period. A moved document is known by its new key.
# A purged document matches no filter but the empty one.
_READ = """
    with items as (
      select r.source_id, i.key, (array_agg(i.action order by r.finished_at))[1] as first,
        (array_agg(i.action order by r.finished_at desc))[1] as last, max(r.finished_at) as changed_at
      from runs r join run_items i on i.run_id = r.id
      where r.workspace_id = :workspace_id and r.finished_at > :since
        and r.finished_at <= coalesce(cast(:until as timestamptz), clock_timestamp())
        and r.kind in ('collect', 'retry', 'removal', 'restore', 'upload')
        and (cast(:sources as text[]) = '{}' or r.source_id = any(cast(cast(:sources as text[]) as uuid[])))
        and i.state = 'done' and i.action in ('added', 'changed', 'moved', 'removed')
      group by r.source_id, i.key
    ), effects as (
      select *, case when last = 'removed' then 'removed' when first = 'added' then 'added' else 'changed' end as effect
      from items where not (first = 'added' and last = 'removed')
    )
    select e.effect, e.key, e.changed_at, s.name as source, d.id as document_id, d.title, d.url,
      count(*) filter (where e.effect = 'added') over () as added,
      count(*) filter (where e.effect = 'changed') over () as changed,
      count(*) filter (where e.effect = 'removed') over () as removed
    from effects e join sources s on s.id = e.source_id
    left join documents d on d.source_id = e.source_id and d.key = e.key and d.workspace_id = :workspace_id
    where (:source_name = '' or s.name = :source_name) and ({documents})
      and (e.effect = 'removed' or d.id is not null and d.deleted_at is null)
    order by array_position(array['added', 'changed', 'removed'], e.effect), s.name, e.key limit :limit
"""

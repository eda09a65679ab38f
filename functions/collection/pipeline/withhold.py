"""Withhold suspiciously many removals until a user decides about them."""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import is_remote
from headwater.config import Settings

MIN_WITHHELD = 20
"""Fewer removals than this are never withheld."""


def max_delete_ratio(tx: Connection, run_id: uuid.UUID, settings: Settings) -> float:
    """Return the share of a source's documents above which a run's removals are withheld.

    It is 1 if users have removed the documents in Headwater itself. A server may have lost them by mistake.
    """
    kind: str = tx.execute(_KIND, {"run_id": run_id}).scalar_one()
    return settings.max_delete_ratio if is_remote(kind) else 1.0


def is_suspicious(removed: int, stored: int, max_ratio: float) -> bool:
    """Return True if a listing would remove so many documents that a user should confirm it.

    At a ratio of .5, 19 of 19 stored documents are removed, 20 of 39 are withheld, 20 of 40 are removed.
    """
    return removed >= MIN_WITHHELD and removed > stored * max_ratio


def update_withheld(tx: Connection, run_id: uuid.UUID, *, complete: bool, withhold: bool) -> None:
    """Withhold a listing's removals, or settle those that earlier listings have left.

    An incomplete listing leaves earlier removals waiting that it says nothing about.
    """
    tx.execute(_WITHHOLD if withhold else _KEEP_WAITING, {"run_id": run_id, "complete": complete})


def withhold_late_removals(tx: Connection, run_id: uuid.UUID, max_ratio: float) -> None:
    """Withhold a run's pending removals if they are suspiciously many, or if its listing's were withheld.

    There are more of them than its listing had if documents turned out not to have moved.
    """
    late = tx.execute(_COUNT_LATE, {"run_id": run_id, "min_withheld": MIN_WITHHELD}).one()
    if late.removed and (late.withheld or is_suspicious(late.removed, late.stored or 0, max_ratio)):
        tx.execute(_WITHHOLD_LATE, {"run_id": run_id})


_KIND = sa.text("select s.kind from sources s join runs r on r.source_id = s.id where r.id = :run_id")

# `waiting` are earlier removals that an incomplete listing says nothing about; a complete one settles all of them.
_WAITING = """waiting as (
      select w.key from runs join sources s on s.id = runs.source_id
      cross join jsonb_array_elements_text(s.pending_removals) as w (key)
      where runs.id = :run_id and not :complete and not exists (select 1 from listed l where l.key = w.key)
    )"""

_WITHHOLD = sa.text(f"""
    with withheld as (delete from run_items where run_id = :run_id and action = 'removed' returning key), {_WAITING},
    keys as (select key from withheld union select key from waiting)
    update sources set pending_removals = (select jsonb_agg(key order by key) from keys), pending_run_id = runs.id
    from runs where runs.id = :run_id and sources.id = runs.source_id
""")

_KEEP_WAITING = sa.text(f"""
    with {_WAITING}, keys as (
      select key from waiting where not exists (select 1 from run_items i
        where i.run_id = :run_id and i.key = waiting.key and i.action = 'removed'))
    update sources set pending_removals = coalesce((select jsonb_agg(key order by key) from keys), '[]'),
      pending_run_id = case when exists (select 1 from keys) then pending_run_id end
    from runs where runs.id = :run_id and sources.id = runs.source_id and pending_run_id is not null
""")

# `stored` counts the documents that there were before the run.
_COUNT_LATE = sa.text("""
    select r.pending_removals as withheld, items.removed, case when items.removed >= :min_withheld then (
      select count(*) from documents d where d.source_id = r.source_id and d.deleted_at is null and d.held is null
        and not exists (select 1 from run_items i where i.run_id = r.id and i.key = d.key and i.action = 'added')
      ) end as stored
    from runs r cross join lateral (
      select count(*) as removed from run_items i
      where i.run_id = r.id and i.action = 'removed' and i.state = 'pending') items
    where r.id = :run_id
""")

_WITHHOLD_LATE = sa.text("""
    with withheld as (
      delete from run_items where run_id = :run_id and action = 'removed' and state = 'pending' returning key
    ), keys as (
      select key from withheld union
      select w.key from runs join sources s on s.id = runs.source_id
      cross join jsonb_array_elements_text(s.pending_removals) as w (key) where runs.id = :run_id
    ), run as (
      update runs set pending_removals = pending_removals + (select count(*) from withheld)
      where id = :run_id returning id, source_id
    )
    update sources set pending_removals = (select jsonb_agg(key order by key) from keys), pending_run_id = run.id
    from run where sources.id = run.source_id
""")

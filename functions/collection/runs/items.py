"""Read a run's items: what it does to each document. Each item has the log trace of the step that finished it."""

import uuid
from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

Action = Literal["added", "changed", "moved", "removed", "skipped", "unchanged"]
ItemState = Literal["pending", "done", "failed"]


class Item(msgspec.Struct, frozen=True):
    """What a run does to one document. `from_key` is the key that it moved from. `reason` says why it failed.

    An `unchanged` document failed in an earlier run, and still does.

    `trace` is the log trace of the step that finished the item, null while it is pending.
    """

    key: str
    action: Action
    from_key: str | None
    state: ItemState
    reason: str | None
    warning: str | None
    trace: str | None


class ItemQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Filter of a run's items, and the page after `after`, which is the previous page's `next`."""

    action: Action | None = None
    state: ItemState | None = None
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class ItemList(msgspec.Struct, frozen=True):
    """A page of items, ordered by key. `next` is the next page's `after`, null on the last page."""

    items: list[Item]
    next: str | None


def read_items(tx: Connection, run_id: uuid.UUID, query: ItemQuery) -> ItemList:
    """Read a page of a run's items. The page is empty if the run isn't in the workspace."""
    values = {"run_id": run_id, "action": query.action, "state": query.state, "after": query.after}
    rows = [Item(**row._mapping) for row in tx.execute(_PAGE, {**values, "limit": query.limit + 1})]
    page = rows[: query.limit]
    return ItemList(page, page[-1].key if len(rows) > query.limit else None)


# A fetched item was finished by the step of its batch, or by its own step if the batch was split. An item that was
# given up with all others was finished by the `fetch` step that failed. All other items were finished by `finish`.
_PAGE = sa.text("""
    with page as materialized (
      select key, action, from_key, state, reason, warning, batch from run_items
      where run_id = :run_id and key > :after
        and (cast(:action as text) is null or action = :action) and (cast(:state as text) is null or state = :state)
      order by key limit :limit
    ), singles as materialized (
      select payload ->> 'key' as key, max(trace) as trace from steps
      where run_id = :run_id and kind = 'fetch' and payload ->> 'key' is not null and state in ('done', 'failed')
      group by payload ->> 'key'
    )
    select page.key, page.action, page.from_key, page.state, page.reason, page.warning,
      case when page.state <> 'pending' then nullif(coalesce(singles.trace, batch.trace, (
        select trace from steps where run_id = :run_id and (
          case when page.batch is null then kind = 'finish' and key = '0' else kind = 'fetch' and state = 'failed' end)
        order by id limit 1)), '') end as trace
    from page left join singles on singles.key = page.key
    left join steps batch on batch.run_id = :run_id and batch.kind = 'fetch' and batch.key = cast(page.batch as text)
      and batch.state in ('done', 'failed')
    order by page.key
""")

"""Read a workspace's audit log, newest entries first. `headwater.auth.audit_log` writes it."""

import datetime as dt
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from headwater.auth.audit_log import Action
from headwater.auth.callers import Caller


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, by whom. `actor` is the subject of a user or an API key (`key:` and its id), or `deployment`.

    `target` is the subject or id of what was changed. Names are those at the time. `details` depend on the action.
    """

    id: int
    at: dt.datetime
    actor: str
    actor_name: str | None
    action: Action
    target: str
    target_name: str | None
    details: dict[str, Any]
    request_id: str | None


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Filter of the audit log, and the page after `after`, which is the previous page's `next`.

    `since` is included, `until` is not.
    """

    actor: str | None = None
    action: Action | None = None
    target: str | None = None
    since: Annotated[dt.datetime, Meta(tz=True)] | None = None
    until: Annotated[dt.datetime, Meta(tz=True)] | None = None
    after: Annotated[str, Meta(pattern="^[0-9]{0,18}$")] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class AuditLog(msgspec.Struct, frozen=True):
    """A page of the audit log, newest entries first. `next` is the next page's `after`, null on the last page."""

    entries: list[AuditEntry]
    next: str | None


def read_audit_log(tx: Connection, caller: Caller, query: AuditQuery) -> AuditLog:
    """Read a page of the audit log of the caller's workspace."""
    values = msgspec.structs.asdict(query) | {"workspace_id": caller.workspace_id}
    rows = tx.execute(_PAGE, values | {"after": int(query.after or 2**62), "limit": query.limit + 1}).all()
    page = [AuditEntry(**row._mapping) for row in rows[: query.limit]]
    return AuditLog(page, str(page[-1].id) if len(rows) > query.limit else None)


_PAGE = sa.text("""
    select id, at, actor, actor_name, action, target, target_name, details, request_id from audit_log
    where workspace_id = :workspace_id and id < :after
      and (cast(:actor as text) is null or actor = :actor) and (cast(:action as text) is null or action = :action)
      and (cast(:target as text) is null or target = :target)
      and (cast(:since as timestamptz) is null or at >= :since)
      and (cast(:until as timestamptz) is null or at < :until)
    order by id desc limit :limit
""")

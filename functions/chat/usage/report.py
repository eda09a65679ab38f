"""Report what a workspace's calls used and cost. Owners see all of it, others their own."""

import datetime as dt
import uuid
from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth.audit_log import name_of
from headwater.errors import UnprocessableContent
from headwater.usage.record import Kind, Payer

MAX_DAYS = 366
MAX_ROWS = 5_000


class UsageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days from `since` to `until` (UTC), by default the last 30, and what the sums are by."""

    since: dt.date | None = None
    until: dt.date | None = None
    by: Literal["day", "member", "key", "model"] = "day"
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_ROWS)] = 1_000


class UsageRow(msgspec.Struct, frozen=True):
    """The sums of a day, member, key or model, and a kind of call. The other columns that sums are by are null.

    `cost` is in US dollars, null if no call has a known price. `unpriced_calls` are not in it. `name` is the member's
    or the key's. A call of the kind `chat` is an answer.
    """

    kind: Kind
    day: dt.date | None
    member_id: str | None
    key_id: uuid.UUID | None
    model: str | None
    name: str | None
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    unpriced_calls: int
    cost: float | None


class UsageReport(msgspec.Struct, frozen=True):
    """Usage by day, latest first, or else by cost. `prices_date`: the day on which the prices were checked."""

    since: dt.date
    until: dt.date
    prices_date: dt.date
    rows: list[UsageRow]


def read_usage(tx: Connection, payer: Payer, query: UsageQuery, prices_date: dt.date, *, everyone: bool) -> UsageReport:
    """Return the usage of a payer; with `everyone`, of the whole workspace. Raises UnprocessableContent."""
    until = query.until or dt.datetime.now(dt.UTC).date()
    since = query.since or max(dt.date.min, until - dt.timedelta(days=min(29, until.toordinal() - 1)))
    if not 0 <= (until - since).days < MAX_DAYS:
        raise UnprocessableContent(f"since and until: choose at most {MAX_DAYS} days, the first before the last.")
    values = {
        "workspace_id": payer.workspace_id,
        "member_id": payer.member_id,
        "key_id": payer.key_id,
        "everyone": everyone,
        "since": since,
        "until": until,
        "n": query.limit,
    }
    rows = [msgspec.convert(dict(row._mapping), UsageRow, strict=False) for row in tx.execute(_SUMS[query.by], values)]
    return UsageReport(since, until, prices_date, rows)


def _sums(by: str) -> sa.TextClause:
    """Return the statement with the sums by one of the columns. Names are those of members and keys."""
    column = {"member": "member_id", "key": "key_id"}.get(by, by)
    shown = ", ".join(
        f"u.{each}" if each == column else f"null as {each}" for each in ("day", "member_id", "key_id", "model")
    )
    subject = {"member": "u.member_id", "key": "'key:' || u.key_id"}.get(by, "null")
    order = "u.day desc" if by == "day" else "cost desc nulls last, calls desc"
    return sa.text(f"""
        select u.*, {name_of(subject)} as name from (
          select kind, {shown}, sum(calls)::bigint as calls, sum(input_tokens)::bigint as input_tokens,
            sum(cached_tokens)::bigint as cached_tokens, sum(output_tokens)::bigint as output_tokens,
            sum(reasoning_tokens)::bigint as reasoning_tokens, sum(unpriced_calls)::bigint as unpriced_calls,
            sum(cost)::float as cost
          from usage u
          where workspace_id = :workspace_id and day between :since and :until
            and (:everyone or member_id = :member_id or key_id = :key_id)
          group by kind, u.{column}) u
        order by {order}, kind limit :n
    """)


_SUMS = {by: _sums(by) for by in ("day", "member", "key", "model")}

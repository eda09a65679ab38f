"""Budgets in US dollars, per day and month (UTC), of a workspace, its members and its API keys.

A call reserves its estimated cost before it begins; the reservation is removed with the record of what it cost. So
concurrent calls exceed a budget at most by what the running ones cost beyond their estimates. Reservations of dead
processes expire. Functions run in the caller's transaction.
"""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.database.transactions import json_rows
from headwater.errors import UnprocessableContent, UserError
from headwater.usage.record import Payer

MAX_BUDGETS = 200


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A budget. `target` is a member's subject or a key's id; empty for the workspace, or for each member or key."""

    applies_to: Literal["workspace", "member", "key"]
    period: Literal["day", "month"]
    amount: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
    target: Annotated[str, msgspec.Meta(max_length=200)] = ""


class BudgetState(msgspec.Struct, frozen=True):
    """A budget, what the caller's share of it has spent and reserved in this period, and when it renews.

    `spent` of a budget for each member or key is the caller's own, or null if it doesn't apply to the caller.
    """

    applies_to: Literal["workspace", "member", "key"]
    period: Literal["day", "month"]
    amount: float
    target: str
    spent: float | None
    renews_at: dt.datetime


class BudgetExceeded(UserError):
    """A budget is used up. `renews_at` is the time from which it isn't."""

    status = 429
    title = "Budget exceeded"


def reserve(tx: Connection, payer: Payer, amount: Decimal | None, *, for_s: float) -> uuid.UUID | None:
    """Reserve the estimated cost of a call; None if no budget applies or the cost is unknown.

    Raises BudgetExceeded if a budget would be exceeded, or is, when the cost is unknown. Call it at the end of a
    transaction: it locks the budgets.
    """
    values = _values(payer)
    if not tx.execute(_LOCK, values).rowcount:
        return None
    # A statement of its own, which sees what others reserved before they released the lock.
    for row in tx.execute(_STATES, values):
        left = row.amount - row.spent
        if left < (amount or 0) or left <= 0:
            raise _exceeded(row)
    if not amount:
        return None
    reserved: uuid.UUID = tx.execute(_RESERVE, {**values, "reserved": amount, "for_s": for_s}).scalar_one()
    return reserved


def release(tx: Connection, workspace_id: uuid.UUID, reservation: uuid.UUID) -> None:
    """Remove a reservation."""
    tx.execute(_RELEASE, {"workspace_id": workspace_id, "id": reservation})


def read_budgets(tx: Connection, payer: Payer, *, all_targets: bool) -> list[BudgetState]:
    """Return the budgets that apply to a payer; with `all_targets`, those of others too."""
    values = {**_values(payer), "all_targets": all_targets}
    return [
        BudgetState(
            row.applies_to,
            row.period,
            float(row.amount),
            row.target,
            float(row.spent) if row.applies else None,
            row.renews_at,
        )
        for row in tx.execute(_LIST, values)
    ]


def write_budgets(tx: Connection, caller: Caller, budgets: list[Budget]) -> None:
    """Replace the budgets of the caller's workspace. Raises UnprocessableContent."""
    if len(budgets) > MAX_BUDGETS:
        raise UnprocessableContent(f"budgets has more than {MAX_BUDGETS} entries.")
    names = {(each.applies_to, each.target, each.period) for each in budgets}
    if len(names) < len(budgets):
        raise UnprocessableContent("budgets has two entries for the same target and period. Remove one.")
    if any(each.applies_to == "workspace" and each.target for each in budgets):
        raise UnprocessableContent("budgets: the workspace's budget has no target.")
    ensure_local_workspace(tx, caller.workspace_id)
    for statement in (_LOCK_WORKSPACE, _LOCK_ALL, _DELETE):
        tx.execute(statement, {"workspace_id": caller.workspace_id})
    tx.execute(_INSERT, {"workspace_id": caller.workspace_id, "budgets": json_rows(budgets)})
    audit_log.record(tx, caller, "budgets.changed", caller.workspace_id, budgets=len(budgets))


def _exceeded(row: Any) -> BudgetExceeded:
    whose = {"workspace": "This workspace's", "member": "Your", "key": "This API key's"}[row.applies_to]
    renews = f"{row.renews_at:%Y-%m-%d} at 00:00 UTC"
    return BudgetExceeded(
        f"{whose} budget of ${row.amount:.2f} a {row.period} is used up. It renews on {renews}. Owners can raise it.",
        renews_at=row.renews_at.isoformat(),
        budget={"applies_to": row.applies_to, "period": row.period, "amount": float(row.amount)},
    )


def _values(payer: Payer) -> dict[str, Any]:
    return {"workspace_id": payer.workspace_id, "member_id": payer.member_id, "key_id": payer.key_id}


_APPLIES = """(b.applies_to = 'workspace'
      or b.applies_to = 'member' and cast(:member_id as text) is not null and b.target in ('', :member_id)
      or b.applies_to = 'key' and cast(:key_id as uuid) is not null and b.target in ('', cast(:key_id as text)))"""

_TODAY = "(clock_timestamp() at time zone 'UTC')::date"

# What the payer has spent of each budget, with what is reserved. `{mine}` chooses rows of the budget's target.
_MINE = """(b.applies_to = 'workspace'
        or b.applies_to = 'member' and x.member_id = case when b.target = '' then :member_id else b.target end
        or b.applies_to = 'key' and x.key_id::text = case when b.target = '' then cast(:key_id as text)
          else b.target end)"""

_COLUMNS = f"""b.applies_to, b.target, b.period, b.amount,
      (select coalesce(sum(x.cost), 0) from usage x where x.workspace_id = :workspace_id and {_MINE}
         and x.day >= case b.period when 'day' then {_TODAY} else date_trunc('month', {_TODAY})::date end)
      + (select coalesce(sum(x.amount), 0) from reservations x where x.workspace_id = :workspace_id and {_MINE}
         and x.expires_at > clock_timestamp()) as spent,
      (case b.period when 'day' then {_TODAY} + 1 else (date_trunc('month', {_TODAY}) + interval '1 month')::date end)
        ::timestamp at time zone 'UTC' as renews_at"""

_LOCK = sa.text(f"""
    select 1 from budgets b where b.workspace_id = :workspace_id and {_APPLIES}
    order by b.applies_to, b.target, b.period for update
""")

_STATES = sa.text(f"select {_COLUMNS} from budgets b where b.workspace_id = :workspace_id and {_APPLIES}")

_LIST = sa.text(f"""
    select {_COLUMNS}, b.target <> '' or {_APPLIES} as applies from budgets b
    where b.workspace_id = :workspace_id and (:all_targets or {_APPLIES})
    order by b.applies_to = 'workspace' desc, b.applies_to, b.target, b.period
""")

_RESERVE = sa.text("""
    with expired as (delete from reservations where workspace_id = :workspace_id and expires_at <= clock_timestamp())
    insert into reservations (workspace_id, member_id, key_id, amount, expires_at)
    values (:workspace_id, :member_id, :key_id, :reserved,
      clock_timestamp() + make_interval(secs => cast(:for_s as float)))
    returning id
""")

_RELEASE = sa.text("delete from reservations where workspace_id = :workspace_id and id = :id")

# Owners who change budgets at the same time wait for each other.
_LOCK_WORKSPACE = sa.text("select 1 from workspaces where id = :workspace_id for no key update")

# In the order of `_LOCK`, so that a call that reserves doesn't deadlock.
_LOCK_ALL = sa.text("""
    select 1 from budgets where workspace_id = :workspace_id order by applies_to, target, period for update
""")

_DELETE = sa.text("delete from budgets where workspace_id = :workspace_id")

_INSERT = sa.text("""
    insert into budgets (workspace_id, applies_to, target, period, amount)
    select :workspace_id, applies_to, target, period, amount
    from json_to_recordset(cast(:budgets as json))
      as new (applies_to text, target text, period text, amount numeric)
""")

"""The runs of standing questions and their deliveries: read them, end them. Functions run in the caller's transaction.

A run is `running` until its answer has ended and every delivery is sent or has failed.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.standing.pages import PageQuery, cursor_of, position_of
from headwater import logs
from headwater.database.transactions import after_commit
from headwater.errors import PermanentError
from headwater.queue.ledger import Step
from headwater.schedules.standing import StandingTrigger, start_if_due

RunState = Literal["running", "complete", "unchanged", "skipped", "failed"]


class StandingDelivery(msgspec.Struct, frozen=True):
    """Where an answer is sent, and what came of it. `reason` explains a failure, or why it may have come twice."""

    kind: Literal["callback", "mail"]
    address: str
    state: Literal["waiting", "sent", "failed"]
    reason: str | None
    finished_at: dt.datetime | None


class StandingRun(msgspec.Struct, frozen=True):
    """One asking of a standing question.

    `unchanged`: nothing has changed, so nothing was asked. `skipped`: the run before was still open. `reason` explains
    every state but `complete`. `answer_id` is null while there is no answer, and once its conversation is deleted.
    """

    id: uuid.UUID
    trigger: StandingTrigger
    state: RunState
    reason: str | None
    due_at: dt.datetime
    conversation_id: str | None
    answer_id: uuid.UUID | None
    changes_since: dt.datetime | None
    changes_until: dt.datetime | None
    created_at: dt.datetime
    finished_at: dt.datetime | None
    deliveries: list[StandingDelivery]


class StandingRunList(msgspec.Struct, frozen=True):
    """A page of the runs of a standing question, latest first. `next` is the next page's `after`, null on the last."""

    runs: list[StandingRun]
    next: str | None


def conversation_of(question_id: uuid.UUID) -> str:
    """Return the id of the conversation that has all answers to a standing question."""
    return f"standing-{question_id}"


def lock_run(tx: Connection, step: Step) -> Any | None:
    """Lock the question and the run of a step, and return their columns. None if the run has ended."""
    values = {"workspace_id": step.workspace_id, "run_id": step.run_id}
    row = tx.execute(_LOCK, values).one_or_none()
    return None if row is None or row.state != "running" else row


def read_run(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID) -> StandingRun:
    """Return a run."""
    [run] = _read(tx, "s.id = :id", {"workspace_id": workspace_id, "id": run_id})
    return run


def read_runs(tx: Connection, workspace_id: uuid.UUID, question_id: uuid.UUID, query: PageQuery) -> StandingRunList:
    """Return a page of the runs of a question. Raises UnprocessableContent if `after` is no page's `next`."""
    created_at, id_ = position_of(query.after)
    values = {"workspace_id": workspace_id, "id": question_id, "at": created_at, "after_id": id_, "n": query.limit + 1}
    condition = """s.standing_question_id = :id
      and (cast(:at as timestamptz) is null or (s.created_at, s.id) < (:at, cast(:after_id as uuid)))
      order by s.created_at desc, s.id desc limit :n"""
    found = _read(tx, condition, values)
    page, more = found[: query.limit], len(found) > query.limit
    return StandingRunList(page, cursor_of(page[-1].created_at, page[-1].id) if more else None)


def read_last_runs(
    tx: Connection, workspace_id: uuid.UUID, question_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, StandingRun]:
    """Return the last run of each question that has one."""
    ids = "{" + ",".join(map(str, question_ids)) + "}"
    rows = tx.execute(_LAST, {"workspace_id": workspace_id, "ids": ids}).all()
    runs = (
        {
            run.id: run
            for run in _read(
                tx,
                "s.id = any(cast(:ids as uuid[]))",
                {"workspace_id": workspace_id, "ids": "{" + ",".join(str(row.id) for row in rows) + "}"},
            )
        }
        if rows
        else {}
    )
    return {row.standing_question_id: runs[row.id] for row in rows}


def add_deliveries(
    tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, deliveries: Sequence[tuple[str, str]]
) -> None:
    """Store where a run's answer is to be sent, kind and address, numbered from 0."""
    for n, (kind, address) in enumerate(deliveries):
        values = {"workspace_id": workspace_id, "id": run_id, "n": n, "kind": kind, "address": address}
        tx.execute(_ADD_DELIVERY, values)


def take_delivery(tx: Connection, step: Step) -> Any | None:
    """Return the delivery that a step makes, with its question and answer; None if it is done.

    `id` is the run's. Raises PermanentError if the answer is deleted, or the question has the address no more.
    """
    values = {"workspace_id": step.workspace_id, "run_id": step.run_id, "n": int(step.key)}
    row = tx.execute(_TAKE_DELIVERY, values).one_or_none()
    if row is not None and (row.parts is None or not row.is_wanted):
        raise PermanentError("The answer or this address was deleted before it was sent.")
    return row


def note_hand_over(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, n: int) -> None:
    """Store that a delivery is being handed over: if nothing is stored of its result, it may have arrived."""
    tx.execute(_HAND_OVER, {"workspace_id": workspace_id, "id": run_id, "n": n})


def forget_hand_over(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, n: int) -> None:
    """Store that the receiver has refused a delivery, so that it has not arrived."""
    tx.execute(_FORGET_HAND_OVER, {"workspace_id": workspace_id, "id": run_id, "n": n})


def end_delivery(tx: Connection, step: Step, n: int, state: str, reason: str | None) -> None:
    """End a delivery; with the last one, the run."""
    row = lock_run(tx, step)
    if row is None:
        return
    values = {"workspace_id": step.workspace_id, "id": row.id, "n": n, "state": state, "reason": reason}
    tx.execute(_END_DELIVERY, values)
    left = tx.execute(_DELIVERIES, values).one()
    if not left.waiting:
        end(tx, step, row, "failed" if left.failed else "complete", left.reason or row.reason)


def end(tx: Connection, step: Step, row: Any, state: RunState, reason: str | None = None) -> None:
    """End a locked run, log its end, and start the question again if changes are waiting."""
    tx.execute(_END, {"workspace_id": step.workspace_id, "id": row.id, "state": state, "reason": reason})
    ended = "failed" if state == "failed" else "succeeded"
    tx.execute(_END_LEDGER_RUN, {"run_id": step.run_id, "state": ended})
    fields: dict[str, Any] = {
        "standing_question_id": row.question_id,
        "standing_run_id": row.id,
        "trigger": row.trigger,
    }
    severity = 30 if state == "failed" else 20
    event = partial(logs.event, "standing_run.ended", severity=severity, state=state, reason=reason, **fields)
    after_commit(tx, event)
    start_if_due(tx, step.workspace_id, row.question_id)


def _read(tx: Connection, condition: str, values: dict[str, Any]) -> list[StandingRun]:
    rows = tx.execute(sa.text(f"{_READ} and {condition}"), values)
    return [
        StandingRun(**{**row._mapping, "deliveries": msgspec.convert(row.deliveries, list[StandingDelivery])})
        for row in rows
    ]


# The question first, as by the tick.
_LOCK = sa.text("""
    with question as materialized (
      select q.* from standing_questions q
      where q.workspace_id = :workspace_id and q.id = (
        select s.standing_question_id from standing_runs s join runs r on r.standing_run_id = s.id
        where r.id = :run_id and s.workspace_id = :workspace_id)
      for no key update)
    select s.id, s.trigger, s.state, s.reason, s.due_at, s.answer_id, s.conversation_id, s.changes_since,
      s.changes_until, q.id as question_id, q.subject, q.name, q.question, q.mode, q.agent, q.model, q.filter,
      q.changes, q.change_sources, q.on_change, q.new_conversation, q.callback_url, q.mail_to, q.reported_until,
      clock_timestamp() as now
    from question q join standing_runs s on s.standing_question_id = q.id join runs r on r.standing_run_id = s.id
    where r.id = :run_id
    for no key update of s
""")

_READ = """
    select s.id, s.trigger, s.state, s.reason, s.due_at, s.conversation_id, s.answer_id, s.changes_since,
      s.changes_until, s.created_at, s.finished_at, (
        select coalesce(jsonb_agg(jsonb_build_object('kind', d.kind, 'address', d.address, 'state', d.state,
          'reason', d.reason, 'finished_at', d.finished_at) order by d.n), '[]')
        from standing_deliveries d where d.run_id = s.id) as deliveries
    from standing_runs s where s.workspace_id = :workspace_id
"""

_LAST = sa.text("""
    select distinct on (standing_question_id) standing_question_id, id from standing_runs
    where workspace_id = :workspace_id and standing_question_id = any(cast(:ids as uuid[]))
    order by standing_question_id, created_at desc, id desc
""")

_ADD_DELIVERY = sa.text("""
    insert into standing_deliveries (run_id, workspace_id, n, kind, address)
    values (:id, :workspace_id, :n, :kind, :address)
""")

_TAKE_DELIVERY = sa.text("""
    select d.kind, d.address, d.handed_over_at, s.id, s.trigger, s.due_at, s.conversation_id, s.answer_id,
      s.changes_since, s.changes_until, q.id as question_id, q.subject, q.name, q.callback_secret,
      m.parts, m.state as ending, m.notice, asked.parts as asked,
      d.address = any(array_append(q.mail_to, q.callback_url)) as is_wanted
    from standing_deliveries d join standing_runs s on s.id = d.run_id
      join standing_questions q on q.id = s.standing_question_id
      left join messages m on m.id = s.answer_id left join messages asked on asked.id = m.parent_id
    where d.workspace_id = :workspace_id and d.n = :n and d.state = 'waiting'
      and d.run_id = (select standing_run_id from runs where id = :run_id)
""")

_ONE = "where workspace_id = :workspace_id and run_id = :id and n = :n and state = 'waiting'"

_HAND_OVER = sa.text(f"update standing_deliveries set handed_over_at = clock_timestamp() {_ONE}")

_FORGET_HAND_OVER = sa.text(f"update standing_deliveries set handed_over_at = null {_ONE}")

_END_DELIVERY = sa.text(f"""
    update standing_deliveries set state = :state, reason = :reason, finished_at = clock_timestamp() {_ONE}
""")

# The reason is logged: without the address of a callback, which may contain a secret.
_DELIVERIES = sa.text("""
    select count(*) filter (where state = 'waiting') as waiting, count(*) filter (where state = 'failed') as failed,
      string_agg(case kind when 'callback' then 'Callback' else address end || ': ' || reason, ' ' order by n)
        filter (where state = 'failed') as reason
    from standing_deliveries where workspace_id = :workspace_id and run_id = :id
""")

_END = sa.text("""
    update standing_runs set state = :state, reason = :reason, finished_at = clock_timestamp()
    where workspace_id = :workspace_id and id = :id and state = 'running'
""")

_END_LEDGER_RUN = sa.text("""
    update runs set state = :state, finished_at = clock_timestamp() where id = :run_id and state = 'running'
""")

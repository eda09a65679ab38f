"""Store, read, change and delete standing questions. Functions run in the caller's transaction."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.engine import Connection

from functions.chat.answers.evidence import Mode
from functions.chat.standing.pages import PageQuery, cursor_of, position_of
from functions.chat.standing.standing_runs import StandingRun, conversation_of, read_last_runs
from headwater.auth.callers import Caller
from headwater.errors import Conflict, NotFound
from headwater.queue import ledger
from headwater.schedules.cron import next_time

MAX_PER_WORKSPACE = 100
MAX_SOURCES = 50
MAX_RECIPIENTS = 10

MIN_INTERVAL_MINUTES = 15
DEFAULT_INTERVAL_MINUTES = 60

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Recipients = Annotated[list[Annotated[str, Meta(max_length=254)]], Meta(max_length=MAX_RECIPIENTS)]
AskMode = Mode | Literal["agent"]


class StandingSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cron expression of five fields, and the time zone that it is evaluated in."""

    cron: Annotated[str, Meta(max_length=100)]
    time_zone: Annotated[str, Meta(max_length=100)] = "UTC"


class ChangeTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask after a run has changed documents of one of these sources, by default of any.

    Changes within `min_interval_minutes` of the last time are asked about together, when it has passed.
    """

    sources: Annotated[list[uuid.UUID], Meta(max_length=MAX_SOURCES)] = []
    min_interval_minutes: Annotated[int, Meta(ge=MIN_INTERVAL_MINUTES, le=10_080)] = DEFAULT_INTERVAL_MINUTES


class NewStandingQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A standing question to create. Without `schedule` and `on_change` it is asked only by `…/run`.

    `changes`: the question is about the documents that were added, changed or removed since the last answer. If there
    are none, nothing is asked. `mode`, `agent`, `model` and `filter` are those of a question. `new_conversation`: each
    answer begins a conversation; otherwise all are in one. `callback_url` and `mail_to` also get each answer.
    """

    name: Name
    question: str
    mode: AskMode = "documents"
    agent: Annotated[str, Meta(max_length=200)] = ""
    model: Annotated[str, Meta(max_length=200)] = ""
    filter: Annotated[str, Meta(max_length=2_000)] = ""
    changes: bool = False
    schedule: StandingSchedule | None = None
    on_change: ChangeTrigger | None = None
    new_conversation: bool = False
    callback_url: Annotated[str, Meta(max_length=2_000)] | None = None
    mail_to: Recipients = []
    paused: bool = False


class StandingQuestionChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a standing question. Omitted fields stay as they are.

    `new_callback_secret`: replace the secret that signs callbacks.
    """

    name: Name | UnsetType = UNSET
    question: str | UnsetType = UNSET
    mode: AskMode | UnsetType = UNSET
    agent: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    model: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    filter: Annotated[str, Meta(max_length=2_000)] | UnsetType = UNSET
    changes: bool | UnsetType = UNSET
    schedule: StandingSchedule | UnsetType | None = UNSET
    on_change: ChangeTrigger | UnsetType | None = UNSET
    new_conversation: bool | UnsetType = UNSET
    callback_url: Annotated[str, Meta(max_length=2_000)] | UnsetType | None = UNSET
    mail_to: Recipients | UnsetType = UNSET
    paused: bool | UnsetType = UNSET
    new_callback_secret: bool = False


class StandingQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A standing question. `paused_reason` is null if its owner has paused it.

    `next_run_at` is null if nothing is due, `conversation_id` if each answer begins a conversation. `callback_secret`
    is in the response that creates it, and never again.
    """

    id: uuid.UUID
    name: str
    question: str
    mode: AskMode
    agent: str
    model: str
    filter: str
    changes: bool
    schedule: StandingSchedule | None
    on_change: ChangeTrigger | None
    new_conversation: bool
    callback_url: str | None
    mail_to: list[str]
    paused: bool
    paused_reason: str | None
    next_run_at: dt.datetime | None
    conversation_id: str | None
    last_run: StandingRun | None
    created_at: dt.datetime
    updated_at: dt.datetime
    callback_secret: str | UnsetType = UNSET


class StandingQuestionList(msgspec.Struct, frozen=True):
    """A page of the caller's standing questions, latest first. `next` is the next page's `after`, null on the last."""

    standing_questions: list[StandingQuestion]
    next: str | None


def create(tx: Connection, caller: Caller, new: NewStandingQuestion, secret: bytes | None) -> uuid.UUID:
    """Store a standing question, which has been checked. `secret` is encrypted. Raises Conflict if there are too many.

    Returns its id.
    """
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject}
    tx.execute(_LOCK_WORKSPACE, values)
    if tx.execute(_COUNT, values).scalar_one() >= MAX_PER_WORKSPACE:
        raise Conflict(f"This workspace has {MAX_PER_WORKSPACE} standing questions. Delete one first.")
    created: uuid.UUID = tx.execute(_INSERT, {**values, **_columns(tx, new, secret)}).scalar_one()
    return created


def change(
    tx: Connection, caller: Caller, question_id: uuid.UUID, changed: NewStandingQuestion, secret: bytes | None
) -> None:
    """Store a changed standing question, whose row the caller has locked by `read_for_change`.

    A changed schedule, and one that is resumed, is due at its first time after now.
    """
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "id": question_id}
    tx.execute(_UPDATE, {**values, **_columns(tx, changed, secret)})


def read_for_change(tx: Connection, caller: Caller, question_id: uuid.UUID) -> tuple[NewStandingQuestion, bytes | None]:
    """Lock a standing question of the caller. Returns it as it is stored, and its encrypted secret. Raises NotFound."""
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "id": question_id}
    row = tx.execute(_LOCK, values).one_or_none()
    if row is None:
        raise NotFound(f"Standing question not found: {question_id}.")
    stored = NewStandingQuestion(**_fields(row), paused=row.paused_at is not None)
    return stored, None if row.callback_secret is None else bytes(row.callback_secret)


def delete(tx: Connection, caller: Caller, question_id: uuid.UUID) -> str:
    """Delete a standing question with its runs; conversations stay. Returns its name. Raises NotFound."""
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "id": question_id}
    # Steps first, as a worker locks its step before the question.
    for run_id in tx.execute(_OPEN_RUNS, values).scalars().all():
        ledger.cancel(tx, run_id)
    name: str | None = tx.execute(_DELETE, values).scalar_one_or_none()
    if name is None:
        raise NotFound(f"Standing question not found: {question_id}.")
    return name


def read(tx: Connection, caller: Caller, question_id: uuid.UUID) -> StandingQuestion:
    """Return a standing question of the caller. Raises NotFound."""
    found = _read(tx, caller, "and q.id = :id", {"id": question_id})
    if not found:
        raise NotFound(f"Standing question not found: {question_id}.")
    return found[0]


def read_page(tx: Connection, caller: Caller, query: PageQuery) -> StandingQuestionList:
    """Return a page of the caller's standing questions. Raises UnprocessableContent if `after` is no page's `next`."""
    created_at, id_ = position_of(query.after)
    values = {"at": created_at, "after_id": id_, "n": query.limit + 1}
    condition = """and (cast(:at as timestamptz) is null or (q.created_at, q.id) < (:at, cast(:after_id as uuid)))
      order by q.created_at desc, q.id desc limit :n"""
    found = _read(tx, caller, condition, values)
    page = found[: query.limit]
    more = len(found) > query.limit
    return StandingQuestionList(page, cursor_of(page[-1].created_at, page[-1].id) if more else None)


def _read(tx: Connection, caller: Caller, condition: str, values: dict[str, Any]) -> list[StandingQuestion]:
    own = {"workspace_id": caller.workspace_id, "subject": caller.subject}
    rows = tx.execute(sa.text(f"{_READ} {condition}"), {**own, **values}).all()
    last = read_last_runs(tx, caller.workspace_id, [row.id for row in rows])
    return [_state(row, last.get(row.id)) for row in rows]


def _state(row: Any, last_run: StandingRun | None) -> StandingQuestion:
    return StandingQuestion(
        id=row.id,
        **_fields(row),
        paused=row.paused_at is not None,
        paused_reason=row.paused_reason,
        next_run_at=row.next_run_at,
        conversation_id=None if row.new_conversation else conversation_of(row.id),
        last_run=last_run,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _fields(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "question": row.question,
        "mode": row.mode,
        "agent": row.agent,
        "model": row.model,
        "filter": row.filter,
        "changes": row.changes,
        "schedule": StandingSchedule(row.cron, row.time_zone) if row.cron else None,
        "on_change": ChangeTrigger(list(row.change_sources), row.min_interval_s // 60) if row.on_change else None,
        "new_conversation": row.new_conversation,
        "callback_url": row.callback_url,
        "mail_to": list(row.mail_to),
    }


def _columns(tx: Connection, given: NewStandingQuestion, secret: bytes | None) -> dict[str, Any]:
    schedule, on_change = given.schedule, given.on_change
    now: dt.datetime = tx.execute(sa.text("select clock_timestamp()")).scalar_one()
    return {
        "name": given.name,
        "question": given.question,
        "mode": given.mode,
        "agent": given.agent,
        "model": given.model,
        "filter": given.filter,
        "changes": given.changes,
        "cron": schedule.cron if schedule else None,
        "time_zone": schedule.time_zone if schedule else None,
        "next": next_time(schedule.cron, schedule.time_zone, now) if schedule else None,
        "on_change": on_change is not None,
        "sources": _array([] if on_change is None else on_change.sources),
        "interval_s": 60 * (DEFAULT_INTERVAL_MINUTES if on_change is None else on_change.min_interval_minutes),
        "new_conversation": given.new_conversation,
        "callback_url": given.callback_url,
        "secret": secret,
        "mail_to": given.mail_to,
        "paused": given.paused,
    }


def _array(ids: Sequence[uuid.UUID]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"


_LOCK_WORKSPACE = sa.text("select 1 from workspaces where id = :workspace_id for no key update")

_COUNT = sa.text("select count(*) from standing_questions where workspace_id = :workspace_id")

_COLUMNS = """name, question, mode, agent, model, filter, changes, cron, time_zone, on_change,
      change_sources, min_interval_s, new_conversation, callback_url, callback_secret, mail_to"""

_VALUES = """:name, :question, :mode, :agent, :model, :filter, :changes, :cron, :time_zone, :on_change,
      cast(:sources as uuid[]), :interval_s, :new_conversation, :callback_url, cast(:secret as bytea),
      cast(:mail_to as text[])"""

_INSERT = sa.text(f"""
    insert into standing_questions (workspace_id, subject, {_COLUMNS}, next_due_at, paused_at)
    values (:workspace_id, :subject, {_VALUES}, :next, case when :paused then now() end) returning id
""")

_OWN = "workspace_id = :workspace_id and subject = :subject and id = :id"

# Changes that happened while a question was paused, or before it asked about changes, start no run.
_UPDATE = sa.text(f"""
    update standing_questions set ({_COLUMNS}) = ({_VALUES}),
      next_due_at = case when cron = :cron and time_zone = :time_zone and paused_at is null then next_due_at
        else :next end,
      change_due_at = case when :on_change and not :paused and paused_at is null then change_due_at end,
      paused_at = case when :paused then coalesce(paused_at, now()) end,
      paused_reason = case when :paused then paused_reason end,
      updated_at = now()
    where {_OWN}
""")

_LOCK = sa.text(f"select * from standing_questions where {_OWN} for no key update")

_OPEN_RUNS = sa.text("""
    select r.id from runs r join standing_runs s on s.id = r.standing_run_id
      join standing_questions q on q.id = s.standing_question_id
    where q.workspace_id = :workspace_id and q.subject = :subject and q.id = :id and r.state = 'running'
""")

_DELETE = sa.text(f"delete from standing_questions where {_OWN} returning name")

_READ = """
    select q.*, case when q.paused_at is null then least(q.next_due_at, q.change_due_at) end as next_run_at
    from standing_questions q where q.workspace_id = :workspace_id and q.subject = :subject
"""

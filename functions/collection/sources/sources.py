"""Sources: what a team wants gathered. Created, listed, changed, deleted; their tokens are encrypted and write-only."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import find_kind
from functions.collection.runs.manual import check_no_open_run, lock_source
from functions.collection.runs.pause import set_paused
from functions.collection.runs.runs import RunSummary, read_last_runs
from functions.collection.sources.schedules import Schedule, change_time_zone, next_runs, remove_schedule, set_schedule
from headwater.auth.callers import ensure_local_workspace
from headwater.config import Settings
from headwater.errors import NotFound, SystemicError, UnprocessableContent
from headwater.queue import ledger


class NewSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source to be created; `config` is the connector's own, `token` is never told again.

    `schedule` is a cron expression of five fields by which it is collected, None for never; `time_zone` is whose clocks
    that means.
    """

    kind: str
    name: str
    config: dict[str, Any]
    token: str | None = None
    schedule: str | None = None
    time_zone: str = "UTC"


class SourceChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed of a source; what is left out stays. `schedule: null` removes the schedule.

    `config` takes the place of the whole config, while no run is open; its `url` stays, since another repository is
    another source. `token: null` forgets the token; a run that is open goes on with the new one. A source that is
    `paused` isn't collected; a run of it that is open goes on.
    """

    name: str | UnsetType = UNSET
    config: dict[str, Any] | UnsetType = UNSET
    token: str | UnsetType | None = UNSET
    schedule: str | UnsetType | None = UNSET
    time_zone: str | UnsetType = UNSET
    paused: bool | UnsetType = UNSET


class Source(msgspec.Struct, frozen=True):
    """A source as it is told; `documents` counts the live ones; since `paused_at` nobody collects it.

    `pending_removals` of them wait for an answer: are they to be removed? `next_runs` are the next times of its
    schedule, in UTC; each is started by the tick that follows it.
    """

    id: uuid.UUID
    kind: str
    name: str
    config: dict[str, Any]
    has_token: bool
    created_at: dt.datetime
    documents: int
    pending_removals: int
    schedule: str | None
    time_zone: str | None
    next_runs: list[dt.datetime]
    paused_at: dt.datetime | None
    last_run: RunSummary | None


class SourceList(msgspec.Struct, frozen=True):
    """Every source of a workspace, the oldest first."""

    sources: list[Source]


@dataclass(frozen=True)
class Credentials:
    """How to reach a source: its stored config and its token; `snapshot` is the one that a run is pinned to."""

    source_id: uuid.UUID
    kind: str
    config: dict[str, Any]
    token: str | None
    snapshot: str | None


def create_source(tx: Connection, workspace_id: uuid.UUID, new: NewSource, settings: Settings) -> Source:
    """Store a new source; `new.config` must have been normalised by its kind."""
    values = {
        "workspace_id": workspace_id,
        "kind": new.kind,
        "name": new.name.strip(),
        "config": msgspec.json.encode(new.config).decode(),
        "token": _encrypt(new.token, settings) if new.token else None,
    }
    ensure_local_workspace(tx, workspace_id)
    source_id: uuid.UUID = tx.execute(_INSERT, values).scalar_one()
    if new.schedule is not None:
        set_schedule(tx, workspace_id, source_id, Schedule(new.schedule, new.time_zone), settings.tick_s)
    return read_source(tx, workspace_id, source_id)


def read_source_credentials(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, changes: SourceChanges, settings: Settings
) -> Credentials:
    """Read how to reach a source, with the token of `changes` if they have one; raises NotFound."""
    row = tx.execute(_REACHED, {"id": source_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise NotFound(f"No source {source_id} is here.")
    token = changes.token
    if token is UNSET:
        token = _decrypt(row.token, settings) if row.token else None
    return Credentials(source_id, row.kind, row.config, token or None, None)


def normalise_config(source: Credentials, config: dict[str, Any]) -> dict[str, Any]:
    """Check a source's new config and return it as it is stored.

    Raises UnprocessableContent if it is invalid, or if it names another source: documents would change hands.
    """
    kind = find_kind(source.kind)
    normalised = kind.normalise(config)
    for name in kind.describe().identity:
        if normalised.get(name) != source.config.get(name):
            raise UnprocessableContent(f"config.{name} cannot be changed. Add another source instead.")
    return normalised


def change_source(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, changes: SourceChanges, settings: Settings
) -> Source:
    """Change a source; `changes.config` must be normalised. Raises NotFound, Conflict, UnprocessableContent."""
    lock_source(tx, workspace_id, source_id)
    source = read_source(tx, workspace_id, source_id)
    if changes.paused is not UNSET:
        set_paused(tx, source_id, paused=changes.paused)
    if changes.config is not UNSET:
        check_no_open_run(tx, source_id)
        tx.execute(_CONFIGURE, {"id": source_id, "config": msgspec.json.encode(changes.config).decode()})
    if changes.token is not UNSET:
        token = _encrypt(changes.token, settings) if changes.token else None
        tx.execute(sa.text("update sources set token = :token where id = :id"), {"id": source_id, "token": token})
    if changes.name is not UNSET:
        check_name(changes.name)
        values = {"id": source_id, "name": changes.name.strip()}
        tx.execute(sa.text("update sources set name = :name where id = :id"), values)
    if changes.schedule is None:
        remove_schedule(tx, source_id)
    elif changes.schedule is not UNSET:
        zone = changes.time_zone if changes.time_zone is not UNSET else source.time_zone or "UTC"
        set_schedule(tx, workspace_id, source_id, Schedule(changes.schedule, zone), settings.tick_s)
    elif changes.time_zone is not UNSET:
        change_time_zone(tx, workspace_id, source_id, changes.time_zone, settings.tick_s)
    return read_source(tx, workspace_id, source_id)


def check_name(name: str) -> None:
    """Raise UnprocessableContent for a name that nobody could read in a list."""
    if not 1 <= len(name.strip()) <= 200 or "\0" in name:
        raise UnprocessableContent("name: 1 to 200 characters are expected.")


def check_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> None:
    """Raise NotFound for a source that isn't in the workspace."""
    if tx.execute(_IS_HERE, {"id": source_id, "workspace_id": workspace_id}).one_or_none() is None:
        raise NotFound(f"No source {source_id} is here.")


def read_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> Source:
    """Read one source; raises NotFound."""
    rows = _read(tx, workspace_id, source_id)
    if not rows:
        raise NotFound(f"No source {source_id} is here.")
    return rows[0]


def read_sources(tx: Connection, workspace_id: uuid.UUID) -> list[Source]:
    """Read every source of a workspace."""
    return _read(tx, workspace_id, None)


def delete_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> None:
    """Delete a source with its documents and runs; vectors stay, so that adding it again pays for nothing twice.

    Its open run is cancelled first, which waits for steps that are being written: whoever writes one holds its row and
    goes on to the source's, so that deleting in the other order would end in a deadlock.
    """
    values = {"id": source_id, "workspace_id": workspace_id}
    for run_id in tx.execute(_OPEN_RUN, values).scalars():
        ledger.cancel(tx, run_id)
    deleted = tx.execute(sa.text("delete from sources where id = :id and workspace_id = :workspace_id"), values)
    if not deleted.rowcount:
        raise NotFound(f"No source {source_id} is here.")


def read_credentials(tx: Connection, run_id: uuid.UUID, settings: Settings) -> Credentials:
    """Read how to reach the source of a run, and the snapshot the run is pinned to."""
    row = tx.execute(_CREDENTIALS, {"run_id": run_id}).one()
    token = _decrypt(row.token, settings) if row.token else None
    return Credentials(row.source_id, row.kind, row.config, token, row.snapshot)


def _read(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID | None) -> list[Source]:
    sources = []
    last_runs = read_last_runs(tx, workspace_id, source_id)
    for row in tx.execute(_SELECT, {"workspace_id": workspace_id, "source_id": source_id}).all():
        told = dict(row._mapping)
        now = told.pop("now")
        times = [] if row.schedule is None or row.paused_at else next_runs(Schedule(row.schedule, row.time_zone), now)
        sources.append(Source(**told, next_runs=times, last_run=last_runs.get(row.id)))
    return sources


def _encrypt(token: str, settings: Settings) -> bytes:
    from cryptography.fernet import Fernet

    if not settings.secret_key:
        raise UnprocessableContent("A token can only be stored encrypted: set SECRET_KEY on this installation first.")
    return Fernet(settings.secret_key).encrypt(token.encode())


def _decrypt(encrypted: bytes, settings: Settings) -> str:
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(settings.secret_key).decrypt(bytes(encrypted)).decode()
    except (InvalidToken, ValueError) as error:
        raise SystemicError("The source's token was encrypted with another SECRET_KEY. Enter it again.") from error


_INSERT = sa.text("""
    insert into sources (workspace_id, kind, name, config, token)
    values (:workspace_id, :kind, :name, cast(:config as jsonb), :token) returning id
""")

_SELECT = sa.text("""
    select s.id, s.kind, s.name, s.config, s.token is not null as has_token, s.created_at,
      (select count(*) from documents d where d.source_id = s.id and d.deleted_at is null) as documents,
      jsonb_array_length(s.pending_removals) as pending_removals,
      c.cron as schedule, c.time_zone, s.paused_at, now() as now
    from sources s left join schedules c on c.source_id = s.id
    where s.workspace_id = :workspace_id and (cast(:source_id as uuid) is null or s.id = :source_id)
    order by s.created_at, s.id
""")

_IS_HERE = sa.text("select 1 from sources where id = :id and workspace_id = :workspace_id")

_REACHED = sa.text("select kind, config, token from sources where id = :id and workspace_id = :workspace_id")

_CONFIGURE = sa.text("update sources set config = cast(:config as jsonb) where id = :id")

_OPEN_RUN = sa.text("select id from runs where source_id = :id and workspace_id = :workspace_id and state = 'running'")

_CREDENTIALS = sa.text("""
    select r.source_id, s.kind, s.config, s.token, r.snapshot
    from runs r join sources s on s.id = r.source_id where r.id = :run_id
""")

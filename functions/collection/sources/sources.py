"""Sources: create, read, change and delete them. A source is one place that documents are collected from."""

import datetime as dt
import uuid
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import kind_of_source
from functions.collection.names import Name, check_name
from functions.collection.runs.locks import cancel_steps_of_source, check_no_open_run, lock_source
from functions.collection.runs.pause import set_paused
from functions.collection.runs.read import COLLECT_KINDS, RunSummary, read_last_runs
from functions.collection.runs.start import read_provider
from functions.collection.sources.credentials import Credentials, store_token
from functions.collection.sources.schedules import Schedule, change_time_zone, next_runs, remove_schedule, set_schedule
from headwater.auth.callers import ensure_local_workspace
from headwater.config import Settings
from headwater.encryption import decrypt_token
from headwater.errors import NotFound, UnprocessableContent
from headwater.queue import ledger


class NewSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source to create. `config` depends on `kind`. `token` is write-only.

    `schedule` is a cron expression of five fields in `time_zone`; null means that the source is only collected on
    request.
    """

    kind: str
    name: Name
    config: dict[str, Any]
    token: str | None = None
    schedule: str | None = None
    time_zone: str = "UTC"


class SourceChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a source. Omitted fields stay as they are.

    `config` replaces the whole config. Its `url` can't change, and no run may be open. `token: null` removes the token;
    an open run continues with the new one. `schedule: null` removes the schedule. A `paused` source is not collected;
    its open run continues.
    """

    name: Name | UnsetType = UNSET
    config: dict[str, Any] | UnsetType = UNSET
    token: str | UnsetType | None = UNSET
    schedule: str | UnsetType | None = UNSET
    time_zone: str | UnsetType = UNSET
    paused: bool | UnsetType = UNSET


class Webhook(msgspec.Struct, frozen=True):
    """The webhook of a source, and when its last delivery came."""

    received_at: dt.datetime | None


class Source(msgspec.Struct, frozen=True):
    """A source. `documents` counts those that are not removed; `paused_at` is null unless the source is paused.

    `failing` documents could not be read in their present version; they have an `error`. `pending_removals` counts the
    documents whose removal was withheld until a user decides. `next_runs` are the next times of the schedule, in UTC; a
    run starts with the first tick after each. `last_run` is of any kind, `last_collect` the last run that collected or
    retried.
    """

    id: uuid.UUID
    kind: str
    name: str
    config: dict[str, Any]
    has_token: bool
    webhook: Webhook | None
    created_at: dt.datetime
    documents: int
    failing: int
    pending_removals: int
    schedule: str | None
    time_zone: str | None
    next_runs: list[dt.datetime]
    paused_at: dt.datetime | None
    last_run: RunSummary | None
    last_collect: RunSummary | None


class SourceList(msgspec.Struct, frozen=True):
    """All sources of a workspace, oldest first."""

    sources: list[Source]


def create_source(tx: Connection, workspace_id: uuid.UUID, new: NewSource, settings: Settings) -> Source:
    """Store a new source, whose config has been normalised. Raises UnprocessableContent for an invalid schedule."""
    values = {
        "workspace_id": workspace_id,
        "kind": new.kind,
        "name": new.name.strip(),
        "config": msgspec.json.encode(new.config).decode(),
        **store_token(new.token, workspace_id, settings),
    }
    ensure_local_workspace(tx, workspace_id)
    source_id: uuid.UUID = tx.execute(_INSERT, values).scalar_one()
    if new.schedule is not None:
        set_schedule(tx, workspace_id, source_id, Schedule(new.schedule, new.time_zone), tick_s=settings.tick_s)
    return read_source(tx, workspace_id, source_id)


def read_source_credentials(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, changes: SourceChanges, *, settings: Settings
) -> Credentials:
    """Read a source's credentials, with the token of `changes` if they have one. Raises NotFound."""
    row = tx.execute(_STORED_CREDENTIALS, {"id": source_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise NotFound(f"Source not found: {source_id}.")
    token = changes.token
    if token is UNSET:
        token = decrypt_token(row.token, settings) if row.token else None
    return Credentials(source_id, row.kind, row.config, token or None, None)


def normalise_config(source: Credentials, config: dict[str, Any]) -> dict[str, Any]:
    """Check a source's new config and return it as it is stored.

    Raises UnprocessableContent if it is invalid, or if it names another source, whose documents are others.
    """
    kind = kind_of_source(source.kind)
    normalised = kind.normalise(config)
    for name in kind.describe().identity:
        if normalised.get(name) != source.config.get(name):
            raise UnprocessableContent(f"config.{name} can't be changed. Create another source instead.")
    return normalised


def change_source(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, changes: SourceChanges, *, settings: Settings
) -> Source:
    """Change a source. `changes.config` must have been normalised.

    Raises NotFound, UnprocessableContent, or Conflict for a new config while a run is open.
    """
    lock_source(tx, workspace_id, source_id)
    if changes.config is not UNSET:
        check_no_open_run(tx, source_id)
        tx.execute(_SET_CONFIG, {"id": source_id, "config": msgspec.json.encode(changes.config).decode()})
    if changes.token is not UNSET:
        _change_token(tx, workspace_id, source_id, changes.token, settings)
    if changes.name is not UNSET:
        check_name(changes.name)
        values = {"id": source_id, "name": changes.name.strip()}
        tx.execute(sa.text("update sources set name = :name where id = :id"), values)
    if changes.paused is not UNSET:
        set_paused(tx, source_id, paused=changes.paused)
    _change_schedule(tx, workspace_id, source_id, changes, tick_s=settings.tick_s)
    return read_source(tx, workspace_id, source_id)


def _change_token(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, token: str | None, settings: Settings
) -> None:
    """Store a new token. An open run no longer waits for a pause that the server asked for with the old one."""
    old = read_provider(tx, source_id)
    tx.execute(_SET_TOKEN, {"id": source_id, **store_token(token, workspace_id, settings)})
    ledger.change_provider(tx, source_id, old, read_provider(tx, source_id))


def _change_schedule(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, changes: SourceChanges, *, tick_s: float
) -> None:
    if changes.schedule is None:
        remove_schedule(tx, source_id)
    elif changes.schedule is not UNSET:
        zone = changes.time_zone
        if zone is UNSET:
            zone = read_source(tx, workspace_id, source_id).time_zone or "UTC"
        set_schedule(tx, workspace_id, source_id, Schedule(changes.schedule, zone), tick_s=tick_s)
    elif changes.time_zone is not UNSET:
        change_time_zone(tx, workspace_id, source_id, changes.time_zone, tick_s=tick_s)


def check_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> str:
    """Return a source's kind. Raises NotFound if the source isn't in the workspace."""
    kind: str | None = tx.execute(_KIND, {"id": source_id, "workspace_id": workspace_id}).scalar_one_or_none()
    if kind is None:
        raise NotFound(f"Source not found: {source_id}.")
    return kind


def read_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> Source:
    """Read a source. Raises NotFound."""
    rows = _read(tx, workspace_id, source_id)
    if not rows:
        raise NotFound(f"Source not found: {source_id}.")
    return rows[0]


def read_sources(tx: Connection, workspace_id: uuid.UUID) -> list[Source]:
    """Read all sources of a workspace, oldest first."""
    return _read(tx, workspace_id, None)


def delete_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> str:
    """Delete a source with its documents and runs. Returns its name.

    Vectors remain, so adding the source again embeds nothing twice.

    Cancels the steps of the open run first, since a worker locks its step before the source. Raises NotFound.
    """
    cancel_steps_of_source(tx, workspace_id, source_id)
    name: str = tx.execute(_DELETE, {"id": source_id}).scalar_one()
    return name


def _read(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID | None) -> list[Source]:
    sources = []
    last_runs = read_last_runs(tx, workspace_id, source_id)
    last_collects = read_last_runs(tx, workspace_id, source_id, COLLECT_KINDS)
    for row in tx.execute(_SELECT, {"workspace_id": workspace_id, "source_id": source_id}).all():
        fields = dict(row._mapping)
        now = fields.pop("now")
        received_at = fields.pop("webhook_received_at")
        webhook = Webhook(received_at) if fields.pop("has_webhook") else None
        times = [] if row.schedule is None or row.paused_at else next_runs(Schedule(row.schedule, row.time_zone), now)
        last_run, last_collect = last_runs.get(row.id), last_collects.get(row.id)
        sources.append(Source(**fields, webhook=webhook, next_runs=times, last_run=last_run, last_collect=last_collect))
    return sources


_INSERT = sa.text("""
    insert into sources (workspace_id, kind, name, config, token, credential)
    values (:workspace_id, :kind, :name, cast(:config as jsonb), :token, :credential) returning id
""")

_SELECT = sa.text("""
    select s.id, s.kind, s.name, s.config, s.token is not null as has_token, s.created_at,
      s.webhook_secret is not null as has_webhook, s.webhook_received_at,
      (select count(*) from documents d where d.source_id = s.id and d.deleted_at is null) as documents,
      (select count(*) from documents d where d.source_id = s.id and d.error is not null and d.deleted_at is null)
        as failing,
      jsonb_array_length(s.pending_removals) as pending_removals,
      c.cron as schedule, c.time_zone, s.paused_at, now() as now
    from sources s left join schedules c on c.source_id = s.id
    where s.workspace_id = :workspace_id and (cast(:source_id as uuid) is null or s.id = :source_id)
    order by s.created_at, s.id
""")

_KIND = sa.text("select kind from sources where id = :id and workspace_id = :workspace_id")

_STORED_CREDENTIALS = sa.text("select kind, config, token from sources where id = :id and workspace_id = :workspace_id")

# Another config has to be listed from the start.
_SET_CONFIG = sa.text("""
    update sources set config = cast(:config as jsonb),
      cursor = case when config = cast(:config as jsonb) then cursor end
    where id = :id
""")

_SET_TOKEN = sa.text("update sources set token = :token, credential = :credential where id = :id")

_DELETE = sa.text("delete from sources where id = :id returning name")

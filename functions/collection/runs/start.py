"""Start a run of a source: a collect or a dry run."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import find_origin, kind_of_source
from functions.collection.runs.pause import check_not_paused
from functions.collection.runs.read import Trigger
from headwater.connectors import Period
from headwater.errors import Conflict, NotFound, UnprocessableContent
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from headwater.queue.providers import provider_name


class StartedRun(msgspec.Struct, frozen=True):
    """The run that was started, or the one that was already open."""

    run_id: uuid.UUID


def start_run(
    tx: Connection,
    workspace_id: uuid.UUID,
    source_id: uuid.UUID,
    trigger: Trigger,
    *,
    execution: str | None = None,
    dry_run: bool = False,
    everything: bool = False,
    period: Period | None = None,
) -> tuple[uuid.UUID, bool]:
    """Open a run of a source with a `list` step, unless a run of any kind is open.

    A dry run computes what a collect would change, and changes nothing. With `everything`, a collect fetches unchanged
    documents too; with `period`, it lists only the documents of these days. The job works on runs that it triggers;
    `execution` is its name on Cloud Run and is also recorded on a run that is already open.

    Returns the id of the new or open run, and whether it is new. Raises NotFound if the source isn't in the workspace,
    Conflict if it is paused.
    """
    check_not_paused(tx, source_id)
    new_id = uuid.uuid4()
    values: dict[str, Any] = {"id": new_id, "workspace_id": workspace_id, "source_id": source_id, "trigger": trigger}
    values |= {"kind": "dry_run" if dry_run else "collect"}
    values |= {"engine": "job" if trigger == "job" else "tickets", "execution": execution}
    run_id: uuid.UUID | None = tx.execute(_START, values).scalar_one_or_none()
    if run_id is None:
        raise NotFound(f"Source not found: {source_id}.")
    if run_id == new_id:
        options = {"dry_run": dry_run, "everything": everything}
        payload: dict[str, Any] = {name: True for name, value in options.items() if value}
        if period is not None:
            payload["period"] = msgspec.to_builtins(period)
        step = NewStep("collection", "list", "", payload, read_provider(tx, source_id))
        ledger.add_steps(tx, run_id, workspace_id, [step])
    return run_id, run_id == new_id


def check_period(kind: str, period: Period | None) -> None:
    """Raise UnprocessableContent if sources of a kind can't be collected for a period, or it is empty."""
    if period is None:
        return
    if period.since and period.until and period.since > period.until:
        raise UnprocessableContent("`since` is after `until`. Exchange the dates.")
    if not kind_of_source(kind).describe().has_dates:
        raise UnprocessableContent(
            f"Sources of the kind {kind!r} can't be collected by date. Leave out `since` and `until`."
        )


def read_provider(tx: Connection, source_id: uuid.UUID) -> str | None:
    """Read the provider that the steps of a source's runs call. See `NewStep`."""
    source = tx.execute(_PROVIDER, {"id": source_id}).one()
    origin = find_origin(source.kind, source.config)
    return provider_name(origin, source.credential) if origin else None


def check_kind(tx: Connection, run_id: uuid.UUID, kinds: Sequence[str]) -> None:
    """Raise Conflict if a run, which `start_run` found open, is of none of these kinds."""
    kind = tx.execute(sa.text("select kind from runs where id = :id"), {"id": run_id}).scalar_one()
    if kind not in kinds:
        raise open_run_conflict(run_id, kind)


def open_run_conflict(run_id: uuid.UUID, kind: str) -> Conflict:
    """Return the error for a request that can't be served while this run is open."""
    return Conflict(
        f"Another run of this source is open ({kind.replace('_', ' ')}). "
        f"Wait until it ends, or cancel it with POST /api/runs/{run_id}/cancel."
    )


# A token that was stored before `credential` counts as one that no other source has.
_PROVIDER = sa.text("""
    select kind, config, coalesce(credential, cast(case when token is null then workspace_id else id end as text))
      as credential
    from sources where id = :id
""")

# One statement, since an open run could end between a failed insert and a select.
_START = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, trigger, engine, execution, job_asked_at)
    select cast(:id as uuid), workspace_id, id, :kind, :trigger, :engine, cast(:execution as text),
      case when :engine = 'job' then now() end
    from sources where id = :source_id and workspace_id = :workspace_id
    on conflict (source_id) where state = 'running' do update
      set execution = coalesce(excluded.execution, runs.execution)
    returning id
""")

"""Build an embedding model: embed all texts of a workspace that have no vector of it, while another model is active.

A build is a run of kind `build` that belongs to a workspace instead of a source. Its `finish` step finds missing
vectors by a query, as that of other runs does, so a build that was killed anywhere goes on, and documents stored in
the meantime are included. The run of a source opens a build for what it stored.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.locks import cancel_steps
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database, after_commit
from headwater.embedding.hosted.providers import pause_name
from headwater.errors import PermanentError, problem
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from headwater.queue.tickets import Tickets
from headwater.queue.worker import StepResult

RETRY_AFTER_MINUTES = 60
"""A workspace's build that failed, at least in part, is opened again by the first tick after this time."""

DEPLOYMENT = "deployment"
"""Actor of the audit log for a model that is activated because EMBEDDING_MODEL names it."""


class Builds:
    """Opens builds of models in all workspaces. `start_job` starts the Cloud Run job for a run that needs it."""

    def __init__(
        self, database: Database, settings: Settings, tickets: Tickets, start_job: Callable[[uuid.UUID], None]
    ) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets
        self.start_job = start_job

    def open_all(self, model_id: int | None = None, *, retry: bool = True) -> int:
        """Open a build in each workspace that lacks vectors of a model, by default of each that is being built.

        Models that are to be activated as soon as they are complete are activated if nothing is missing. Without
        `retry`, workspaces are left out whose last build failed a short time ago. Returns the number of open builds.
        """
        with self.database.transaction(ALL_WORKSPACES) as tx:
            if not (models := tx.execute(_TO_BUILD, {"model_id": model_id}).all()):
                return 0
            missing = [
                (model, row) for model in models for row in tx.execute(_MISSING_BY_WORKSPACE, {"model_id": model.id})
            ]
        if missing:
            self.tickets.arm_watchdog()
        opened = [run_id for model, row in missing if (run_id := self._open(model.id, row, retry=retry))]
        for run_id in opened:
            self.start_job(run_id)
        if opened:
            self.tickets.wake(["collection"])
        for model in models:
            if model.activates and model.id not in {of.id for of, _ in missing}:
                with self.database.transaction(ALL_WORKSPACES) as tx:
                    activate_if_complete(tx, model.id)
        return len(opened)

    def cancel_all(self, model_id: int) -> None:
        """Cancel the builds of a model in all workspaces."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            runs = tx.execute(_OPEN_BUILDS, {"model_id": model_id}).all()
        for run in runs:
            with self.database.transaction(run.workspace_id) as tx:
                cancel_steps(tx, run.id)
                end_build(tx, run.id, "cancelled")

    def _open(self, model_id: int, missing: Any, *, retry: bool) -> uuid.UUID | None:
        is_large = bool(self.settings.job_name) and missing.texts > self.settings.bulk_threshold
        with self.database.transaction(missing.workspace_id) as tx:
            if not retry and tx.execute(_HAS_JUST_FAILED, _values(missing.workspace_id, model_id)).scalar_one():
                return None
            return open_build(
                tx, missing.workspace_id, model_id, engine="job" if is_large else "tickets", texts=missing.texts
            )


def open_builds(tx: Connection, workspace_id: uuid.UUID) -> None:
    """Open a build of each model that is being built, after a run of the workspace. An open build goes on instead."""
    for model in tx.execute(_BUILDING):
        open_build(tx, workspace_id, model.id)


def open_build(
    tx: Connection, workspace_id: uuid.UUID, model_id: int, *, engine: str = "tickets", texts: int | None = None
) -> uuid.UUID | None:
    """Open a build of a model in a workspace. Returns the id of the run that is open then, None without the model.

    `texts`: how many lack a vector, if that is known. Waits for the end of a build that is being committed.
    """
    values = _values(workspace_id, model_id) | {"engine": engine, "texts": texts}
    run_id: uuid.UUID | None = tx.execute(_OPEN, values).scalar_one_or_none()
    if run_id is not None:
        ledger.add_steps(tx, run_id, workspace_id, [NewStep("collection", "finish", "0")])
    return run_id


def finish_build(tx: Connection, step: Step, settings: Settings) -> StepResult:
    """Add `embed` steps for what lacks a vector, or end the build; activate the model if that was asked for."""
    run = tx.execute(_LOCK_BUILD, {"run_id": step.run_id}).one()
    if run.state not in ("building", "active"):
        end_build(tx, step.run_id, "cancelled")
        return StepResult()
    values = {**_values(step.workspace_id, run.model_id), "slice": settings.embed_batch}
    slices = tx.execute(_MISSING, values).all()
    error = tx.execute(_FAILED, {"run_id": step.run_id}).scalar_one_or_none()
    if slices and error is None:
        return StepResult(next_steps=_embed_steps(step, run, slices, settings))
    if error is None:
        end_build(tx, step.run_id, "succeeded")
        if run.activates:
            activate_if_complete(tx, run.model_id)
    else:
        end_build(tx, step.run_id, "partial", f"Some texts could not be embedded: {error}")
    return StepResult()


def end_build(tx: Connection, run_id: uuid.UUID, state: str, reason: str | None = None) -> None:
    """End a build, unless it has ended or is another kind of run. The result is logged, a failure as an error."""
    error = msgspec.json.encode(problem(PermanentError(reason))).decode() if reason else None
    ended = tx.execute(_END, {"run_id": run_id, "state": state, "error": error}).one_or_none()
    if ended is not None:
        fields = {"run_id": run_id, "model_id": ended.model_id, "state": state, "texts": ended.embedded}
        severity = 40 if reason else 20
        after_commit(tx, lambda: logs.event("build.ended", severity=severity, reason=reason, **fields))


def activate_if_complete(tx: Connection, model_id: int) -> None:
    """Activate a model if it has all vectors that the active one has."""
    values = {"actor": DEPLOYMENT, "model_id": model_id, "allow_missing": False}
    missing = tx.execute(ACTIVATE, values).scalar_one()
    if not missing:
        after_commit(tx, lambda: logs.event("model.activated", model_id=model_id))


def _embed_steps(step: Step, run: Any, slices: Sequence[Any], settings: Settings) -> list[NewStep]:
    """Make the steps that embed slices. A pause of the model's provider delays no steps of the active model."""
    provider = pause_name(run.name, settings)
    provider = provider and f"{provider}:{run.model_id}"
    return [
        NewStep("embedding", "embed", f"{step.key}.{n}", {"chunks": piece.chunks, "model_id": run.model_id}, provider)
        for n, piece in enumerate(slices)
    ]


def _values(workspace_id: uuid.UUID, model_id: int) -> dict[str, Any]:
    return {"workspace_id": workspace_id, "model_id": model_id}


ACTIVATE = sa.text(
    "select activate_embedding_model(:actor, cast(:model_id as integer), cast(:allow_missing as boolean))"
)

_BUILDING = sa.text("select id from embedding_models where state = 'building' order by id")

_TO_BUILD = sa.text("""
    select id, activates from embedding_models
    where case when cast(:model_id as integer) is null then state = 'building' else id = cast(:model_id as integer) end
    order by id
""")

_MISSING_BY_WORKSPACE = sa.text("select workspace_id, texts from missing_embeddings(cast(:model_id as integer), false)")

_OPEN_BUILDS = sa.text("""
    select id, workspace_id from runs where building_model_id = :model_id and state = 'running' order by id
""")

_HAS_JUST_FAILED = sa.text(f"""
    select coalesce((
      select state in ('partial', 'failed') and finished_at > now() - interval '{RETRY_AFTER_MINUTES} min'
      from runs where workspace_id = :workspace_id and building_model_id = :model_id
      order by created_at desc limit 1), false)
""")

# As `start_run` does: the update waits for a run that is just ending, and then a new one is inserted.
_OPEN = sa.text("""
    insert into runs (workspace_id, building_model_id, kind, engine, total)
    select cast(:workspace_id as uuid), id, 'build', :engine, cast(:texts as integer) from embedding_models
    where id = :model_id and state in ('building', 'active')
    on conflict (workspace_id, building_model_id) where state = 'running' and building_model_id is not null
      do update set total = greatest(runs.total, excluded.total)
    returning id
""")

# Locked before missing vectors are searched: a run that opens a build now waits, and opens another one.
_LOCK_BUILD = sa.text("""
    select m.id as model_id, m.name, m.state, m.activates from runs r
    left join embedding_models m on m.id = r.building_model_id where r.id = :run_id for update of r
""")

# As in other runs' `finish`, for all sources of the workspace.
_MISSING = sa.text("""
    with missing as (
      select min(c.id) as id from chunks c join documents d on d.id = c.document_id and d.deleted_at is null
      left join lateral (select true as found from vectors v where v.model_id = cast(:model_id as integer)
        and v.workspace_id = c.workspace_id and v.input_hash = c.input_hash limit 1) vector on true
      where c.workspace_id = cast(:workspace_id as uuid) and vector.found is null
      group by c.input_hash
    ), numbered as (
      select id, (row_number() over (order by id) - 1) / cast(:slice as integer) as slice from missing
    )
    select json_agg(id order by id) as chunks from numbered group by slice order by slice
""")

_FAILED = sa.text("""
    select error from steps where run_id = :run_id and kind = 'embed' and state = 'failed' order by id limit 1
""")

_END = sa.text("""
    update runs r set state = :state, error = cast(:error as jsonb), finished_at = clock_timestamp(),
      counts = jsonb_build_object('embedded', embedded.n)
    from (select coalesce(sum((result ->> 'embedded')::bigint), 0)::bigint as n from steps
          where run_id = :run_id and kind = 'embed' and state = 'done') embedded
    where r.id = :run_id and r.kind = 'build' and r.state = 'running'
    returning r.building_model_id as model_id, embedded.n as embedded
""")

"""The `finish` step: a run without open steps flows in; removals are settled, and it is found what is still to be done.

Every run ends here, whatever its kind. One that others may join while it is open (`EXTENDABLE_KINDS`) goes on for as
long as something has come in between. A dry run only ends.

After what a run has changed, links are looked at in a `link` step. While live chunks of the source lack a vector, they
are cut into slices and the run goes on with `embed` steps; the next `finish` looks again. What is to be embedded is
never remembered, always found. When nothing lacks, or what lacks can't be had, the run ends.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.pipeline import link
from functions.collection.runs.end import end_run
from functions.collection.runs.locks import lock_extendable_run
from functions.collection.runs.read import EXTENDABLE_KINDS, LISTING_KINDS, read_counts
from functions.collection.sources.connect import SourceOpener
from headwater.config import Settings
from headwater.database.transactions import json_rows
from headwater.embedding.openai import is_hosted
from headwater.errors import PermanentError, SystemicError, problem
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult

_DONE = {"embed": "embedded", "link": "linked"}

MANY = 500
"""A run of so many items may have filled tables that the planner believes empty: it would compare all with all."""


class Finish:
    """Handler of `finish` steps."""

    def __init__(self, opener: SourceOpener, settings: Settings) -> None:
        self.opener = opener
        self.settings = settings

    def gather(self, tx: Connection, step: Step) -> Any:
        """Read the run, whose tables the planner may know nothing of yet."""
        run = tx.execute(_RUN, {"run_id": step.run_id, "joined": list(EXTENDABLE_KINDS)}).one()
        if run.items >= MANY and _settles(step, run):
            tx.execute(sa.text("select refresh_statistics()"))
        return run

    def compute(self, gathered: Any) -> Any:
        """Delete what the source's connector staged."""
        if gathered.kind in LISTING_KINDS:
            self.opener.delete_staged(gathered.source_id)
        return gathered

    def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
        """Settle what there is; then either go on with links and what has no vector, or end the run."""
        values = {"run_id": step.run_id}
        if computed.kind == "dry_run":
            tx.execute(_WOULD_BE, values)
            end_run(tx, step.run_id, "succeeded")
            return StepResult()
        lock_extendable_run(tx, step.run_id)
        then = self._settle(tx, step, computed) if _settles(step, computed) else []
        active = tx.execute(_ACTIVE, values).one_or_none()
        if active is None:
            raise SystemicError("No embedding model is registered. Run `python -m functions.job migrate`.")
        missing = _MISSING_OF_CHANGED if active.was_settled else _MISSING
        slices = [] if active.is_settled else tx.execute(missing, {**values, "slice": self.settings.embed_batch}).all()
        if step.key == "0":
            tx.execute(_REUSED, {**values, "rest": sum(piece.n for piece in slices)})
        given_up = {row.kind: row.error for row in tx.execute(_GIVEN_UP, values)}
        if "embed" not in given_up:
            provider = active.name if is_hosted(active.name) else None
            then += [_embed(step, n, piece, provider) for n, piece in enumerate(slices)]
        if not (then or (computed.kind in EXTENDABLE_KINDS and tx.execute(_HAS_MORE, values).scalar_one())):
            self._end(tx, step, is_embedded=not slices, given_up=given_up)
        return StepResult(next_steps=then)

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Without its end a run has failed."""
        if source_id := end_run(tx, step.run_id, "failed", problem(PermanentError(reason))):
            self.opener.delete_staged_after_commit(tx, source_id)

    def _settle(self, tx: Connection, step: Step, run: Any) -> list[NewStep]:
        """Settle what the run decided about documents; returns the step that looks at links, if any may differ now."""
        values = {"run_id": step.run_id}
        if run.kind in EXTENDABLE_KINDS:
            tx.execute(_SETTLE, {**values, "rows": json_rows(run.waiting or [])})
        else:
            tx.execute(_ABANDONED, values)
            tx.execute(_REMOVE, values)
        return [NewStep("collection", "link", step.key)] if link.is_needed(tx, step.run_id) else []

    def _end(self, tx: Connection, step: Step, *, is_embedded: bool, given_up: Mapping[str, str]) -> None:
        values = {"run_id": step.run_id}
        if is_embedded:  # what another source's run embedded in the meantime was there for this one to use
            tx.execute(_REUSED, {**values, "rest": read_counts(tx, step.run_id).embedded})
        tx.execute(_SETTLED, {**values, "embedded": is_embedded})
        is_partial = bool(given_up) or tx.execute(_IS_PARTIAL, values).scalar_one()
        reasons = [f"Not everything could be {_DONE[kind]}: {reason}" for kind, reason in given_up.items()]
        error = problem(PermanentError(" ".join(reasons))) if reasons else None
        end_run(tx, step.run_id, "partial" if is_partial else "succeeded", error)


def _settles(step: Step, run: Any) -> bool:
    """Tell whether there is something to settle: once in a run, but for what has come in since of one to be joined."""
    return step.key == "0" or bool(run.waiting)


def _embed(step: Step, n: int, piece: Any, provider: str | None) -> NewStep:
    """Make the step that embeds one slice."""
    return NewStep("embedding", "embed", f"{step.key}.{n}", {"chunks": piece.chunks}, provider)


# `waiting` is what is to be settled of a run that others may join, as far as it has come in by now.
_RUN = sa.text("""
    select r.kind, r.source_id, (select count(*) from run_items where run_id = r.id) as items,
      case when r.kind = any(cast(:joined as text[])) then (
        select json_agg(json_build_object('k', key, 'f', fingerprint)) from run_items
        where run_id = r.id and state = 'pending') end as waiting
    from runs r where r.id = :run_id
""")

# What no step will fetch any more, since everything like one that failed was given up.
_ABANDONED = sa.text("""
    update run_items set state = 'failed', reason = coalesce((
      select error from steps where run_id = :run_id and kind = 'fetch' and state = 'failed' order by id limit 1
    ), 'It was not fetched.') where run_id = :run_id and state = 'pending' and action in ('added', 'changed')
""")

# Chunks and relations stay with the tombstone, so that bringing it back takes no more than saying so.
_REMOVE = sa.text("""
    with gone as (
      update run_items set state = 'done'
      where run_id = :run_id and action = 'removed' and state = 'pending' returning key
    )
    update documents d set deleted_at = now() from gone, runs r
    where r.id = :run_id and d.source_id = r.source_id and d.key = gone.key and d.held is null
""")

# An item that has been replaced since it was read has another fingerprint, and waits for the next `finish`.
_SETTLE = sa.text("""
    update run_items i set state = 'done' from json_to_recordset(cast(:rows as json)) as r (k text, f text)
    where i.run_id = :run_id and i.state = 'pending' and i.key = r.k and i.fingerprint is not distinct from r.f
""")

_HAS_MORE = sa.text("select exists (select 1 from run_items where run_id = :run_id and state = 'pending')")

# What would be withheld stays pending: it would wait.
_WOULD_BE = sa.text("""
    update run_items i set state = 'done' from runs r
    where r.id = :run_id and i.run_id = r.id and i.state = 'pending'
      and (i.action <> 'removed' or r.pending_removals = 0)
""")

# A source that was complete for the active model, and that no run has changed since, isn't looked through again; and if
# it was when this run began, only what the run changed is.
_ACTIVE = sa.text("""
    select m.name, s.embedded_model_id is not distinct from m.id as is_settled,
      r.embedded_model_id is not distinct from m.id as was_settled
    from runs r join sources s on s.id = r.source_id, embedding_models m where r.id = :run_id and m.state = 'active'
""")

# Of several chunks with the same text only the first is in a slice, so no two steps of a run embed the same text. The
# lateral look-up keeps the planner, which knows nothing yet of tables that a first run has just filled, from comparing
# every chunk with every vector.
_MISSING_OF = """
    with here as (
      select r.id, r.source_id, r.workspace_id, m.id as model_id
      from runs r, embedding_models m where r.id = :run_id and m.state = 'active'
    ), missing as (
      select min(c.id) as id from here
      {documents} and d.deleted_at is null
      join chunks c on c.document_id = d.id
      left join lateral (select true as found from vectors v where v.model_id = here.model_id
        and v.workspace_id = here.workspace_id and v.input_hash = c.input_hash limit 1) vector on true
      where vector.found is null
      group by c.input_hash
    ), numbered as (
      select id, (row_number() over (order by id) - 1) / cast(:slice as integer) as slice from missing
    )
    select json_agg(id order by id) as chunks, count(*) as n from numbered group by slice order by slice
"""

_MISSING = sa.text(_MISSING_OF.format(documents="join documents d on d.source_id = here.source_id"))

_MISSING_OF_CHANGED = sa.text(
    _MISSING_OF.format(
        documents="""join run_items i on i.run_id = here.id
      join documents d on d.source_id = here.source_id and d.key = i.key"""
    )
)

_REUSED = sa.text("""
    update runs set reused = greatest(reused, (
      select coalesce(sum((result ->> 'chunks')::bigint), 0) from steps
      where run_id = :run_id and kind in ('fetch', 'store')
    ) - cast(:rest as integer)) where id = :run_id
""")

_GIVEN_UP = sa.text("""
    select distinct on (kind) kind, error from steps
    where run_id = :run_id and kind in ('embed', 'link') and state = 'failed' order by kind, id
""")

_SETTLED = sa.text("""
    update sources s set snapshot = coalesce(r.snapshot, s.snapshot),
      embedded_model_id = case when cast(:embedded as boolean) then
        (select id from embedding_models where state = 'active') end,
      pending_removals = case when r.kind = 'removal' then '[]' else s.pending_removals end,
      pending_run_id = case when r.kind = 'removal' then null else s.pending_run_id end
    from runs r where r.id = :run_id and s.id = r.source_id
""")

_IS_PARTIAL = sa.text("""
    select pending_removals > 0 or exists (select 1 from run_items i where i.run_id = runs.id and i.state = 'failed')
    from runs where id = :run_id
""")

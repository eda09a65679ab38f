"""The `finish` step: settle what a run changed, add steps for what remains, or end the run.

It is added whenever a run has no open step, and it is the last step of every run. Chunks without a vector are found by
a query, never remembered: while there are some, the run continues with `embed` steps, and the next `finish` looks
again. Steps `link`, `correct_languages` and `index_words` run at the same time. Runs of `EXTENDABLE_KINDS` continue
while items were added in the meantime. A dry run only ends. Once a run has ended, its documents are embedded by models
that are being built.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.store import SET_ERROR
from functions.collection.models.builds import end_build, finish_build, open_builds
from functions.collection.pipeline import correct_languages, index_words, link
from functions.collection.pipeline.withhold import max_delete_ratio, withhold_late_removals
from functions.collection.runs.end import end_run
from functions.collection.runs.locks import lock_source_of_run
from functions.collection.runs.read import EXTENDABLE_KINDS, LISTING_KINDS, read_counts
from functions.collection.sources.connect import SourceOpener
from headwater.config import Settings
from headwater.database.transactions import json_rows
from headwater.embedding.hosted.providers import pause_name
from headwater.errors import PermanentError, SystemicError, problem
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult
from headwater.schedules.standing import start_for_changes

REFRESH_STATISTICS_ITEMS = 500
"""From this many items on, a run may have filled tables that the planner still takes for empty."""

_GIVEN_UP = {"embed": "Some texts could not be embedded", "link": "Some links could not be resolved"}


class Finish:
    """Handler of `finish` steps."""

    def __init__(self, opener: SourceOpener, settings: Settings) -> None:
        self.opener = opener
        self.settings = settings

    def gather(self, tx: Connection, step: Step) -> Any:
        """Read the run; refresh the planner's statistics if the run is large."""
        run = tx.execute(_SELECT_RUN, {"run_id": step.run_id, "extendable": list(EXTENDABLE_KINDS)}).one()
        if run.items >= REFRESH_STATISTICS_ITEMS and _has_items_to_settle(step, run):
            tx.execute(sa.text("select refresh_statistics()"))
        return run

    def compute(self, gathered: Any) -> Any:
        """Delete what the source's connector staged."""
        if gathered.kind in LISTING_KINDS:
            self.opener.delete_staged(gathered.source_id)
        return gathered

    def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
        """Settle the run's items; then add steps for links and missing vectors, or end the run."""
        values = {"run_id": step.run_id}
        if computed.kind == "build":
            return finish_build(tx, step, self.settings)
        if computed.kind == "dry_run":
            tx.execute(_COMPLETE_DRY_RUN, values)
            end_run(tx, step.run_id, "succeeded")
            return StepResult()
        lock_source_of_run(tx, step.run_id)
        next_steps = self._settle(tx, step, computed) if _has_items_to_settle(step, computed) else []
        model = tx.execute(_SELECT_MODEL, values).one_or_none()
        if model is None:
            raise SystemicError("No embedding model is registered. Run `python -m functions.job migrate`.")
        slices = []
        if not model.is_complete:
            missing = _MISSING_OF_CHANGED if model.was_complete else _MISSING
            slices = [*tx.execute(missing, {**values, "slice": self.settings.embed_batch})]
        if step.key == "0":
            tx.execute(_COUNT_REUSED, {**values, "not_reused": sum(piece.n for piece in slices)})
        errors = {row.kind: row for row in tx.execute(_SELECT_FAILED_STEPS, values)}
        if "embed" not in errors:
            provider = pause_name(model.name, self.settings)
            next_steps += [_embed(step, n, piece, provider) for n, piece in enumerate(slices)]
        if not (next_steps or (computed.kind in EXTENDABLE_KINDS and tx.execute(_HAS_PENDING, values).scalar_one())):
            self._end(tx, step, is_embedded=not slices, errors=errors)
            return StepResult(wakes=["chat"] if start_for_changes(tx, step.run_id) else [])
        return StepResult(next_steps=next_steps)

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the run as failed."""
        end_build(tx, step.run_id, "failed", reason)
        if source_id := end_run(tx, step.run_id, "failed", problem(PermanentError(reason))):
            self.opener.delete_staged_after_commit(tx, source_id)

    def _settle(self, tx: Connection, step: Step, run: Any) -> list[NewStep]:
        """Complete items and remove documents; returns steps for links, languages and words, if needed."""
        values = {"run_id": step.run_id}
        if run.kind in EXTENDABLE_KINDS:
            tx.execute(_COMPLETE_ITEMS, {**values, "rows": json_rows(run.pending_items or [])})
        else:
            tx.execute(_FAIL_UNFETCHED, values)
            if run.kind != "removal":
                withhold_late_removals(tx, step.run_id, max_delete_ratio(tx, step.run_id, self.settings))
            tx.execute(_REMOVE_DOCUMENTS, values)
        links = [NewStep("collection", "link", step.key)] if link.is_needed(tx, step.run_id) else []
        words = [NewStep("collection", "index_words", step.key)] if index_words.is_needed(tx, step.workspace_id) else []
        if correct_languages.is_needed(tx, run.source_id):
            words.append(NewStep("collection", "correct_languages", step.key))
        return links + words

    def _end(self, tx: Connection, step: Step, *, is_embedded: bool, errors: Mapping[str, Any]) -> None:
        values = {"run_id": step.run_id}
        if is_embedded:  # texts that another source's run has embedded meanwhile count as reused
            tx.execute(_COUNT_REUSED, {**values, "not_reused": read_counts(tx, step.run_id).embedded})
        tx.execute(_UPDATE_SOURCE, {**values, "embedded": is_embedded})
        tx.execute(_STORE_ERRORS, values)
        is_partial = bool(errors) or tx.execute(_IS_PARTIAL, values).scalar_one()
        if "embed" in errors:
            tx.execute(_WARN_OF_TEXTS, values)
        reasons = [
            f"{_GIVEN_UP[kind]}: {failed.error}" + (f" {failed.more:,} more failed." if failed.more else "")
            for kind, failed in errors.items()
        ]
        error = problem(PermanentError(" ".join(reasons))) if reasons else None
        end_run(tx, step.run_id, "partial" if is_partial else "succeeded", error)
        open_builds(tx, step.workspace_id)


def _has_items_to_settle(step: Step, run: Any) -> bool:
    """Return True in a run's first `finish`, and whenever an extendable run has new items."""
    return step.key == "0" or bool(run.pending_items)


def _embed(step: Step, n: int, piece: Any, provider: str | None) -> NewStep:
    """Make the step that embeds one slice."""
    return NewStep("embedding", "embed", f"{step.key}.{n}", {"chunks": piece.chunks}, provider)


# `pending_items` are those of an extendable run at this moment.
_SELECT_RUN = sa.text("""
    select r.kind, r.source_id, (select count(*) from run_items where run_id = r.id) as items,
      case when r.kind = any(cast(:extendable as text[])) then (
        select json_agg(json_build_object('k', key, 'f', fingerprint)) from run_items
        where run_id = r.id and state = 'pending') end as pending_items
    from runs r where r.id = :run_id
""")

# Their `fetch` steps were cancelled, because one failed for a reason that holds for all.
_FAIL_UNFETCHED = sa.text("""
    update run_items set state = 'failed', reason = coalesce((
      select error from steps where run_id = :run_id and kind = 'fetch' and state = 'failed' order by id limit 1
    ), 'It was not fetched.') where run_id = :run_id and state = 'pending' and action <> 'removed'
""")

# Chunks and links stay with the tombstone, so a restored document is complete.
_REMOVE_DOCUMENTS = sa.text("""
    with removed as (
      update run_items set state = 'done'
      where run_id = :run_id and action = 'removed' and state = 'pending' returning key
    )
    update documents d set deleted_at = now() from removed, runs r
    where r.id = :run_id and d.source_id = r.source_id and d.key = removed.key and d.held is null
""")

# An item that was replaced since `gather` has another fingerprint; the next `finish` completes it.
_COMPLETE_ITEMS = sa.text("""
    update run_items i set state = 'done' from json_to_recordset(cast(:rows as json)) as r (k text, f text)
    where i.run_id = :run_id and i.state = 'pending' and i.key = r.k and i.fingerprint is not distinct from r.f
""")

_HAS_PENDING = sa.text("select exists (select 1 from run_items where run_id = :run_id and state = 'pending')")

# Removals that would be withheld stay pending.
_COMPLETE_DRY_RUN = sa.text("""
    update run_items i set state = 'done' from runs r
    where r.id = :run_id and i.run_id = r.id and i.state = 'pending'
      and (i.action <> 'removed' or r.pending_removals = 0)
""")

# `is_complete`: no chunk of the source lacks a vector of the active model. `was_complete`: none did when the run began,
# so only changed documents have to be searched.
_SELECT_MODEL = sa.text("""
    select m.name, s.embedded_model_id is not distinct from m.id as is_complete,
      r.embedded_model_id is not distinct from m.id as was_complete
    from runs r join sources s on s.id = r.source_id, embedding_models m where r.id = :run_id and m.state = 'active'
""")

# Live chunks without a vector, in slices. Of chunks with the same text only the first is included, so that two steps
# don't embed it twice. The lateral join forces one index look-up for each chunk: without statistics of tables that were
# just filled, the planner would compare every chunk with every vector.
_MISSING_OF = """
    with run as (
      select r.id, r.source_id, r.workspace_id, m.id as model_id
      from runs r, embedding_models m where r.id = :run_id and m.state = 'active'
    ), missing as (
      select min(c.id) as id from run
      {documents} and d.deleted_at is null
      join chunks c on c.document_id = d.id
      left join lateral (select true as found from vectors v where v.model_id = run.model_id
        and v.workspace_id = run.workspace_id and v.input_hash = c.input_hash limit 1) vector on true
      where vector.found is null
      group by c.input_hash
    ), numbered as (
      select id, (row_number() over (order by id) - 1) / cast(:slice as integer) as slice from missing
    )
    select json_agg(id order by id) as chunks, count(*) as n from numbered group by slice order by slice
"""

_MISSING = sa.text(_MISSING_OF.format(documents="join documents d on d.source_id = run.source_id"))

_MISSING_OF_CHANGED = sa.text(
    _MISSING_OF.format(
        documents="""join run_items i on i.run_id = run.id
      join documents d on d.source_id = run.source_id and d.key = i.key"""
    )
)

_COUNT_REUSED = sa.text("""
    update runs set reused = greatest(reused, (
      select coalesce(sum((result ->> 'chunks')::bigint), 0) from steps
      where run_id = :run_id and kind in ('fetch', 'store')
    ) - cast(:not_reused as integer)) where id = :run_id
""")

_SELECT_FAILED_STEPS = sa.text("""
    select distinct on (kind) kind, error, count(*) over (partition by kind) - 1 as more from steps
    where run_id = :run_id and kind in ('embed', 'link') and state = 'failed' order by kind, id
""")

# The error of a step whose only text was refused names the document: the run shows it there too.
_WARN_OF_TEXTS = sa.text("""
    with refused as (
      select d.key, string_agg(s.error, ' ' order by s.id) as reason
      from steps s join chunks c on c.id = cast(s.payload -> 'chunks' ->> 0 as bigint)
      join documents d on d.id = c.document_id
      where s.run_id = :run_id and s.kind = 'embed' and s.state = 'failed' and starts_with(s.error, d.key || ', ')
      group by d.key
    )
    update run_items i set warning = concat_ws('; ', i.warning, left(refused.reason, 2000)) from refused
    where i.run_id = :run_id and i.key = refused.key
""")

# The cursor moves on once every entry of the listing is stored, if only with the error that its file has. Otherwise the
# next listing starts from the same place. A backfill of a period leaves the cursor where it is.
_UPDATE_SOURCE = sa.text("""
    update sources s set snapshot = coalesce(r.snapshot, s.snapshot),
      cursor = case
        when r.kind = 'retry' and r.cursor is null or r.kind not in ('collect', 'retry') then s.cursor
        when exists (
          select 1 from steps l where l.run_id = r.id and l.kind = 'list' and l.payload -> 'period' is not null
        ) then s.cursor
        when exists (
          select 1 from run_items i where i.run_id = r.id and i.state = 'failed'
            and i.action in ('added', 'changed', 'moved') and not exists (select 1 from documents d
              where d.source_id = s.id and d.key = i.key and d.fingerprint = i.fingerprint)) then s.cursor
        else r.cursor end,
      embedded_model_id = case when cast(:embedded as boolean) then
        (select id from embedding_models where state = 'active') end,
      pending_removals = case when r.kind = 'removal' then '[]' else s.pending_removals end,
      pending_run_id = case when r.kind = 'removal' then null else s.pending_run_id end
    from runs r where r.id = :run_id and s.id = r.source_id
""")

# The errors of documents that no `fetch` step has stored: their batch was given up, or the source didn't return them.
# The next run fetches them again, those with an empty fingerprint as added documents. One that may have moved has still
# its old key.
_STORE_ERRORS = sa.text(f"""
    insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text, fetched_at, error,
      failed_at, retry_at)
    select r.workspace_id, r.source_id, k.key, '', regexp_replace(k.key, '^.*/', ''), 'text/plain', '', null, i.reason,
      now(), now()
    from run_items i join runs r on r.id = i.run_id
    left join documents d on d.source_id = r.source_id and d.key = i.key and d.deleted_at is null
    cross join lateral (select case when d.id is null then coalesce(i.from_key, i.key) else i.key end as key) k
    where i.run_id = :run_id and i.state = 'failed' and i.reason is not null
    on conflict (source_id, key) do update set deleted_at = null, {SET_ERROR}
    where documents.held is distinct from 'added' and documents.error is distinct from excluded.error
""")

_IS_PARTIAL = sa.text("""
    select pending_removals > 0 or exists (select 1 from run_items i where i.run_id = runs.id and i.state = 'failed')
    from runs where id = :run_id
""")

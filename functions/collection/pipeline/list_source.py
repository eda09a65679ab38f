"""The `list` step: compare a source's listing with what is stored; add run items and `fetch` steps for the difference.

Documents that a complete listing lacks have moved (`moves`) or are removed, unless there are suspiciously many: these
removals are withheld.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import is_remote, max_batch
from functions.collection.documents.fingerprints import current_suffixes, current_versions
from functions.collection.documents.parser_pool import parser_pool
from functions.collection.documents.store import read_active_model
from functions.collection.files.files import read_current
from functions.collection.pipeline.difference import insert_items
from functions.collection.pipeline.withhold import is_suspicious, max_delete_ratio, update_withheld
from functions.collection.runs.end import end_run
from functions.collection.runs.locks import lock_source_of_run
from functions.collection.runs.unmatched import left_out
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials, read_credentials
from headwater.config import Settings
from headwater.connectors import Listing, Period
from headwater.database.transactions import json_rows
from headwater.errors import PermanentError, problem
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult


@dataclass(frozen=True)
class ListInput:
    """What a `list` step reads: how to reach the source, its cursor, and the source's fingerprints that are stored.

    `model` is the active embedding model, None if nothing will be parsed.
    """

    credentials: Credentials
    model: str | None
    cursor: str | None
    stored_fingerprints: frozenset[str]


class ListSource:
    """Handler of `list` steps. `start_job` starts the Cloud Run job for a large run."""

    def __init__(
        self, opener: SourceOpener, settings: Settings, start_job: Callable[[uuid.UUID], None] | None = None
    ) -> None:
        self.opener = opener
        self.settings = settings
        self.start_job = start_job
        self.parsers = parser_pool(settings)

    def gather(self, tx: Connection, step: Step) -> ListInput:
        """Read the source, its cursor and its stored fingerprints. To fetch everything, none of these count."""
        credentials = read_credentials(tx, step.run_id, self.settings)
        if not is_remote(credentials.kind):
            credentials = replace(credentials, files=read_current(tx, credentials.source_id))
        resume = step.payload.get("resume")
        model = None if step.payload.get("dry_run") else read_active_model(tx)
        if period := step.payload.get("period"):
            credentials = replace(credentials, period=msgspec.convert(period, Period))
        if step.payload.get("everything"):
            return ListInput(credentials, model, resume, frozenset())
        values = {"source_id": credentials.source_id}
        fingerprints: str | None = tx.execute(
            _SELECT_FINGERPRINTS, {**values, "suffixes": json_rows(current_suffixes())}
        ).scalar_one()
        cursor = resume
        if cursor is None and credentials.period is None:
            cursor = tx.execute(_SELECT_CURSOR, {**values, "versions": current_versions()}).scalar_one()
        return ListInput(credentials, model, cursor, frozenset(fingerprints.split("\n") if fingerprints else ()))

    def compute(self, gathered: ListInput) -> Listing:
        """List the source. The listing of a period removes nothing and has no cursor."""
        if gathered.model and not gathered.stored_fingerprints:
            self.parsers.warm(gathered.model)  # all that is listed will be parsed
        listing = self.opener.open(gathered.credentials).list(gathered.cursor, gathered.stored_fingerprints)
        if gathered.credentials.period is None:
            return listing
        return msgspec.structs.replace(listing, complete=False, removed=[], cursor=None)

    def apply(self, tx: Connection, step: Step, computed: Listing) -> StepResult:
        """Store the difference as items, in batches with a `fetch` step each; a dry run stops at the items.

        A listing that isn't complete yet goes on in another step.
        """
        if computed.resume is not None:
            payload = {**step.payload, "resume": computed.resume}
            return StepResult({}, [NewStep("collection", "list", str(int(step.key or 0) + 1), payload, step.provider)])
        values, is_dry_run = {"run_id": step.run_id}, bool(step.payload.get("dry_run"))
        batch = read_batch_size(tx, step.run_id, self.settings)
        options = {"dry_run": is_dry_run, "everything": bool(step.payload.get("everything"))}
        difference = insert_items(tx, step.run_id, step.workspace_id, computed, batch=batch, **options)
        lock_source_of_run(tx, step.run_id)  # not before: a long listing would hold up uploads
        ratio = max_delete_ratio(tx, step.run_id, self.settings)
        is_withheld = is_suspicious(difference.removed, difference.stored, ratio)
        _save_listing(tx, step.run_id, computed, difference.removed if is_withheld else 0)
        total = len(computed.entries)
        counts = {"listed": total, "unchanged": total - difference.to_fetch - difference.still_failing}
        if is_dry_run:
            return StepResult(counts)
        update_withheld(tx, step.run_id, complete=computed.complete, withhold=is_withheld)
        if difference.relisted_keys:
            tx.execute(_RELEASE_RESTORED, {**values, "keys": json_rows(difference.relisted_keys)})
        if difference.to_fetch:
            tx.execute(_FORGET_EMBEDDED_MODEL, values)
        fetches = fetch_steps(difference.batches, step.provider)
        if self.start_job is None or not is_large(self.settings, difference.to_fetch):
            return StepResult(counts, fetches)
        tx.execute(_GIVE_TO_JOB, values)
        return StepResult(counts, fetches, after_commit=partial(self.start_job, step.run_id))

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the run as failed: it has no listing."""
        if source_id := end_run(tx, step.run_id, "failed", problem(PermanentError(reason))):
            self.opener.delete_staged_after_commit(tx, source_id)


def is_large(settings: Settings, documents: int) -> bool:
    """Return True if a run that fetches this many documents goes to the Cloud Run job, if there is one."""
    return bool(settings.job_name) and documents > settings.bulk_threshold


def read_batch_size(tx: Connection, run_id: uuid.UUID, settings: Settings) -> int:
    """Return how many documents a `fetch` step of a run has, at most."""
    return min(settings.fetch_batch, max_batch(tx.execute(_SELECT_KIND, {"run_id": run_id}).scalar_one()))


def fetch_steps(batches: int, provider: str | None) -> list[NewStep]:
    """Make the steps that fetch a run's items, one for each batch."""
    return [NewStep("collection", "fetch", str(n), {"batch": n}, provider) for n in range(batches)]


def _save_listing(tx: Connection, run_id: uuid.UUID, listing: Listing, withheld: int) -> None:
    values = {"run_id": run_id, "snapshot": listing.snapshot, "total": len(listing.entries), "withheld": withheld}
    unmatched = left_out(len(listing.entries), listing.unmatched) if listing.complete else None
    values["unmatched"] = msgspec.json.encode(unmatched).decode() if unmatched else None
    tx.execute(_SAVE_LISTING, {**values, "cursor": listing.cursor, "versions": current_versions()})


# One value: sending 100,000 rows to the client would take longer than listing the source.
_SELECT_FINGERPRINTS = sa.text("""
    select string_agg(left(d.fingerprint, -length(suffix)), E'\\n') from documents d
    join json_array_elements_text(cast(:suffixes as json)) as suffix on right(d.fingerprint, length(suffix)) = suffix
    where d.source_id = :source_id and d.deleted_at is null and d.retry_at is null
""")

_SELECT_KIND = sa.text("select s.kind from runs r join sources s on s.id = r.source_id where r.id = :run_id")

# Documents before the cursor were read by other versions: they have to be listed again to be read again.
_SELECT_CURSOR = sa.text("""
    select case when cursor ->> 'versions' = :versions then cursor ->> 'value' end from sources where id = :source_id
""")

# Restored documents that the source lists again may be removed by a later listing.
_RELEASE_RESTORED = sa.text("""
    update documents d set held = null from runs r
    where r.id = :run_id and d.source_id = r.source_id and d.held = 'restored'
      and d.key in (select json_array_elements_text(cast(:keys as json)))
""")

# Some chunks will lack a vector until a `finish` step finds none. The run has kept the model (see `_SAVE_LISTING`).
_FORGET_EMBEDDED_MODEL = sa.text("""
    update sources set embedded_model_id = null from runs where runs.id = :run_id and sources.id = runs.source_id
""")

_GIVE_TO_JOB = sa.text("update runs set engine = 'job' where id = :run_id")

_SAVE_LISTING = sa.text("""
    update runs set snapshot = :snapshot, total = :total, pending_removals = :withheld,
      unmatched = cast(:unmatched as jsonb),
      cursor = case when cast(:cursor as text) is not null then
        jsonb_build_object('value', cast(:cursor as text), 'versions', cast(:versions as text)) end,
      embedded_model_id = (select s.embedded_model_id from sources s where s.id = runs.source_id)
    where id = :run_id
""")

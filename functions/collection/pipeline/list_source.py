"""The `list` step: compare a source's listing with what is stored; add run items and `fetch` steps for the difference.

Documents that a complete listing lacks are removed, unless there are suspiciously many: these removals are withheld.
"""

import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.fingerprints import current_suffixes, current_versions, stored_fingerprint
from functions.collection.runs.end import end_run
from functions.collection.runs.unmatched import left_out
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials, read_credentials
from headwater.config import Settings
from headwater.connectors import Listing
from headwater.database.copy import copy_rows
from headwater.database.transactions import json_rows
from headwater.errors import PermanentError, problem
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult

MIN_WITHHELD = 20
"""Fewer removals than this are never withheld."""

_UPLOADED_WARNING = "a document with this key was uploaded manually; delete it to collect this one"


@dataclass(frozen=True)
class ListInput:
    """What a `list` step reads: how to reach the source, its cursor, and the source's fingerprints that are stored."""

    credentials: Credentials
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

    def gather(self, tx: Connection, step: Step) -> ListInput:
        """Read the source, its cursor and its stored fingerprints."""
        credentials = read_credentials(tx, step.run_id, self.settings)
        values = {"source_id": credentials.source_id}
        fingerprints: str | None = tx.execute(
            _SELECT_FINGERPRINTS, {**values, "suffixes": json_rows(current_suffixes())}
        ).scalar_one()
        cursor = tx.execute(_SELECT_CURSOR, {**values, "versions": current_versions()}).scalar_one()
        return ListInput(credentials, cursor, frozenset(fingerprints.split("\n") if fingerprints else ()))

    def compute(self, gathered: ListInput) -> Listing:
        """List the source."""
        return self.opener.open(gathered.credentials).list(gathered.cursor, gathered.stored_fingerprints)

    def apply(self, tx: Connection, step: Step, computed: Listing) -> StepResult:
        """Store the difference as items, in batches with a `fetch` step each; a dry run stops at the items."""
        values = {"run_id": step.run_id, "workspace_id": step.workspace_id, "complete": computed.complete}
        copy_rows(tx, "listed", "key text, fingerprint text, warning text", listing_rows(computed))
        is_dry_run = bool(step.payload.get("dry_run"))
        difference = self._insert_items(tx, values | {"dry_run": is_dry_run}, computed)
        is_withheld = is_suspicious(difference.removed, difference.stored, self.settings.max_delete_ratio)
        _save_listing(tx, step.run_id, computed, difference.removed if is_withheld else 0)
        total = len(computed.entries)
        counts = {"listed": total, "unchanged": total - difference.to_fetch - difference.still_failing}
        if is_dry_run:
            return StepResult(counts)
        tx.execute(_WITHHOLD_REMOVALS if is_withheld else _KEEP_WAITING_REMOVALS, values)
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

    def _insert_items(self, tx: Connection, values: dict[str, Any], listing: Listing) -> Any:
        """Insert items for differences, documents that still fail, and skipped keys. Returns the counts."""
        difference = tx.execute(
            _INSERT_DIFFERENCE,
            {
                **values,
                "batch": self.settings.fetch_batch,
                "removed": json_rows([] if listing.complete else listing.removed),
                "uploaded": _UPLOADED_WARNING,
            },
        ).one()
        skipped = [{"k": key, "w": reason} for key, reason in listing.skipped]
        tx.execute(_INSERT_SKIPPED, {**values, "rows": json_rows(skipped)})
        return difference


def is_large(settings: Settings, documents: int) -> bool:
    """Return True if a run that fetches this many documents goes to the Cloud Run job, if there is one."""
    return bool(settings.job_name) and documents > settings.bulk_threshold


def fetch_steps(batches: int, provider: str | None) -> list[NewStep]:
    """Make the steps that fetch a run's items, one for each batch."""
    return [NewStep("collection", "fetch", str(n), {"batch": n}, provider) for n in range(batches)]


def listing_rows(listing: Listing) -> Iterator[tuple[str, str, str | None]]:
    """Turn a listing into rows: key, stored fingerprint, warning or None."""
    clashes = find_clashes([entry.key for entry in listing.entries])
    for entry in listing.entries:
        yield entry.key, stored_fingerprint(entry), clashes.get(entry.key)


def find_clashes(keys: Sequence[str]) -> dict[str, str]:
    """Find keys that differ only by case or Unicode normalisation; returns a warning for each, which names another."""
    first: dict[str, str] = {}
    clashes: dict[str, str] = {}
    for key in keys:
        folded = unicodedata.normalize("NFC", key).casefold() if not key.islower() or not key.isascii() else key
        other = first.setdefault(folded, key)
        if other != key:
            clashes[key] = f"differs from {other} only by case or normalisation; links to either may reach the other"
            clashes.setdefault(other, f"differs from {key} only by case or normalisation")
    return clashes


def is_suspicious(removed: int, stored: int, max_ratio: float) -> bool:
    """Return True if a listing would remove so many documents that a user should confirm it.

    At a ratio of .5, 19 of 19 stored documents are removed, 20 of 39 are withheld, 20 of 40 are removed.
    """
    return removed >= MIN_WITHHELD and removed > stored * max_ratio


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

# Documents before the cursor were read by other versions: they have to be listed again to be read again.
_SELECT_CURSOR = sa.text("""
    select case when cursor ->> 'versions' = :versions then cursor ->> 'value' end from sources where id = :source_id
""")

# `stored` are the source's live documents. A key that only `stored` has is removed if the listing is complete or names
# it as removed; `held` documents never are. A document that failed is fetched again if that may help, by scheduled
# runs from `retry_at` on; otherwise its item repeats the error. A dry run has items for changes only. An empty
# fingerprint is that of a document that no run has fetched yet.
_INSERT_DIFFERENCE = sa.text("""
    with stored as (
      select d.key, d.fingerprint, d.held, d.error,
        d.retry_at is not null and (d.retry_at <= now() or runs.trigger <> 'schedule') as is_due,
        d.held is null and (:complete or d.key in (select json_array_elements_text(cast(:removed as json))))
          as is_removable
      from documents d join runs on runs.source_id = d.source_id
      where runs.id = :run_id and d.deleted_at is null
    ), difference as (
      select coalesce(l.key, s.key) as key, coalesce(l.fingerprint, s.fingerprint) as fingerprint, s.error,
        case s.held when 'added' then concat_ws('; ', l.warning, cast(:uploaded as text)) else l.warning end as warning,
        case when s.held = 'added' then 'skipped' when s.key is null or s.fingerprint = '' and l.key is not null
            then 'added'
          when l.key is null and s.is_removable then 'removed'
          when l.fingerprint <> s.fingerprint then 'changed' else 'unchanged' end as action,
        l.key is not null as is_listed,
        l.key is not null and s.held is distinct from 'added'
          and (l.fingerprint is distinct from s.fingerprint or s.is_due) as is_fetched
      from listed l full join stored s on s.key = l.key
      where l.fingerprint is distinct from s.fingerprint and (l.key is not null or s.is_removable)
        or s.error is not null and not cast(:dry_run as boolean)
    ), numbered as (
      select *, case when is_fetched then
        (row_number() over (partition by is_fetched order by key) - 1) / cast(:batch as integer) end as batch
      from difference
    ), inserted as (
      insert into run_items (run_id, workspace_id, key, action, state, fingerprint, reason, warning, batch)
      select cast(:run_id as uuid), cast(:workspace_id as uuid), key, action,
        case when action = 'skipped' then 'done' when is_fetched or action = 'removed' then 'pending' else 'failed' end,
        fingerprint, case when action = 'unchanged' and not is_fetched then error end, warning, batch
      from numbered
    )
    select count(*) filter (where is_fetched) as to_fetch,
      count(*) filter (where action = 'unchanged' and is_listed and not is_fetched) as still_failing,
      count(*) filter (where action = 'removed') as removed,
      (select count(*) from stored where held is null) as stored,
      (select json_agg(key) from stored join listed using (key) where held = 'restored') as relisted_keys,
      coalesce(max(batch) + 1, 0) as batches
    from numbered
""")

# `waiting` are earlier removals that an incomplete listing says nothing about; a complete one settles all of them.
_WAITING = """waiting as (
      select w.key from runs join sources s on s.id = runs.source_id
      cross join jsonb_array_elements_text(s.pending_removals) as w (key)
      where runs.id = :run_id and not :complete and not exists (select 1 from listed l where l.key = w.key)
    )"""

_WITHHOLD_REMOVALS = sa.text(f"""
    with withheld as (delete from run_items where run_id = :run_id and action = 'removed' returning key), {_WAITING},
    keys as (select key from withheld union select key from waiting)
    update sources set pending_removals = (select jsonb_agg(key order by key) from keys), pending_run_id = runs.id
    from runs where runs.id = :run_id and sources.id = runs.source_id
""")

_KEEP_WAITING_REMOVALS = sa.text(f"""
    with {_WAITING}, keys as (
      select key from waiting where not exists (select 1 from run_items i
        where i.run_id = :run_id and i.key = waiting.key and i.action = 'removed'))
    update sources set pending_removals = coalesce((select jsonb_agg(key order by key) from keys), '[]'),
      pending_run_id = case when exists (select 1 from keys) then pending_run_id end
    from runs where runs.id = :run_id and sources.id = runs.source_id and pending_run_id is not null
""")

# Restored documents that the source lists again may be removed by a later listing.
_RELEASE_RESTORED = sa.text("""
    update documents d set held = null from runs r
    where r.id = :run_id and d.source_id = r.source_id and d.held = 'restored'
      and d.key in (select json_array_elements_text(cast(:keys as json)))
""")

_INSERT_SKIPPED = sa.text("""
    insert into run_items (run_id, workspace_id, key, action, state, warning)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), k, 'skipped', 'done', w
    from json_to_recordset(cast(:rows as json)) as r (k text, w text)
    on conflict (run_id, key) do update set warning = excluded.warning
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

"""The `list` step: a source's listing flows in, the difference to what is stored flows out as items and fetch steps.

Only a complete listing gets here, so only what it lacks is removed, and not even that when it would be suspiciously
much.
"""

import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.parsers.parse import PARSER_VERSION
from functions.collection.pipeline.chunk import CHUNKER_VERSION
from functions.collection.runs.end import end_run
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials, read_credentials
from headwater.config import Settings
from headwater.connectors import Listing
from headwater.database.copy import copy_rows
from headwater.database.transactions import json_rows
from headwater.errors import PermanentError, problem
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult

FINGERPRINT_SUFFIX = f".{PARSER_VERSION}.{CHUNKER_VERSION}"
"""Ends every stored fingerprint: a newer parser or chunker makes every document count as changed."""

MIN_WITHHELD = 20
"""Fewer removals than this are never withheld."""

_BY_HAND = "a document with this key was added by hand; delete that for this one to be collected"


@dataclass(frozen=True)
class Known:
    """What `list` starts from: how to reach the source, and the fingerprints that are stored already."""

    credentials: Credentials
    fingerprints: frozenset[str]


class ListSource:
    """Handler of `list` steps; `start_job` has the Cloud Run job work on a run that is large."""

    def __init__(
        self, opener: SourceOpener, settings: Settings, start_job: Callable[[uuid.UUID], None] | None = None
    ) -> None:
        self.opener = opener
        self.settings = settings
        self.start_job = start_job

    def gather(self, tx: Connection, step: Step) -> Known:
        """Read the source and what is stored of it."""
        credentials = read_credentials(tx, step.run_id, self.settings)
        values = {"source_id": credentials.source_id, "suffix": FINGERPRINT_SUFFIX}
        known: str | None = tx.execute(_FINGERPRINTS, values).scalar_one()
        return Known(credentials, frozenset(known.split("\n") if known else ()))

    def compute(self, gathered: Known) -> Listing:
        """Ask the source what it holds."""
        return self.opener.open(gathered.credentials).list(None, gathered.fingerprints)

    def apply(self, tx: Connection, step: Step, computed: Listing) -> StepResult:
        """Store the difference as items, in batches, with a fetch step for each; a dry run leaves it at the items."""
        values = {"run_id": step.run_id, "workspace_id": step.workspace_id, "batch": self.settings.fetch_batch}
        copy_rows(tx, "listed", "key text, fingerprint text, warning text", listing_rows(computed))
        difference = tx.execute(_DIFF, {**values, "by_hand": _BY_HAND}).one()
        is_withheld = is_suspicious(difference.removed, difference.stored, self.settings.max_delete_ratio)
        tx.execute(_SKIPPED, {**values, "rows": json_rows([{"k": key, "w": why} for key, why in computed.skipped])})
        total = len(computed.entries)
        tx.execute(
            _LISTED,
            {
                "run_id": step.run_id,
                "snapshot": computed.snapshot,
                "total": total,
                "withheld": difference.removed if is_withheld else 0,
            },
        )
        result = {"listed": total, "unchanged": total - difference.to_fetch}
        if step.payload.get("dry_run"):
            return StepResult(result)
        tx.execute(_WITHHOLD if is_withheld else _WITHHOLD_NOTHING, values)
        if difference.listed_again:
            tx.execute(_LISTED_AGAIN, {**values, "keys": json_rows(difference.listed_again)})
        if difference.to_fetch:
            tx.execute(_UNSETTLED, values)
        fetches = fetch_steps(difference.batches, step.provider)
        if self.start_job is None or not is_large(self.settings, difference.to_fetch):
            return StepResult(result, fetches)
        tx.execute(_TO_THE_JOB, values)
        return StepResult(result, fetches, after_commit=partial(self.start_job, step.run_id))

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """A run without a listing has failed."""
        if source_id := end_run(tx, step.run_id, "failed", problem(PermanentError(reason))):
            self.opener.delete_staged_after_commit(tx, source_id)


def is_large(settings: Settings, documents: int) -> bool:
    """Tell whether a run that fetches so many documents is the Cloud Run job's, if there is one."""
    return bool(settings.job_name) and documents > settings.bulk_threshold


def fetch_steps(batches: int, provider: str | None) -> list[NewStep]:
    """Make the steps that fetch a run's items, a batch each."""
    return [NewStep("collection", "fetch", str(n), {"batch": n}, provider) for n in range(batches)]


def bare_fingerprint(stored: str) -> str:
    """Return the source's own fingerprint; whichever versions end it, since a run may outlive a release.

    `bare_fingerprint("7f3a.1.2") == "7f3a"`
    """
    return stored.rsplit(".", FINGERPRINT_SUFFIX.count("."))[0]


def listing_rows(listing: Listing) -> Iterator[tuple[str, str, str | None]]:
    """Turn a listing into rows: key, stored fingerprint, warning or None."""
    clashes = find_clashes([entry.key for entry in listing.entries])
    for entry in listing.entries:
        yield entry.key, entry.fingerprint + FINGERPRINT_SUFFIX, clashes.get(entry.key)


def find_clashes(keys: Sequence[str]) -> dict[str, str]:
    """Find keys that differ by case or Unicode normalisation only, each with a warning that names another."""
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
    """Tell whether a listing would remove so much that a person should look first.

    At a ratio of .5: 19 of 19 stored documents may go, 20 of 39 may not, 20 of 40 may.
    """
    return removed >= MIN_WITHHELD and removed > stored * max_ratio


# As one value: a hundred thousand rows would take the client longer than the source's own listing.
_FINGERPRINTS = sa.text("""
    select string_agg(left(fingerprint, -length(cast(:suffix as text))), E'\\n') from documents
    where source_id = :source_id and deleted_at is null and fingerprint like '%' || cast(:suffix as text)
""")

_DIFF = sa.text("""
    with stored as (
      select d.key, d.fingerprint, d.held from documents d join runs on runs.source_id = d.source_id
      where runs.id = :run_id and d.deleted_at is null
    ), difference as (
      select coalesce(l.key, s.key) as key, l.fingerprint,
        case s.held when 'added' then concat_ws('; ', l.warning, cast(:by_hand as text)) else l.warning end as warning,
        case when s.held = 'added' then 'skipped' when s.key is null then 'added' when l.key is null then 'removed'
          else 'changed' end as action
      from listed l full join stored s on s.key = l.key
      where l.fingerprint is distinct from s.fingerprint and (l.key is not null or s.held is null)
    ), numbered as (
      select *, case when action in ('added', 'changed') then
        (row_number() over (partition by action in ('added', 'changed') order by key) - 1) / cast(:batch as integer)
        end as batch
      from difference
    ), inserted as (
      insert into run_items (run_id, workspace_id, key, action, state, fingerprint, warning, batch)
      select cast(:run_id as uuid), cast(:workspace_id as uuid), key, action,
        case action when 'skipped' then 'done' else 'pending' end, fingerprint, warning, batch from numbered
    )
    select count(*) filter (where action in ('added', 'changed')) as to_fetch,
      count(*) filter (where action = 'removed') as removed,
      (select count(*) from stored where held is null) as stored,
      (select json_agg(key) from stored join listed using (key) where held = 'restored') as listed_again,
      coalesce(max(batch) + 1, 0) as batches
    from numbered
""")

_WITHHOLD = sa.text("""
    with withheld as (delete from run_items where run_id = :run_id and action = 'removed' returning key)
    update sources set pending_removals = (select jsonb_agg(key order by key) from withheld), pending_run_id = runs.id
    from runs where runs.id = :run_id and sources.id = runs.source_id
""")

# What an earlier listing lacked, this one has, or it is few enough to go without a question.
_WITHHOLD_NOTHING = sa.text("""
    update sources set pending_removals = '[]', pending_run_id = null
    from runs where runs.id = :run_id and sources.id = runs.source_id and pending_run_id is not null
""")

# What was brought back is the source's again.
_LISTED_AGAIN = sa.text("""
    update documents d set held = null from runs r
    where r.id = :run_id and d.source_id = r.source_id and d.held = 'restored'
      and d.key in (select json_array_elements_text(cast(:keys as json)))
""")

_SKIPPED = sa.text("""
    insert into run_items (run_id, workspace_id, key, action, state, warning)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), k, 'skipped', 'done', w
    from json_to_recordset(cast(:rows as json)) as r (k text, w text)
    on conflict (run_id, key) do update set warning = excluded.warning
""")

# Until this run, or a later one, has found that nothing lacks a vector. The run remembers whether anything did before.
_UNSETTLED = sa.text("""
    update sources set embedded_model_id = null from runs where runs.id = :run_id and sources.id = runs.source_id
""")

_TO_THE_JOB = sa.text("update runs set engine = 'job' where id = :run_id")

_LISTED = sa.text("""
    update runs set snapshot = :snapshot, total = :total, pending_removals = :withheld,
      embedded_model_id = (select s.embedded_model_id from sources s where s.id = runs.source_id)
    where id = :run_id
""")

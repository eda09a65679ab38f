"""The `link` step: a run whose documents are settled flows in, its links flow out with the documents they lead to.

`finish` adds it beside the `embed` steps, which it has nothing to do with: both go on at once. A link that has no
target yet is looked at again whenever documents have come or gone; else only those of what changed are.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.pipeline.resolve import LinkResolver, possible_names
from functions.collection.runs.locks import lock_extendable_run
from headwater.database.transactions import json_rows
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult

FEW = 500
"""For fewer links than this only documents that they may lead to are read, by name."""


@dataclass(frozen=True)
class Unlinked:
    """What a `link` step starts from: documents of the source by key, and the links that may lead to one of them."""

    documents: dict[str, uuid.UUID]
    links: Sequence[Any]


def is_needed(tx: Connection, run_id: uuid.UUID) -> bool:
    """Tell whether a run has changed something that links may depend on, or has to do what the one before left."""
    return bool(tx.execute(_IS_NEEDED, {"run_id": run_id}).scalar_one())


class Link:
    """Handler of `link` steps."""

    def gather(self, tx: Connection, step: Step) -> Unlinked:
        """Read the links that the run may have changed."""
        values = {"run_id": step.run_id}
        has_new = tx.execute(_HAS_NEW, values).scalar_one()
        links = tx.execute(_UNLINKED if has_new else _UNLINKED_OF_CHANGED, values).all()
        named = possible_names((link.key, link.kind, link.target) for link in links) if len(links) < FEW else None
        names = None if named is None else json_rows(sorted(named))
        documents = tx.execute(_KEYS, {**values, "names": names}) if links else ()
        return Unlinked({row.key: row.id for row in documents}, links)

    def compute(self, gathered: Unlinked) -> list[dict[str, Any]]:
        """Resolve links to documents."""
        resolver = LinkResolver(gathered.documents)
        resolved = ((link.id, resolver.resolve(link.key, link.kind, link.target)) for link in gathered.links)
        return [{"id": link_id, "target": gathered.documents[key]} for link_id, key in resolved if key is not None]

    def apply(self, tx: Connection, step: Step, computed: list[dict[str, Any]]) -> StepResult:
        """Store where links lead, and that those to what is gone lead nowhere."""
        lock_extendable_run(tx, step.run_id)
        tx.execute(_UNLINK, {"run_id": step.run_id})
        tx.execute(_LINK, {"rows": json_rows(computed)})
        return StepResult()

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """The run's end tells that its links are as they were; the next run finds them again."""


# The last run before that came to anything was cut off with documents stored whose links nobody has resolved, or its
# own `link` step failed.
_LEFT = """exists (
      select 1 from (select id, state from runs b where b.source_id = r.source_id and b.id <> r.id
          and b.kind <> 'dry_run' and (b.state not in ('cancelled', 'failed')
            or exists (select 1 from run_items i where i.run_id = b.id))
        order by created_at desc limit 1) before
      where before.state in ('cancelled', 'failed')
        or exists (select 1 from steps s where s.run_id = before.id and s.kind = 'link' and s.state = 'failed'))"""

_IS_NEEDED = sa.text(f"""
    select exists (select 1 from run_items where run_id = r.id and action <> 'skipped') or {_LEFT}
    from runs r where r.id = :run_id
""")

# Keys came or went: a link that had no target may have one now.
_HAS_NEW = sa.text(f"""
    select exists (select 1 from run_items where run_id = r.id and action in ('added', 'removed')) or {_LEFT}
    from runs r where r.id = :run_id
""")

# For a few links only what they may point at: by name, as `resolve` folds it, which Postgres does for ASCII alone.
_KEYS = sa.text("""
    select d.key, d.id from documents d join runs r on r.source_id = d.source_id
    where r.id = :run_id and d.deleted_at is null
      and (cast(:names as json) is null or octet_length(d.key) <> length(d.key)
        or lower(substring(d.key from '[^/]*$') collate "C") in (select json_array_elements_text(cast(:names as json))))
""")

_IS_PATH = "l.target !~ '^[A-Za-z][A-Za-z0-9+.-]*:'"

_UNLINKED_OF_CHANGED = sa.text(f"""
    select l.id, d.key, l.kind, l.target from run_items i
    join runs r on r.id = i.run_id
    join documents d on d.source_id = r.source_id and d.key = i.key and d.deleted_at is null
    join relations l on l.document_id = d.id
    where i.run_id = :run_id and l.target_document_id is null and {_IS_PATH}
""")

# Those without a target, and those whose target is gone.
_UNLINKED = sa.text(f"""
    select l.id, d.key, l.kind, l.target from relations l
    join documents d on d.id = l.document_id join runs r on r.source_id = d.source_id
    left join documents t on t.id = l.target_document_id
    where r.id = :run_id and d.deleted_at is null and {_IS_PATH} and (t.id is null or t.deleted_at is not null)
""")

_UNLINK = sa.text("""
    update relations l set target_document_id = null from documents t, runs r
    where r.id = :run_id and t.source_id = r.source_id and t.deleted_at is not null and l.target_document_id = t.id
""")

_LINK = sa.text("""
    update relations l set target_document_id = r.target
    from json_to_recordset(cast(:rows as json)) as r (id bigint, target uuid) where l.id = r.id
""")

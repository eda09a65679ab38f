"""The `link` step: resolve links to documents of the source.

`finish` adds it together with the `embed` steps; both run at the same time. When documents were added or removed, all
links without a target are resolved again, otherwise only those of changed documents.
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

MAX_LINKS_BY_NAME = 500
"""For fewer links than this, only documents with names that they may point to are read."""


@dataclass(frozen=True)
class LinkInput:
    """What a `link` step reads: ids of the source's documents by key, and the links to resolve."""

    documents: dict[str, uuid.UUID]
    links: Sequence[Any]


def is_needed(tx: Connection, run_id: uuid.UUID) -> bool:
    """Return True if the run changed documents, or the previous run left links unresolved."""
    return bool(tx.execute(_IS_NEEDED, {"run_id": run_id}).scalar_one())


class Link:
    """Handler of `link` steps."""

    def gather(self, tx: Connection, step: Step) -> LinkInput:
        """Read the links whose targets may have changed."""
        values = {"run_id": step.run_id}
        keys_changed = tx.execute(_KEYS_CHANGED, values).scalar_one()
        links = tx.execute(_SELECT_UNRESOLVED if keys_changed else _SELECT_UNRESOLVED_OF_CHANGED, values).all()
        names = None
        if len(links) < MAX_LINKS_BY_NAME:
            names = json_rows(sorted(possible_names((link.key, link.kind, link.target) for link in links)))
        documents = tx.execute(_SELECT_DOCUMENTS, {**values, "names": names}) if links else ()
        return LinkInput({row.key: row.id for row in documents}, links)

    def compute(self, gathered: LinkInput) -> list[dict[str, Any]]:
        """Resolve links to documents."""
        resolver = LinkResolver(gathered.documents)
        resolved = ((link.id, resolver.resolve(link.key, link.kind, link.target)) for link in gathered.links)
        return [{"id": link_id, "target": gathered.documents[key]} for link_id, key in resolved if key is not None]

    def apply(self, tx: Connection, step: Step, computed: list[dict[str, Any]]) -> StepResult:
        """Store the targets of links, and remove targets that are gone."""
        lock_extendable_run(tx, step.run_id)
        tx.execute(_CLEAR_REMOVED_TARGETS, {"run_id": step.run_id})
        tx.execute(_SET_TARGETS, {"rows": json_rows(computed)})
        return StepResult()

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Leave links unchanged: `finish` reports it, and the next run resolves them."""


# The previous run that stored documents was cancelled or failed before its `link` step, or that step failed.
_LEFT_UNRESOLVED = """exists (
      select 1 from (select id, state from runs b where b.source_id = r.source_id and b.id <> r.id
          and b.kind <> 'dry_run' and (b.state not in ('cancelled', 'failed')
            or exists (select 1 from run_items i where i.run_id = b.id))
        order by created_at desc limit 1) previous
      where previous.state in ('cancelled', 'failed')
        or exists (select 1 from steps s where s.run_id = previous.id and s.kind = 'link' and s.state = 'failed'))"""

_IS_NEEDED = sa.text(f"""
    select exists (select 1 from run_items where run_id = r.id and action not in ('skipped', 'unchanged'))
      or {_LEFT_UNRESOLVED}
    from runs r where r.id = :run_id
""")

# Keys were added or removed: a link without a target may have one now.
_KEYS_CHANGED = sa.text(f"""
    select exists (select 1 from run_items where run_id = r.id and action in ('added', 'removed')) or {_LEFT_UNRESOLVED}
    from runs r where r.id = :run_id
""")

# For a few links, only documents with possible names, folded as in `resolve`. Postgres folds only ASCII that way, so
# all other names are included.
_SELECT_DOCUMENTS = sa.text("""
    select d.key, d.id from documents d join runs r on r.source_id = d.source_id
    where r.id = :run_id and d.deleted_at is null
      and (cast(:names as json) is null or octet_length(d.key) <> length(d.key)
        or lower(substring(d.key from '[^/]*$') collate "C") in (select json_array_elements_text(cast(:names as json))))
""")

_IS_PATH = "l.target !~ '^[A-Za-z][A-Za-z0-9+.-]*:'"

_SELECT_UNRESOLVED_OF_CHANGED = sa.text(f"""
    select l.id, d.key, l.kind, l.target from run_items i
    join runs r on r.id = i.run_id
    join documents d on d.source_id = r.source_id and d.key = i.key and d.deleted_at is null
    join relations l on l.document_id = d.id
    where i.run_id = :run_id and l.target_document_id is null and {_IS_PATH}
""")

# Links without a target, and links whose target was removed.
_SELECT_UNRESOLVED = sa.text(f"""
    select l.id, d.key, l.kind, l.target from relations l
    join documents d on d.id = l.document_id join runs r on r.source_id = d.source_id
    left join documents t on t.id = l.target_document_id
    where r.id = :run_id and d.deleted_at is null and {_IS_PATH} and (t.id is null or t.deleted_at is not null)
""")

_CLEAR_REMOVED_TARGETS = sa.text("""
    update relations l set target_document_id = null from documents t, runs r
    where r.id = :run_id and t.source_id = r.source_id and t.deleted_at is not null and l.target_document_id = t.id
""")

_SET_TARGETS = sa.text("""
    update relations l set target_document_id = r.target
    from json_to_recordset(cast(:rows as json)) as r (id bigint, target uuid) where l.id = r.id
""")

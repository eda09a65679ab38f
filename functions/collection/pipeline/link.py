"""The `link` step: resolve links to documents of the source.

`finish` adds it together with the `embed` steps; both run at the same time. It resolves the links of changed documents,
those that led to them, and those that may lead to them now, because a name of theirs is in the target. After a run that
left links unresolved it resolves all.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.pipeline.addresses import FIELDS, LOGSEQ_PAGES, OTHER_NAMES, addresses, hyphenate, last_names
from functions.collection.pipeline.resolve import LinkResolver, possible_names
from functions.collection.runs.locks import lock_source_of_run
from headwater.database.transactions import json_rows
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult

MAX_LINKS_BY_NAME = 500
"""For fewer links than this, only documents with names that they may point to are read."""
MAX_NAMES = 100
"""If changed documents have more names than this, all links are resolved."""
NAMED_PART = "[^/]*/?(?:[?#].*)?$"
"""The part of a target that has the document's name."""
ANY_NAME = r"[^\x01-\x7f]|%|(^|/)([.]*|_?(index|readme)([.][a-z]+)?)/?([?#].*)?$"
"""Targets that may stand for a document whose name is not in them: a folder's page, or a name that is encoded."""
MAX_FRONT_MATTER_BYTES = 20_000
"""Larger aliases are ignored, so that the addresses of all documents fit into memory."""


BLOCK_LINKS = 10_000
"""Links that the database sends as one value: the driver takes several times as long for rows."""


class StoredLink(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A link with the key of its document."""

    id: int
    key: str
    kind: str
    target: str
    target_document_id: uuid.UUID | None


@dataclass(frozen=True)
class LinkInput:
    """What a `link` step reads: the source's documents (id, key and front matter), and the links to resolve."""

    documents: Sequence[Any]
    links: Sequence[StoredLink]


def is_needed(tx: Connection, run_id: uuid.UUID) -> bool:
    """Return True if the run changed documents, or the previous run left links unresolved."""
    return bool(tx.execute(_IS_NEEDED, {"run_id": run_id}).scalar_one())


class Link:
    """Handler of `link` steps."""

    def gather(self, tx: Connection, step: Step) -> LinkInput:
        """Read the links whose targets may have changed, and the documents that they may point to."""
        values = {"run_id": step.run_id}
        names = _changed_names(tx.execute(_SELECT_CHANGED, values))
        is_short = len(names) <= MAX_NAMES
        selected = {"names": json_rows(sorted(names)) if is_short else None, "block": BLOCK_LINKS}
        blocks = tx.execute(_SELECT_LINKS, values | selected).scalars()
        links = [link for block in blocks for link in msgspec.json.decode(block, type=list[StoredLink])]
        names_of_targets = None
        if len(links) < MAX_LINKS_BY_NAME:
            names_of_targets = json_rows(sorted(possible_names((link.key, link.kind, link.target) for link in links)))
        documents = tx.execute(_SELECT_DOCUMENTS, {**values, "names": names_of_targets}).all() if links else ()
        return LinkInput(documents, links)

    def compute(self, gathered: LinkInput) -> list[dict[str, Any]]:
        """Resolve links to documents; returns those that change."""
        resolver = LinkResolver({document.key: document.front_matter or {} for document in gathered.documents})
        ids: dict[str | None, uuid.UUID] = {document.key: document.id for document in gathered.documents}
        resolved = ((link, ids.get(resolver.resolve(link.key, link.kind, link.target))) for link in gathered.links)
        return [{"id": link.id, "target": target} for link, target in resolved if target != link.target_document_id]

    def apply(self, tx: Connection, step: Step, computed: list[dict[str, Any]]) -> StepResult:
        """Store the targets of links."""
        lock_source_of_run(tx, step.run_id)
        tx.execute(_SET_TARGETS, {"rows": json_rows(computed)})
        return StepResult()

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Leave links unchanged: `finish` reports it, and the next run resolves them."""


def _changed_names(documents: Iterable[Any]) -> set[str]:
    """Return the names that links may call documents by which were added, moved, removed or may be called otherwise.

    Stops when there are more than MAX_NAMES.
    """
    names: set[str] = set()
    for document in documents:
        if document.action != "changed" or document.front_matter:
            for key in filter(None, (document.key, document.from_key)):
                found = last_names(key, addresses(key, document.front_matter or {}))
                names |= {hyphenate(name) for name in found if name.isascii() and name}
        if len(names) > MAX_NAMES:
            break
    return names


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

_FIELDS = f"array{[*FIELDS]!r}"

# The fields that add addresses, null if the document has none of them.
_ADDRESS_FIELDS = f"""case when octet_length(cast(d.front_matter as text)) <= {MAX_FRONT_MATTER_BYTES}
      and (jsonb_exists_any(d.front_matter, {_FIELDS}) or d.key ~ '{LOGSEQ_PAGES}') then jsonb_strip_nulls(
      jsonb_build_object({", ".join(f"'{field}', d.front_matter -> '{field}'" for field in (*FIELDS, "title"))})) end"""

_SELECT_CHANGED = sa.text(f"""
    select d.key, i.action, i.from_key, {_ADDRESS_FIELDS} as front_matter from run_items i
    join runs r on r.id = i.run_id join documents d on d.source_id = r.source_id and d.key = i.key
    where i.run_id = :run_id and i.action not in ('skipped', 'unchanged')
""")

# For a few links, only documents with possible names, folded and with hyphens as in `resolve`. Postgres folds only
# ASCII that way, so all other names are included.
_SELECT_DOCUMENTS = sa.text(f"""
    select d.key, d.id, {_ADDRESS_FIELDS} as front_matter from documents d join runs r on r.source_id = d.source_id
    where r.id = :run_id and d.deleted_at is null
      and (cast(:names as json) is null or octet_length(d.key) <> length(d.key)
        or d.key ~* '{OTHER_NAMES}' or jsonb_exists_any(d.front_matter, {_FIELDS})
        or replace(lower(substring(d.key from '[^/]*$') collate "C"), ' ', '-') in (
          select json_array_elements_text(cast(:names as json))))
""")

# Postgres tests the first condition on the source's links once, since it has no column of theirs, and reads none if it
# is false. A target with a template may name a document anywhere in it. Ordered, so that the update reads each page
# once.
_SELECT_LINKS = sa.text(f"""
    with run as (
      select r.id, r.source_id, cast(:names as json) is null or {_LEFT_UNRESOLVED} as all_links
      from runs r where r.id = :run_id
    ), changed as (
      select d.id from run join run_items i on i.run_id = run.id and i.action not in ('skipped', 'unchanged')
      join documents d on d.source_id = run.source_id and d.key = i.key
      where not run.all_links
    ), name as (
      select value from json_array_elements_text(cast(:names as json))
    ), affected as (
      select l.* from changed join relations l on l.document_id = changed.id
      union all select l.* from changed join relations l on l.target_document_id = changed.id
      union all select l.* from run join documents d on d.source_id = run.source_id and d.deleted_at is null
        join relations l on l.document_id = d.id
        where ((select all_links from run) or exists (select 1 from name))
          and (run.all_links or l.target ~* '{ANY_NAME}' or exists (
            select 1 from name where position(name.value in replace(lower(l.target collate "C"), ' ', '-')) > 0
            and (position('{{' in l.target) > 0 or position(name.value in replace(lower(
              substring(l.target from '{NAMED_PART}') collate "C"), ' ', '-')) > 0)))
    )
    select cast(json_agg(json_build_array(id, key, kind, target, target_document_id) order by id) as text)
    from (
      select *, (row_number() over (order by id) - 1) / cast(:block as integer) as block from (
        select distinct on (l.id) l.id, d.key, l.kind, l.target, l.target_document_id
        from affected l join documents d on d.id = l.document_id
        where d.deleted_at is null and l.target !~ '^[A-Za-z][A-Za-z0-9+.-]*:') found) numbered
    group by block order by block
""")

_SET_TARGETS = sa.text("""
    update relations l set target_document_id = r.target
    from json_to_recordset(cast(:rows as json)) as r (id bigint, target uuid) where l.id = r.id
""")

"""Compare a listing with what is stored: add a run item for each difference. Part of the `list` step.

With a complete listing, documents that moved are found first (`moves`). Documents with the same bytes get their new
keys in the transaction of the comparison, so that they are found once at any time; their new addresses and titles come
with the `fetch` step. That step also decides whether a changed document has moved.
"""

import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.fingerprints import MOVED_SUFFIX, stored_fingerprint
from functions.collection.pipeline.moves import Change, Moves, find_moves
from headwater.connectors import Listing
from headwater.database.copy import copy_rows
from headwater.database.transactions import json_rows

_UPLOADED_WARNING = "a document with this key was uploaded manually; delete it to collect this one"


@dataclass(frozen=True)
class Difference:
    """How a listing differs from what is stored: numbers of documents to fetch in so many batches, and to remove.

    `still_failing` listed documents repeat their error without being fetched. `stored` counts the source's live
    documents, without held ones; `relisted_keys` are those of restored documents.
    """

    to_fetch: int
    batches: int
    removed: int
    still_failing: int
    stored: int
    relisted_keys: Sequence[str]


def insert_items(
    tx: Connection,
    run_id: uuid.UUID,
    workspace_id: uuid.UUID,
    listing: Listing,
    *,
    batch: int,
    dry_run: bool,
    everything: bool = False,
) -> Difference:
    """Insert items for differences, documents that still fail, and skipped keys; moved documents get their new keys.

    A dry run has items for changes only, and changes no document. `everything` counts every listed document as a
    difference. `batch` is the size of a `fetch` step.
    """
    values = {
        "run_id": run_id,
        "workspace_id": workspace_id,
        "batch": batch,
        "dry_run": dry_run,
        "everything": everything,
    }
    copy_rows(tx, "listed", "key text, fingerprint text, warning text", listing_rows(listing))
    tx.execute(_CREATE_DIFFERENCE)
    removed = json_rows([] if listing.complete else listing.removed)
    compared = tx.execute(_COMPARE, {**values, "complete": listing.complete, "removed": removed}).one()
    if listing.complete and compared.may_have_moves:
        _apply_moves(tx, listing, dry_run=dry_run)
    counts = tx.execute(_INSERT_ITEMS, {**values, "uploaded": _UPLOADED_WARNING}).one()
    skipped = [{"k": key, "w": reason} for key, reason in listing.skipped]
    tx.execute(_INSERT_SKIPPED, {**values, "rows": json_rows(skipped)})
    return Difference(**counts._mapping, stored=compared.stored, relisted_keys=compared.relisted_keys or ())


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


def give_new_keys(tx: Connection, moved: Iterable[tuple[uuid.UUID, str]]) -> None:
    """Give documents (id, new key) their new keys, and fingerprints that no listing has until they are fetched.

    A removed document with such a key is deleted. Live documents with such a key must be among the moved ones.
    """
    copy_rows(tx, "moved", "id uuid, key text", moved)
    for statement in (_DELETE_TOMBSTONES, _VACATE_KEYS, _SET_KEYS):
        tx.execute(statement, {"suffix": MOVED_SUFFIX})


def _apply_moves(tx: Connection, listing: Listing, *, dry_run: bool) -> None:
    """Find the moves among the differences, and mark them there."""
    rows = tx.execute(_SELECT_DIFFERENCE).all()
    kept = {row.key for row in rows if row.is_held}.union(key for key, _ in listing.skipped)
    changes = (Change(row.key, row.stored, row.listed) for row in rows)
    moves: Moves = find_moves(changes, hashed=listing.hashed, kept=kept)
    if not moves.exact and not moves.likely:
        return
    copy_rows(tx, "moves", "key text, from_key text", [*moves.exact.items(), *moves.likely.items()])
    tx.execute(_MARK_MOVES)
    if moves.exact and not dry_run:
        ids = {row.key: row.document_id for row in rows}
        give_new_keys(tx, ((ids[old], key) for key, old in moves.exact.items()))


# `from_key`: where the document at the key comes from. `is_left`: the document at the key has moved away. `is_due`: the
# document is fetched although it is unchanged: it failed, and that may help, or everything is fetched. `is_removable`:
# it is removed if it isn't listed and hasn't moved.
_CREATE_DIFFERENCE = sa.text("""
    create temporary table difference (
      key text, fingerprint text, warning text, document_id uuid, stored_fingerprint text, held text, error text,
      is_due boolean, is_removable boolean, from_key text, is_left boolean not null default false
    ) on commit drop
""")

# `stored` are the source's live documents. One that only `stored` has is removed if the listing is complete or names
# its key as removed; `held` documents never are, but restored ones may move. A document that failed is fetched again if
# that may help, by scheduled runs from `retry_at` on.
_COMPARE = sa.text("""
    with stored as (
      select d.id, d.key, d.fingerprint, d.held, d.error,
        cast(:everything as boolean) or d.retry_at is not null and (d.retry_at <= now() or runs.trigger <> 'schedule')
          as is_due,
        d.held is null and (:complete or d.key in (select json_array_elements_text(cast(:removed as json))))
          as is_removable
      from documents d join runs on runs.source_id = d.source_id
      where runs.id = :run_id and d.deleted_at is null
    ), inserted as (
      insert into difference (key, fingerprint, warning, document_id, stored_fingerprint, held, error, is_due,
        is_removable)
      select coalesce(l.key, s.key), l.fingerprint, l.warning, s.id, s.fingerprint, s.held, s.error, s.is_due,
        s.is_removable
      from listed l full join stored s on s.key = l.key
      where l.fingerprint is distinct from s.fingerprint
          and (l.key is not null or s.is_removable or s.held = 'restored' and :complete)
        or s.error is not null and not cast(:dry_run as boolean)
        or :everything and l.key is not null
      returning fingerprint, document_id
    )
    select (select count(*) from stored where held is null) as stored,
      (select json_agg(key) from stored join listed using (key) where held = 'restored') as relisted_keys,
      count(fingerprint) > 0 and count(document_id) > 0 as may_have_moves
    from inserted
""")

# The source's own fingerprints, which end before the versions (see `fingerprints`).
_OWN = r"regexp_replace({}, '\.[^.]*\.[^.]*$', '')"

_SELECT_DIFFERENCE = sa.text(f"""
    select * from (
      select key, document_id, held is not null as is_held, nullif({_OWN.format("stored_fingerprint")}, '') as stored,
        {_OWN.format("fingerprint")} as listed
      from difference where held is distinct from 'added') own
    where stored is distinct from listed
""")

_MARK_MOVES = sa.text("""
    update difference d set from_key = t.from_key, is_left = s.key is not null
    from difference o left join moves t on t.key = o.key left join moves s on s.from_key = o.key
    where d.key = o.key and (t.key is not null or s.key is not null)
""")

# A failed document that isn't fetched again repeats its error. An empty fingerprint is that of a document that no run
# has fetched yet.
_INSERT_ITEMS = sa.text("""
    with items as (
      select key, coalesce(fingerprint, stored_fingerprint) as fingerprint, from_key, error,
        case held when 'added' then concat_ws('; ', warning, cast(:uploaded as text)) else warning end as warning,
        case when held = 'added' then 'skipped' when from_key is not null then 'moved'
          when document_id is null or fingerprint is not null and (is_left or stored_fingerprint = '') then 'added'
          when fingerprint is null and is_removable then 'removed'
          when fingerprint <> stored_fingerprint then 'changed' else 'unchanged' end as action,
        fingerprint is not null as is_listed,
        fingerprint is not null and held is distinct from 'added' and (
          from_key is not null or fingerprint is distinct from stored_fingerprint or is_due) as is_fetched
      from difference
      where fingerprint is not null or not is_left and (is_removable or error is not null and not :dry_run)
    ), numbered as (
      select *, case when is_fetched then
        (row_number() over (partition by is_fetched order by key) - 1) / cast(:batch as integer) end as batch
      from items
    ), inserted as (
      insert into run_items (run_id, workspace_id, key, action, state, fingerprint, reason, warning, batch, from_key)
      select cast(:run_id as uuid), cast(:workspace_id as uuid), key, action,
        case when action = 'skipped' then 'done' when is_fetched or action = 'removed' then 'pending' else 'failed' end,
        fingerprint, case when action = 'unchanged' and not is_fetched then error end, warning, batch, from_key
      from numbered
    )
    select count(*) filter (where is_fetched) as to_fetch, coalesce(max(batch) + 1, 0) as batches,
      count(*) filter (where action = 'removed') as removed,
      count(*) filter (where action = 'unchanged' and is_listed and not is_fetched) as still_failing
    from numbered
""")

_INSERT_SKIPPED = sa.text("""
    insert into run_items (run_id, workspace_id, key, action, state, warning)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), k, 'skipped', 'done', w
    from json_to_recordset(cast(:rows as json)) as r (k text, w text)
    on conflict (run_id, key) do update set warning = excluded.warning
""")

# What was removed at a key can't be restored once another document has the key. What was never fetched has no content.
_DELETE_TOMBSTONES = sa.text("""
    delete from documents t using moved m join documents d on d.id = m.id
    where t.source_id = d.source_id and t.key = m.key
      and (t.deleted_at is not null or t.fingerprint = '')
""")

# Documents may follow each other, and a key is unique at any moment, even within the statement below.
_VACATE_KEYS = sa.text("""
    update documents d set key = 'moving ' || d.id from moved m
    where d.id = m.id and exists (select 1 from moved o where o.key = d.key)
""")

_SET_KEYS = sa.text(r"""
    update documents d set key = m.key, held = null,
      fingerprint = regexp_replace(fingerprint, '\.[^.]*\.[^.]*$', '') || cast(:suffix as text)
    from moved m where d.id = m.id
""")

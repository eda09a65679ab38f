"""Read stored documents, by id or as pages ordered by key."""

import datetime as dt
import uuid
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.errors import NotFound
from headwater.filters.parse import parse_filter
from headwater.filters.sql import where

HoldReason = Literal["restored", "added"]
Placement = Literal["pinned", "hidden"]


class DocumentLink(msgspec.Struct, frozen=True):
    """A link or wikilink of a document: `text[start:end]` is its markup.

    `target` is where it points, as written. `document_id` is the document of the same source that it leads to, or null.
    """

    kind: Literal["link", "wikilink"]
    target: str
    start: int
    end: int
    document_id: uuid.UUID | None


class DocumentError(msgspec.Struct, frozen=True):
    """Why the source's present version of a document could not be read, and since when."""

    reason: str
    since: dt.datetime


class Document(msgspec.Struct, frozen=True):
    """One document. `text[start:end]` of a citation or a search hit is its passage, in Unicode code points.

    With an `error`, the text is that of the last version that could be read, or empty. `fetched_at` is the time of the
    text, null if there has never been one. `warnings` say what was left out when the text was parsed.
    `pages` has the offset in the text at which each page or slide begins; it is empty for formats without pages.
    `file_id` is the uploaded file that the document was read from, if it is still there.

    `deleted_at` is set when the document is removed; it can be restored until it is purged. No run removes a document
    that is `held`: it was `restored` and the source has not listed it since, or it was `added` manually.

    A search ranks the passages of a `pinned` document higher, and doesn't find a `hidden` one.
    """

    id: uuid.UUID
    source_id: uuid.UUID
    key: str
    title: str
    url: str | None
    media_type: str
    text: str
    front_matter: dict[str, Any]
    links: list[DocumentLink]
    file_id: uuid.UUID | None
    error: DocumentError | None
    warnings: list[str]
    pages: list[int]
    fetched_at: dt.datetime | None
    deleted_at: dt.datetime | None
    held: HoldReason | None
    placement: Placement | None


class DocumentRef(msgspec.Struct, frozen=True):
    """The source and key of a document, and why it is held."""

    source_id: uuid.UUID
    key: str
    held: HoldReason | None


class DocumentSummary(msgspec.Struct, frozen=True):
    """One document without its text. See `Document`."""

    id: uuid.UUID
    source_id: uuid.UUID
    key: str
    title: str
    url: str | None
    error: DocumentError | None
    warnings: list[str]
    fetched_at: dt.datetime | None
    deleted_at: dt.datetime | None
    held: HoldReason | None
    placement: Placement | None


class DocumentQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Filter of a list of documents, and the page after `after`: the previous page's `next`, or a key.

    `deleted` lists removed documents, which can still be restored, instead of live ones; `failing` only those with an
    error; `placement` only pinned or only hidden ones.
    """

    source_id: uuid.UUID | None = None
    deleted: bool = False
    failing: bool = False
    held: HoldReason | None = None
    placement: Placement | None = None
    filter: str = ""
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class DocumentList(msgspec.Struct, frozen=True):
    """A page of documents, ordered by key. `next` is the next page's `after`, null on the last page."""

    documents: list[DocumentSummary]
    next: str | None


def read_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> Document:
    """Read a document, even if it is removed. Raises NotFound."""
    row = tx.execute(_ONE, {"id": document_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise _not_found(document_id)
    links = msgspec.convert(row.links, list[DocumentLink])
    return Document(**{**row._mapping, "links": links, "error": _to_error(row.error)})


def read_document_ref(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> DocumentRef:
    """Read a document's source and key, even if it is removed. Raises NotFound."""
    row = tx.execute(_REF, {"id": document_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise _not_found(document_id)
    return DocumentRef(**row._mapping)


def read_documents(tx: Connection, workspace_id: uuid.UUID, query: DocumentQuery) -> DocumentList:
    """Read a page of documents. Raises FilterError."""
    condition = where(parse_filter(query.filter))
    after_key, after_id = _decode_cursor(query.after)
    values: dict[str, Any] = {"workspace_id": workspace_id, "source_id": query.source_id, "held": query.held}
    values |= {"key": after_key, "id": after_id, "placement": query.placement, "limit": query.limit + 1}
    values |= condition.values
    result = tx.execute(_page(query.deleted, query.failing, query.placement is not None, condition.sql), values)
    rows = [DocumentSummary(**{**row._mapping, "error": _to_error(row.error)}) for row in result]
    page = rows[: query.limit]
    return DocumentList(page, _encode_cursor(page[-1]) if len(rows) > query.limit else None)


def _to_error(value: Any) -> DocumentError | None:
    return None if value is None else msgspec.convert(value, DocumentError)


def _not_found(document_id: uuid.UUID) -> NotFound:
    return NotFound(f"Document not found: {document_id}. It may have been deleted for good.")


def _encode_cursor(document: DocumentSummary) -> str:
    """Return the cursor after a document: its key and id, since several sources may have a document with the key."""
    return f"{document.key}\t{document.id}"


def _decode_cursor(after: str) -> tuple[str, uuid.UUID]:
    """Return the key and id of a cursor. A key alone stands for the last document with that key."""
    key, _, document_id = after.rpartition("\t")
    try:
        return key, uuid.UUID(document_id)
    except ValueError:
        return after, uuid.UUID(int=2**128 - 1)


_ERROR = """case when d.error is not null then
        json_build_object('reason', d.error, 'since', coalesce(d.failed_at, d.fetched_at, now())) end as error"""

# `document_id` is the target, unless that has been removed.
_ONE = sa.text(f"""
    select d.id, d.source_id, d.key, d.title, d.url, d.media_type, d.text, d.front_matter, {_ERROR}, d.warnings,
      coalesce(d.page_starts, '{{}}') as pages, (select f.id from uploaded_files f
        where f.source_id = d.source_id and f.path = d.key and f.replaced_at is null) as file_id,
      d.fetched_at, d.deleted_at, d.held, d.placement, (
        select coalesce(json_agg(json_build_object('kind', r.kind, 'target', r.target, 'start', r.start_offset,
          'end', r.end_offset, 'document_id', t.id) order by r.start_offset), '[]')
        from relations r left join documents t on t.id = r.target_document_id and t.deleted_at is null
        where r.document_id = d.id) as links
    from documents d where d.id = :id and d.workspace_id = :workspace_id
""")

_REF = sa.text("select source_id, key, held from documents where id = :id and workspace_id = :workspace_id")


@lru_cache(maxsize=64)
def _page(deleted: bool, failing: bool, placed: bool, condition: str) -> sa.TextClause:
    """Return the statement of a list. A condition on a parameter wouldn't use the index of failing or placed ones."""
    return sa.text(f"""
        select d.id, d.source_id, d.key, d.title, d.url, {_ERROR}, d.warnings, d.fetched_at, d.deleted_at, d.held,
          d.placement
        from documents d
        where d.workspace_id = :workspace_id and (cast(:source_id as uuid) is null or d.source_id = :source_id)
          and d.deleted_at is {"not null" if deleted else "null"} {"and d.error is not null" if failing else ""}
          {"and d.placement is not null and d.placement = :placement" if placed else ""}
          and (cast(:held as text) is null or d.held = :held) and {condition}
          and (d.key, d.id) > (:key, cast(:id as uuid)) order by d.key, d.id limit :limit
    """)

"""Documents: what the sources hold, as stored; read here by id or listed by key."""

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.errors import NotFound

HoldReason = Literal["restored", "added"]


class Document(msgspec.Struct, frozen=True):
    """One document; `text[start:end]` of a citation or a search hit is its passage, in Unicode code points.

    `deleted_at` is when it was removed; for a while after it can be restored. What is `held` no sync removes: it was
    `restored`, until its source lists it again, or `added` by hand.
    """

    id: uuid.UUID
    source_id: uuid.UUID
    key: str
    title: str
    url: str | None
    media_type: str
    text: str
    front_matter: dict[str, Any]
    fetched_at: dt.datetime
    deleted_at: dt.datetime | None
    held: HoldReason | None


class DocumentRef(msgspec.Struct, frozen=True):
    """Which document it is, and why no sync removes it; without its text."""

    source_id: uuid.UUID
    key: str
    held: HoldReason | None


class DocumentSummary(msgspec.Struct, frozen=True):
    """One document in a list, without its text."""

    id: uuid.UUID
    source_id: uuid.UUID
    key: str
    title: str
    url: str | None
    fetched_at: dt.datetime
    deleted_at: dt.datetime | None
    held: HoldReason | None


class DocumentQuery(msgspec.Struct, frozen=True):
    """Which documents are asked for: those after `after`, which is a page's `next`, or a key.

    With `deleted` those that were removed and can still be restored, else the live ones; with `held` only such of them.
    """

    source_id: uuid.UUID | None = None
    deleted: bool = False
    held: HoldReason | None = None
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class DocumentList(msgspec.Struct, frozen=True):
    """A page of documents by key; `next` goes into `after` for the next page, None at the end."""

    documents: list[DocumentSummary]
    next: str | None


def read_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> Document:
    """Read one document, removed ones included; raises NotFound."""
    row = tx.execute(_ONE, {"id": document_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise NotFound(f"No document {document_id} is here.")
    return Document(**row._mapping)


def read_document_ref(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> DocumentRef:
    """Read how one document stands, removed ones included; raises NotFound."""
    row = tx.execute(_STANDING, {"id": document_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise NotFound(f"No document {document_id} is here.")
    return DocumentRef(**row._mapping)


def read_documents(tx: Connection, workspace_id: uuid.UUID, query: DocumentQuery) -> DocumentList:
    """Read a page of documents."""
    after_key, after_id = _read_place(query.after)
    values: dict[str, Any] = {"workspace_id": workspace_id, "source_id": query.source_id, "held": query.held}
    values |= {"key": after_key, "id": after_id}
    statement = _DELETED_PAGE if query.deleted else _PAGE
    rows = [DocumentSummary(**row._mapping) for row in tx.execute(statement, {**values, "limit": query.limit + 1})]
    page = rows[: query.limit]
    return DocumentList(page, _place(page[-1]) if len(rows) > query.limit else None)


def _place(document: DocumentSummary) -> str:
    """Say where a page ends: a key alone doesn't, since two sources may both hold it."""
    return f"{document.key}\t{document.id}"


def _read_place(after: str) -> tuple[str, uuid.UUID]:
    """Read what `_place` wrote; a mere key stands for the last document that has it."""
    key, _, last = after.rpartition("\t")
    try:
        return key, uuid.UUID(last)
    except ValueError:
        return after, uuid.UUID(int=2**128 - 1)


_ONE = sa.text("""
    select id, source_id, key, title, url, media_type, text, front_matter, fetched_at, deleted_at, held
    from documents where id = :id and workspace_id = :workspace_id
""")

_STANDING = sa.text("""
    select source_id, key, held from documents where id = :id and workspace_id = :workspace_id
""")

_SELECT_PAGE = """
    select id, source_id, key, title, url, fetched_at, deleted_at, held from documents
    where workspace_id = :workspace_id and (cast(:source_id as uuid) is null or source_id = :source_id)
      and deleted_at {} and (cast(:held as text) is null or held = :held)
      and (key, id) > (:key, cast(:id as uuid)) order by key, id limit :limit
"""

_PAGE = sa.text(_SELECT_PAGE.format("is null"))

_DELETED_PAGE = sa.text(_SELECT_PAGE.format("is not null"))

"""Documents: what the sources hold, as stored; read here by id or listed by key."""

import datetime as dt
import uuid
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.errors import NotFound


class Document(msgspec.Struct, frozen=True):
    """One document; `text[start:end]` of a citation or a search hit is its passage, in Unicode code points."""

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


class DocumentSummary(msgspec.Struct, frozen=True):
    """One document in a list, without its text."""

    id: uuid.UUID
    source_id: uuid.UUID
    key: str
    title: str
    url: str | None
    fetched_at: dt.datetime


class DocumentQuery(msgspec.Struct, frozen=True):
    """Which documents are asked for: those with a key after `after`."""

    source_id: uuid.UUID | None = None
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class DocumentList(msgspec.Struct, frozen=True):
    """A page of live documents by key; `next` goes into `after` for the next page, None at the end."""

    documents: list[DocumentSummary]
    next: str | None


def read_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> Document:
    """Read one document, removed ones included; raises NotFound."""
    row = tx.execute(_ONE, {"id": document_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise NotFound(f"No document {document_id} is here.")
    return Document(**row._mapping)


def read_documents(tx: Connection, workspace_id: uuid.UUID, query: DocumentQuery) -> DocumentList:
    """Read a page of live documents."""
    values = {"workspace_id": workspace_id, **msgspec.structs.asdict(query), "limit": query.limit + 1}
    rows = [DocumentSummary(**row._mapping) for row in tx.execute(_PAGE, values)]
    return DocumentList(rows[: query.limit], rows[query.limit - 1].key if len(rows) > query.limit else None)


_ONE = sa.text("""
    select id, source_id, key, title, url, media_type, text, front_matter, fetched_at, deleted_at
    from documents where id = :id and workspace_id = :workspace_id
""")

_PAGE = sa.text("""
    select id, source_id, key, title, url, fetched_at from documents
    where workspace_id = :workspace_id and (cast(:source_id as uuid) is null or source_id = :source_id)
      and deleted_at is null and key > :after order by key, id limit :limit
""")

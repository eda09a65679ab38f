"""The passages of an answer about changed documents: those that match the question, then the documents' beginnings."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.retrieval.search import Passage, Search
from headwater.filters.sql import Where

MAX_DOCUMENTS = 100
"""Changed documents that are searched, at most."""

MAX_PASSAGES = 16
MAX_MATCHING = 8
BEGINNING_CHARS = 1_200
"""Passages of an answer, those of them that match the question, and characters of a document's beginning, at most."""


class Changed(msgspec.Struct, frozen=True):
    """The changed documents that an answer is about, and the question to search for in them."""

    documents: Sequence[uuid.UUID]
    query: str


def changed_passages(search: Search, workspace_id: uuid.UUID, changed: Changed) -> list[Passage]:
    """Return passages of the changed documents that are still there."""
    documents = [str(one) for one in changed.documents[:MAX_DOCUMENTS]]
    if not documents:
        return []
    ids = "{" + ",".join(documents) + "}"
    wanted = Where("d.id = any(cast(:changed_ids as uuid[]))", {"changed_ids": ids})
    found = search.find(workspace_id, changed.query, MAX_MATCHING, wanted).passages
    matching = [passage for passage in found if passage.relevant]
    cited = {passage.document_id for passage in matching}
    others = [one for one in changed.documents[:MAX_DOCUMENTS] if one not in cited]
    with search.database.transaction(workspace_id) as tx:
        return [*matching, *read_beginnings(tx, workspace_id, others, MAX_PASSAGES - len(matching))]


def read_beginnings(
    tx: Connection, workspace_id: uuid.UUID, documents: Sequence[uuid.UUID], limit: int
) -> list[Passage]:
    """Return the beginnings of documents that are still there, in their order, at most `limit`."""
    ids = "{" + ",".join(map(str, documents)) + "}"
    values = {"workspace_id": workspace_id, "ids": ids, "chars": BEGINNING_CHARS, "limit": limit}
    return [_beginning(row) for row in tx.execute(_BEGINNINGS, values)]


def _beginning(row: Any) -> Passage:
    text = row.text
    if len(text) == BEGINNING_CHARS:  # cut between words
        text = text[: text.rfind(" ") if " " in text[BEGINNING_CHARS // 2 :] else None]
    return Passage(
        document_id=row.id,
        key=row.key,
        title=row.title,
        url=row.url,
        media_type=row.media_type,
        heading_path=[],
        text=text,
        excerpt=text,
        start=0,
        end=len(text),
        score=0.0,
        similarity=None,
        overlap=0.0,
        relevant=True,
    )


_BEGINNINGS = sa.text("""
    select d.id, d.key, d.title, d.url, d.media_type, left(d.text, :chars) as text
    from unnest(cast(:ids as uuid[])) with ordinality as wanted (id, n) join documents d on d.id = wanted.id
    where d.workspace_id = :workspace_id and d.deleted_at is null and d.text <> '' order by wanted.n limit :limit
""")

"""The passages that values are extracted from: all of some documents, or what a search finds."""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from functions.chat.retrieval.search import Passage, Search
from headwater.errors import NotFound
from headwater.filters.sql import Where, where
from headwater.filters.tree import Filter
from headwater.passages import excerpt

MAX_DOCUMENTS = 20
MAX_WHOLE_CHARS = 120_000
"""Characters of documents that are read as a whole. Of longer ones, passages are searched for."""

PASSAGES = 20
"""Passages that are searched for in documents."""

PASSAGES_OF_LONG_DOCUMENTS = 40


class Evidence:
    """Finds passages in the documents of a workspace."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def search(self, workspace_id: uuid.UUID, question: str, chosen: Filter | None) -> Sequence[Passage]:
        """Return the relevant passages for a question. Raises NotFound if there is none."""
        found = self._search.find(workspace_id, question, PASSAGES, where(chosen)).passages
        passages = [passage for passage in found if passage.relevant]
        if not passages:
            raise NotFound("No passage is about this question. Ask in other words, or name the documents.")
        return passages

    def read(self, workspace_id: uuid.UUID, question: str, ids: Sequence[uuid.UUID]) -> tuple[Sequence[Passage], bool]:
        """Return the passages of documents in their order, and whether these are all.

        Of long documents they are the best ones for the question. Raises NotFound if a document is missing.
        """
        wanted = list(dict.fromkeys(ids))
        values = {"workspace_id": workspace_id, "ids": to_uuids(wanted)}
        with self._search.database.transaction(workspace_id) as tx:
            sizes = {row.id: row.chars for row in tx.execute(_SIZES, values)}
            if missing := next((id_ for id_ in wanted if id_ not in sizes), None):
                raise NotFound(f"Document not found: {missing}.")
            if sum(sizes.values()) <= MAX_WHOLE_CHARS:
                rows = tx.execute(_CHUNKS, values).all()
                return [_passage(row) for row in rows], True
        chosen = Where("d.id = any(cast(:extracted_ids as uuid[]))", {"extracted_ids": to_uuids(wanted)})
        found = self._search.find(workspace_id, question, PASSAGES_OF_LONG_DOCUMENTS, chosen).passages
        order = {id_: n for n, id_ in enumerate(wanted)}
        return sorted(found, key=lambda passage: (order[passage.document_id], passage.start)), False


def to_uuids(ids: Sequence[uuid.UUID]) -> str:
    """Encode ids as one parameter, to be cast to an array."""
    return f"{{{','.join(map(str, ids))}}}"


def _passage(row: "sa.Row[tuple[object, ...]]") -> Passage:
    return Passage(
        document_id=row.document_id,
        key=row.key,
        title=row.title or row.key,
        url=row.url,
        media_type=row.media_type,
        heading_path=row.heading_path,
        text=row.text,
        excerpt=excerpt(row.text, row.markup or (), row.table_header),
        page=row.page,
        start=row.start,
        end=row.end,
        score=1.0,
        similarity=None,
        overlap=1.0,
        relevant=True,
    )


_SIZES = sa.text("""
    select d.id, char_length(d.text) as chars from documents d
    where d.workspace_id = :workspace_id and d.id = any(cast(:ids as uuid[])) and d.deleted_at is null
""")

_CHUNKS = sa.text("""
    select d.id as document_id, d.key, d.title, d.url, d.media_type, c.heading_path, c.start_offset as start,
      c.end_offset as "end", substr(d.text, c.start_offset + 1, c.end_offset - c.start_offset) as text,
      nullif(width_bucket(c.start_offset, d.page_starts), 0) as page, to_json(c.markup) as markup,
      substr(d.text, c.header_start + 1, c.header_end - c.header_start) as table_header
    from documents d join chunks c on c.document_id = d.id and c.workspace_id = d.workspace_id
    where d.workspace_id = :workspace_id and d.id = any(cast(:ids as uuid[])) and d.deleted_at is null
    order by array_position(cast(:ids as uuid[]), d.id), c.ordinal
""")

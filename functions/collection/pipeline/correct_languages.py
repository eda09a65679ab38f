"""The `correct_languages` step: give short documents the language of their source, once that is known.

A text that is too short to detect its language inherits that of most of its source's documents. In a source's first
run, the first batches inherit before it is known. Then their words were counted in another language: a search finds
`Häuser` by `Haus` only if both were stemmed as German. This step counts them again.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.store import read_source_language
from headwater.database.transactions import json_rows
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult
from headwater.words.analysis import sparse_vector
from headwater.words.stored import count_stored_words

DOCUMENTS = 200
"""Documents of a step. They are short."""


@dataclass(frozen=True)
class Inherited:
    """Documents whose language is to be `language`, with their chunks."""

    language: str
    documents: Sequence[Any]
    chunks: Sequence[Any]


@dataclass(frozen=True)
class Corrected:
    """The words of chunks, counted in `language`. `fetched_at` tells whether a document has changed since."""

    language: str
    documents: Sequence[Mapping[str, Any]]
    chunks: Sequence[Mapping[str, Any]]


def is_needed(tx: Connection, source_id: uuid.UUID) -> bool:
    """Return whether a source has documents that inherited another language than most of its documents have."""
    if not tx.execute(_HAS_INHERITED, {"source_id": source_id}).scalar_one():
        return False
    language = read_source_language(tx, source_id)
    values = {"source_id": source_id, "language": language, "n": 1}
    return language is not None and tx.execute(_SELECT_DOCUMENTS, values).first() is not None


class CorrectLanguages:
    """Handler of `correct_languages` steps."""

    def gather(self, tx: Connection, step: Step) -> Inherited | None:
        """Read documents that inherited another language, and their chunks."""
        source_id = tx.execute(_SELECT_SOURCE, {"run_id": step.run_id}).scalar_one()
        language = read_source_language(tx, source_id)
        if language is None:
            return None
        values = {"source_id": source_id, "language": language, "n": DOCUMENTS}
        documents = tx.execute(_SELECT_DOCUMENTS, values).all()
        chunks = tx.execute(_SELECT_CHUNKS, {"ids": json_rows([str(row.id) for row in documents])}).all()
        return Inherited(language, documents, chunks)

    def compute(self, gathered: Inherited | None) -> Corrected | None:
        """Count the words."""
        if gathered is None:
            return None
        documents = {row.id: row for row in gathered.documents}
        counted = []
        for chunk in gathered.chunks:
            document = documents[chunk.document_id]
            words = count_stored_words(document, chunk, gathered.language)
            counted.append({"id": chunk.id, "words": sparse_vector(words), "n": sum(words.values())})
        known = [{"id": str(row.id), "at": row.fetched_at.isoformat()} for row in gathered.documents]
        return Corrected(gathered.language, known, counted)

    def apply(self, tx: Connection, step: Step, computed: Corrected | None) -> StepResult:
        """Store the language and the words of documents that have not changed; continue if there may be more."""
        if computed is None or not computed.documents:
            return StepResult()
        values = {"language": computed.language, "documents": json_rows(computed.documents)}
        changed = tx.execute(_UPDATE_DOCUMENTS, values).scalars().all()
        ids = json_rows([str(document_id) for document_id in changed])
        tx.execute(_UPDATE_CHUNKS, {"ids": ids, "rows": json_rows(computed.chunks)})
        more = len(computed.documents) == DOCUMENTS and changed
        return StepResult(next_steps=[NewStep("collection", "correct_languages", f"{step.key}+")] if more else ())

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Leave the documents as they are: the source's next run tries again."""


_SELECT_SOURCE = sa.text("select source_id from runs where id = :run_id")

_INHERITED = "source_id = :source_id and inherits_language and deleted_at is null"

_HAS_INHERITED = sa.text(f"select exists (select 1 from documents where {_INHERITED})")

_SELECT_DOCUMENTS = sa.text(f"""
    select id, key, title, text, front_matter, fetched_at from documents
    where {_INHERITED} and language <> :language order by id limit cast(:n as integer)
""")

_IDS = "any(array(select cast(value as uuid) from json_array_elements_text(cast(:ids as json))))"

_SELECT_CHUNKS = sa.text(f"""
    select id, document_id, ordinal, start_offset, end_offset, header_start, header_end,
      to_json(heading_path) as heading_path, to_json(markup) as markup
    from chunks where document_id = {_IDS} order by id
""")

# Documents leave their segment, so search scans them until they are indexed again. A step that replaces a document's
# chunks locks the document first; one that is locked is being changed, and gets its language then.
_UPDATE_DOCUMENTS = sa.text("""
    update documents d set language = :language, word_segment_id = null from (
      select d.id from documents d
      join json_to_recordset(cast(:documents as json)) as r (id uuid, at timestamptz) on d.id = r.id
      where d.fetched_at = r.at and d.inherits_language order by d.id for update of d skip locked) unchanged
    where d.id = unchanged.id returning d.id
""")

_UPDATE_CHUNKS = sa.text(f"""
    update chunks c set words = cast(r.words as sparsevec), word_count = r.n
    from json_to_recordset(cast(:rows as json)) as r (id bigint, words text, n integer)
    where c.id = r.id and c.document_id = {_IDS}
""")

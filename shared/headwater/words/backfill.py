"""Count the words of chunks that a release before word counts has stored."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.database.transactions import json_rows, owner_transaction
from headwater.words.analysis import DEFAULT_LANGUAGE, count_chunk_words, sparse_vector
from headwater.words.languages import MAX_CHARS, detect_language

DOCUMENTS = 200
"""Documents of one transaction."""


def count_missing_words(admin_url: str, root_certificate: str = "") -> int:
    """Count the words of every chunk without; returns the number of documents. Can be interrupted and run again."""
    done = 0
    while True:
        with owner_transaction(admin_url, root_certificate) as tx:
            documents = tx.execute(_SELECT_DOCUMENTS, {"n": DOCUMENTS, "chars": MAX_CHARS}).all()
            for document in documents:
                _count(tx, document.id, detect_language(document.beginning) or DEFAULT_LANGUAGE)
        if not documents:
            return done
        done += len(documents)
        logs.event("words.counted", documents=done)


def _count(tx: Connection, document_id: object, language: str) -> None:
    rows = []
    for chunk in tx.execute(_SELECT_CHUNKS, {"document_id": document_id}):
        counts = count_chunk_words(chunk.key, chunk.title, chunk.heading_path, chunk.text, language=language)
        rows.append({"id": chunk.id, "words": sparse_vector(counts), "n": sum(counts.values())})
    tx.execute(_UPDATE_CHUNKS, {"rows": json_rows(rows)})
    tx.execute(_UPDATE_DOCUMENT, {"id": document_id, "language": language})


# A step that replaces a document's chunks locks the document first.
_SELECT_DOCUMENTS = sa.text("""
    select d.id, left(d.text, :chars) as beginning from documents d
    where exists (select 1 from chunks c where c.document_id = d.id and c.words is null)
    limit :n for update of d
""")

_SELECT_CHUNKS = sa.text("""
    select c.id, d.key, d.title, c.heading_path,
      substr(d.text, c.start_offset + 1, c.end_offset - c.start_offset) as text
    from chunks c join documents d on d.id = c.document_id where d.id = :document_id
""")

_UPDATE_CHUNKS = sa.text("""
    update chunks c set words = cast(r.words as sparsevec), word_count = r.n
    from json_to_recordset(cast(:rows as json)) as r (id bigint, words text, n integer) where c.id = r.id
""")

_UPDATE_DOCUMENT = sa.text("update documents set language = :language, word_segment_id = null where id = :id")

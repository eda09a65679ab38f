"""Count the words of chunks that are stored without: by a release before word counts, or since a migration has removed
counts that this release makes differently.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.database.transactions import json_rows, owner_transaction
from headwater.words.analysis import DEFAULT_LANGUAGE, sparse_vector
from headwater.words.languages import detect_language
from headwater.words.stored import count_stored_words

DOCUMENTS = 200
"""Documents of one transaction."""


def count_missing_words(admin_url: str, root_certificate: str = "") -> int:
    """Count the words of chunks without counts. Returns the number of documents. Continues where it was interrupted."""
    with owner_transaction(admin_url, root_certificate) as tx:
        documents = [str(document_id) for document_id in tx.execute(_SELECT_DOCUMENTS).scalars()]
    for start in range(0, len(documents), DOCUMENTS):
        ids = documents[start : start + DOCUMENTS]
        with owner_transaction(admin_url, root_certificate) as tx:
            for document_id in tx.execute(_LOCK_DOCUMENTS, {"ids": json_rows(ids)}).scalars().all():
                _count(tx, document_id)
        logs.event("words.counted", documents=start + len(ids), total=len(documents))
    return len(documents)


def _count(tx: Connection, document_id: uuid.UUID) -> None:
    """Count the words of a document, in the language that it inherits if its own can't be detected."""
    document = tx.execute(_SELECT_DOCUMENT, {"id": document_id}).one()
    detected = detect_language(document.text)
    language = detected or document.language or DEFAULT_LANGUAGE
    rows = []
    for chunk in tx.execute(_SELECT_CHUNKS, {"document_id": document_id}):
        counts = count_stored_words(document, chunk, language)
        rows.append({"id": chunk.id, "words": sparse_vector(counts), "n": sum(counts.values())})
    tx.execute(_UPDATE_CHUNKS, {"rows": json_rows(rows)})
    tx.execute(_UPDATE_DOCUMENT, {"id": document_id, "language": language, "inherits": detected is None})


# One scan of all chunks: there is no index of those without words.
_SELECT_DOCUMENTS = sa.text("select distinct document_id from chunks where words is null order by document_id")

# A step that replaces a document's chunks locks the document first.
_LOCK_DOCUMENTS = sa.text("""
    select id from documents
    where id = any(array(select cast(value as uuid) from json_array_elements_text(cast(:ids as json))))
    order by id for update
""")

_SELECT_DOCUMENT = sa.text("select key, title, text, front_matter, language from documents where id = :id")

_SELECT_CHUNKS = sa.text("""
    select id, ordinal, start_offset, end_offset, header_start, header_end,
      to_json(heading_path) as heading_path, to_json(markup) as markup
    from chunks where document_id = :document_id
""")

_UPDATE_CHUNKS = sa.text("""
    update chunks c set words = cast(r.words as sparsevec), word_count = r.n
    from json_to_recordset(cast(:rows as json)) as r (id bigint, words text, n integer) where c.id = r.id
""")

_UPDATE_DOCUMENT = sa.text("""
    update documents set language = :language, inherits_language = :inherits, word_segment_id = null where id = :id
""")

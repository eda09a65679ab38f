"""Restore a removed document.

A removed document keeps its text, chunks, links and vectors, so it is searchable again at once. A run of kind `restore`
resolves the links to it and embeds what has no vector, e.g. because the embedding model has changed since.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.documents import Document, read_document, read_document_ref
from functions.collection.runs.locks import lock_source
from functions.collection.runs.manual import mark_for_embedding, open_manual_run
from headwater.errors import Conflict


def restore_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> Document:
    """Restore a removed document. No run removes it until its source has listed it again.

    Raises NotFound, also after the purge, or Conflict if it isn't removed or another run of its source is open.
    """
    document = read_document_ref(tx, workspace_id, document_id)
    lock_source(tx, workspace_id, document.source_id)
    # Open the run before updating the document: a step may hold the document's lock while it waits for the source's.
    open_manual_run(tx, workspace_id, document.source_id, kind="restore", items=[{"k": document.key, "a": "added"}])
    if not tx.execute(_RESTORE, {"id": document_id}).rowcount:
        read_document(tx, workspace_id, document_id)  # raises NotFound if it was purged in the meantime
        raise Conflict("This document isn't removed, so it can't be restored.")
    mark_for_embedding(tx, document.source_id)
    return read_document(tx, workspace_id, document_id)


_RESTORE = sa.text("""
    update documents set deleted_at = null, held = coalesce(held, 'restored')
    where id = :id and deleted_at is not null
""")

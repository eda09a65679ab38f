"""Tombstones: a removed document flows in, the same document flows out, found again at once.

It has kept its text, chunks and links, and its vectors wait by their hashes. A run of kind `restore` does what may be
left: links that lead to it, and vectors that it has never had, such as in a model chosen since.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.documents import Document, read_document, read_document_ref
from functions.collection.runs.manual import lock_source, mark_for_embedding, open_manual_run
from headwater.errors import Conflict


def restore_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> Document:
    """Bring a removed document back; no sync removes it before its source has listed it again.

    Raises NotFound (also after the purge), or Conflict when it isn't removed or a run of its source is open.
    """
    document = read_document_ref(tx, workspace_id, document_id)
    lock_source(tx, workspace_id, document.source_id)
    # Before the document is touched: a step of a run that is open may hold it, and want the source next.
    open_manual_run(tx, workspace_id, document.source_id, "restore", [{"k": document.key, "a": "added"}])
    if not tx.execute(_RESTORE, {"id": document_id}).rowcount:
        read_document(tx, workspace_id, document_id)  # it may have been purged since
        raise Conflict("The document isn't removed.")
    mark_for_embedding(tx, document.source_id)
    return read_document(tx, workspace_id, document_id)


_RESTORE = sa.text("""
    update documents set deleted_at = null, held = coalesce(held, 'restored')
    where id = :id and deleted_at is not null
""")

"""Documents that a person adds to a source, beside what the source lists, and takes out again."""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents import read_document
from functions.collection.join import hold_source, open_run
from headwater.errors import Conflict


def delete_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> None:
    """Remove a document that was added by hand; nothing finds it from then on, and it can be restored.

    Raises NotFound, or Conflict for one that its source lists, and while a run of the source is open.
    """
    document = read_document(tx, workspace_id, document_id)
    if document.held != "added":
        raise Conflict(
            f"{document.key} comes from the source. Take it out there, or exclude it; the next collect removes it here."
        )
    hold_source(tx, workspace_id, document.source_id)
    if not tx.execute(_DELETE, {"id": document_id}).rowcount:
        raise Conflict(f"{document.key} is removed already.")
    open_run(tx, workspace_id, document.source_id, "upload", [{"k": document.key, "a": "removed"}])


_DELETE = sa.text("update documents set deleted_at = now() where id = :id and deleted_at is null and held = 'added'")

"""Pin and hide documents. Search ranks pinned ones higher and doesn't find hidden ones.

A placement stays with the document when it is collected again, moves, or is removed and restored.
"""

import uuid
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.documents import Placement, read_document_ref
from headwater.auth import audit_log
from headwater.auth.callers import Caller

_Action = Literal["document.pinned", "document.hidden", "document.unpinned", "document.shown"]


class DocumentChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of a document: whether it is pinned, hidden, or neither (null)."""

    placement: Placement | None


def place_document(tx: Connection, caller: Caller, document_id: uuid.UUID, placement: Placement | None) -> None:
    """Pin or hide a document, or undo that. Raises NotFound."""
    document = read_document_ref(tx, caller.workspace_id, document_id)
    values = {"id": document_id, "workspace_id": caller.workspace_id, "placement": placement}
    previous = tx.execute(_LOCK, values).scalar_one()
    if previous == placement:
        return
    tx.execute(_PLACE, values)
    audit_log.record(tx, caller, _action(placement, previous), document_id, name=document.key)


def _action(placement: Placement | None, previous: Placement | None) -> _Action:
    if placement is not None:
        return "document.pinned" if placement == "pinned" else "document.hidden"
    return "document.unpinned" if previous == "pinned" else "document.shown"


_LOCK = sa.text("select placement from documents where id = :id and workspace_id = :workspace_id for update")

_PLACE = sa.text("update documents set placement = :placement where id = :id and workspace_id = :workspace_id")

"""Documents that a person adds to a source: text flows in, read and cut as what a source gives; a stored document out.

No sync removes or replaces them. The text is read outside of any transaction, as a step reads it; a run of kind
`upload` then resolves links and embeds. Deleting leaves a tombstone, as everywhere.
"""

import hashlib
import re
import uuid

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors.media_types import media_type
from functions.collection.documents.documents import read_document_ref
from functions.collection.pipeline.fetch import Rows, read_active_model, read_files, store
from functions.collection.runs.manual import lock_source, mark_for_embedding, open_manual_run, record_chunks
from functions.collection.sources.sources import check_source
from headwater.connectors import Fetched
from headwater.embedding.base import Tokenizer
from headwater.errors import Conflict, PayloadTooLarge, UnprocessableContent

MAX_KEY_BYTES = 1000
"""An index holds keys, and takes no more than 2,700 bytes of one."""

_TEXT = re.compile(r"text/[a-z0-9][a-z0-9.+-]{0,60}")


class NewDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document to be added, or to take the place of one added before with the same key.

    `key` is its path, by which others link to it. Without a `title` it is found as in a file: in the front matter, the
    first heading, the key. The text is read as Markdown.
    """

    key: str
    text: str
    title: str | None = None
    media_type: str | None = None


class AddedDocument(msgspec.Struct, frozen=True):
    """The document as it is stored, and the run that embeds it."""

    run_id: uuid.UUID
    document_id: uuid.UUID


def check_addable(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, key: str) -> str:
    """Return the model to cut for; raises UnprocessableContent for no key, NotFound, Conflict for the source's own."""
    _check_key(key)
    check_source(tx, workspace_id, source_id)
    _check_free(tx, source_id, key)
    return read_active_model(tx)


def read(new: NewDocument, tokenizer: Tokenizer, max_bytes: int) -> Rows:
    """Read and cut a document; raises PayloadTooLarge or UnprocessableContent with what is wrong."""
    content = new.text.encode()
    if len(content) > max_bytes:
        raise PayloadTooLarge(f"text: {len(content):,} bytes; at most {max_bytes:,} are taken (MAX_FILE_BYTES).")
    if not new.text.strip():
        raise UnprocessableContent("text: there is nothing in it to be found.")
    title = None if new.title is None else " ".join(new.title.split())
    if title == "":
        raise UnprocessableContent("title: it is empty; leave it out for the text's own.")
    kind = (new.media_type or media_type(new.key, content)).strip().lower()
    if not _TEXT.fullmatch(kind):
        raise UnprocessableContent(f"media_type: {kind} isn't text, such as text/markdown.")
    hashed = hashlib.sha256(msgspec.json.encode((new.text, title, kind))).hexdigest()
    file = Fetched(new.key, content, kind, title=title)
    rows = read_files(iter([file]), {new.key: f"by-hand-{hashed[:40]}"}, tokenizer)
    if error := rows.documents[0]["error"]:
        raise UnprocessableContent(f"text: {error}.")
    return rows


def add_document(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, rows: Rows) -> AddedDocument:
    """Store what `read` made of a document and open the run that embeds it, or have an open one do that.

    Raises NotFound, or Conflict for a key of the source's own and while another run of it is open.
    """
    [document] = rows.documents
    key = document["k"]
    lock_source(tx, workspace_id, source_id)
    action = "changed" if _check_free(tx, source_id, key) else "added"
    warnings = "; ".join(item["warning"] for item in rows.told) or None
    item = {"k": key, "a": action, "f": document["f"], "w": warnings}
    run_id = open_manual_run(tx, workspace_id, source_id, "upload", [item])
    document_id = store(tx, workspace_id, run_id, rows)[key]
    tx.execute(sa.text("update documents set held = 'added' where id = :id"), {"id": document_id})
    record_chunks(tx, run_id, key, len(rows.chunks))
    mark_for_embedding(tx, source_id)
    return AddedDocument(run_id, document_id)


def delete_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> None:
    """Remove a document that was added by hand; nothing finds it from then on, and it can be restored.

    Raises NotFound, or Conflict for one that its source lists, and while a run of the source is open.
    """
    document = read_document_ref(tx, workspace_id, document_id)
    if document.held != "added":
        raise Conflict(
            f"{document.key} comes from the source. Take it out there, or exclude it; the next collect removes it here."
        )
    lock_source(tx, workspace_id, document.source_id)
    if not tx.execute(_DELETE, {"id": document_id}).rowcount:
        raise Conflict(f"{document.key} is removed already.")
    open_manual_run(tx, workspace_id, document.source_id, "upload", [{"k": document.key, "a": "removed"}])


def _check_free(tx: Connection, source_id: uuid.UUID, key: str) -> bool:
    """Raise Conflict for a key of the source's own; tells whether a document added by hand has it already."""
    there = tx.execute(_THERE, {"source_id": source_id, "key": key}).one_or_none()
    if there is not None and there.held != "added":
        raise Conflict(f"{key} comes from the source; choose another key, or change it there.")
    return there is not None


def _check_key(key: str) -> None:
    parts = key.split("/")
    if not 1 <= len(key.encode(errors="replace")) <= MAX_KEY_BYTES or not key.isprintable() or key != key.strip():
        raise UnprocessableContent(f"key: 1 to {MAX_KEY_BYTES:,} bytes of printable characters are expected.")
    if any(part in ("", ".", "..") for part in parts):
        raise UnprocessableContent("key: a path such as notes/install.md is expected, without empty parts, . or ..")


_THERE = sa.text("select held from documents where source_id = :source_id and key = :key and deleted_at is null")

_DELETE = sa.text("update documents set deleted_at = now() where id = :id and deleted_at is null and held = 'added'")

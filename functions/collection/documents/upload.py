"""Manual upload: add a document to a source, replace it, delete it.

No run removes or replaces an uploaded document. Its text is parsed and chunked as in a `fetch` step, outside of a
transaction; a run of kind `upload` then resolves links and embeds. Deleting leaves a tombstone.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors.media_types import media_type
from functions.collection.documents.documents import read_document_ref
from functions.collection.documents.fingerprints import stored_fingerprint
from functions.collection.documents.parsed_file import ParsedFile, ParseFailure
from functions.collection.documents.store import (
    DocumentRows,
    document_rows,
    read_active_model,
    read_source_language,
    store,
)
from functions.collection.runs.locks import lock_source
from functions.collection.runs.manual import mark_for_embedding, open_manual_run, record_chunks
from functions.collection.sources.sources import check_source
from headwater.connectors import Entry, Fetched
from headwater.errors import Conflict, PayloadTooLarge, UnprocessableContent

MAX_KEY_BYTES = 1000
"""Keys are indexed; Postgres limits a B-tree entry to about 2,700 bytes."""

Parse = Callable[[Sequence[Fetched]], Iterable[tuple[Fetched, ParsedFile | ParseFailure]]]
"""Returns files with their results (`ParserPool.parse`)."""

_TEXT = re.compile(r"text/[a-z0-9][a-z0-9.+-]{0,60}")


class NewDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document to add. It replaces an uploaded document with the same key.

    `key` is the document's path, which links refer to. `text` is Markdown. The default of `title` is the front matter's
    title, the main heading, or the file's name.
    """

    key: str
    text: str
    title: str | None = None
    media_type: str | None = None


class AddedDocument(msgspec.Struct, frozen=True):
    """The stored document, and the run that embeds it."""

    run_id: uuid.UUID
    document_id: uuid.UUID


def check_addable(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, key: str) -> tuple[str, str | None]:
    """Return the embedding model to chunk for, and the language of the source's documents.

    Raises UnprocessableContent for an invalid key, NotFound, or Conflict if the source itself has the key.
    """
    check_key(key)
    check_source(tx, workspace_id, source_id)
    _check_key_is_free(tx, source_id, key)
    return read_active_model(tx), read_source_language(tx, source_id)


def read(new: NewDocument, parse: Parse, max_bytes: int) -> DocumentRows:
    """Parse and chunk a document. Raises PayloadTooLarge or UnprocessableContent, and what else `parse` raises."""
    content = new.text.encode()
    if len(content) > max_bytes:
        raise PayloadTooLarge(
            f"text: {len(content):,} bytes are more than the limit of {max_bytes:,} bytes (MAX_FILE_BYTES)."
        )
    if not new.text.strip():
        raise UnprocessableContent("text: enter some text. The document is empty.")
    title = None if new.title is None else " ".join(new.title.split())
    if title == "":
        raise UnprocessableContent("title: enter a title, or omit the field to use the text's main heading.")
    kind = (new.media_type or media_type(new.key, content)).strip().lower()
    if not _TEXT.fullmatch(kind):
        raise UnprocessableContent(f"media_type: {kind} isn't a text type. Use a type such as text/markdown.")
    hashed = hashlib.sha256(msgspec.json.encode((new.text, title, kind))).hexdigest()
    file = Fetched(new.key, content, kind, title=title)
    fingerprint = stored_fingerprint(Entry(new.key, f"by-hand-{hashed[:40]}", kind))
    rows = document_rows(parse([file]), {new.key: fingerprint})
    if error := rows.documents[0]["error"]:
        raise UnprocessableContent(f"text: {error.rstrip('.')}.")
    return rows


def add_document(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, rows: DocumentRows) -> AddedDocument:
    """Store a parsed document and open the run that embeds it, or extend the open `upload` run.

    Raises NotFound, or Conflict if the source itself has the key, or a run of another kind is open.
    """
    [document] = rows.documents
    key = document["k"]
    lock_source(tx, workspace_id, source_id)
    action = "changed" if _check_key_is_free(tx, source_id, key) else "added"
    warnings = "; ".join(item["warning"] for item in rows.item_updates) or None
    item = {"k": key, "a": action, "f": document["f"], "w": warnings}
    run_id = open_manual_run(tx, workspace_id, source_id, kind="upload", items=[item])
    document_id = store(tx, workspace_id, run_id, rows)[key]
    tx.execute(sa.text("update documents set held = 'added' where id = :id"), {"id": document_id})
    record_chunks(tx, run_id, key, len(rows.chunks))
    mark_for_embedding(tx, source_id)
    return AddedDocument(run_id, document_id)


def delete_document(tx: Connection, workspace_id: uuid.UUID, document_id: uuid.UUID) -> None:
    """Remove an uploaded document. It is no longer searchable, and can be restored.

    Raises NotFound, or Conflict if the document comes from the source, is removed already, or a run is open.
    """
    document = read_document_ref(tx, workspace_id, document_id)
    if document.held != "added":
        raise Conflict(
            f"{document.key} comes from the source, so it can't be deleted here. "
            "Delete it in the source, or exclude it in the source's settings; the next run removes it."
        )
    lock_source(tx, workspace_id, document.source_id)
    if not tx.execute(_DELETE, {"id": document_id}).rowcount:
        raise Conflict(f"{document.key} has already been removed.")
    items = [{"k": document.key, "a": "removed"}]
    open_manual_run(tx, workspace_id, document.source_id, kind="upload", items=items)


def _check_key_is_free(tx: Connection, source_id: uuid.UUID, key: str) -> bool:
    """Raise Conflict if the source itself has the key. Returns whether an uploaded document has it."""
    document = tx.execute(_BY_KEY, {"source_id": source_id, "key": key}).one_or_none()
    if document is not None and document.held != "added":
        raise Conflict(f"{key} comes from the source. Choose another key, or change the document in the source.")
    return document is not None


def check_key(key: str, field: str = "key") -> None:
    """Raise UnprocessableContent for a key that can't be a document's, such as one with `..`. `field` is its name."""
    parts = key.split("/")
    if not 1 <= len(key.encode(errors="replace")) <= MAX_KEY_BYTES or not key.isprintable() or key != key.strip():
        raise UnprocessableContent(f"{field}: use 1 to {MAX_KEY_BYTES:,} bytes of printable characters.")
    if any(part in ("", ".", "..") for part in parts):
        raise UnprocessableContent(f"{field}: use a path such as notes/install.md, without empty parts, `.` or `..`.")


_BY_KEY = sa.text("select held from documents where source_id = :source_id and key = :key and deleted_at is null")

# A listing that continued from a cursor would not have the source's own document with this key.
_DELETE = sa.text("""
    with source as (update sources s set cursor = null from documents d where d.id = :id and s.id = d.source_id)
    update documents set deleted_at = now() where id = :id and deleted_at is null and held = 'added'
""")

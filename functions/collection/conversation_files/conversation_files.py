"""Store, list, read and delete the files of a caller's conversations.

What is read of a file is stored here, its bytes in the conversation's file store (`headwater.file_store`), where agents
read and change it. It belongs to one conversation, and is deleted with it. A file with the same name replaces another.
Functions run in the caller's transaction.
"""

import datetime as dt
import uuid
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.documents.store import DocumentRows
from headwater.auth.callers import LOCAL, Caller, ensure_local_workspace
from headwater.conversations import row_id
from headwater.database.copy import copy_rows
from headwater.database.transactions import json_rows
from headwater.errors import Conflict, NotFound, PayloadTooLarge
from headwater.file_store import versions
from headwater.file_store.places import Place, Quota, path_of_attachment
from headwater.file_store.versions import NewVersion

MAX_CHUNKS = 20_000
"""Chunks of a conversation's files: all are scanned for the words of each question."""


class ConversationFile(msgspec.Struct, frozen=True):
    """A file of a conversation. `warnings` say what was left out when it was read."""

    id: uuid.UUID
    name: str
    media_type: str
    bytes: int
    title: str
    warnings: list[str]
    created_at: dt.datetime


class ConversationFileText(ConversationFile, frozen=True):
    """A file of a conversation with its text: `text[start:end]` of a citation is its passage, in code points.

    `pages` has the offset in the text at which each page begins; it is empty for formats without pages.
    """

    text: str
    pages: list[int]


class ConversationFileList(msgspec.Struct, frozen=True):
    """The files of a conversation, oldest first."""

    files: list[ConversationFile]


class Attachment(NamedTuple):
    """A file to store: its conversation, name, size, and the SHA-256 of its stored content."""

    conversation_id: str
    name: str
    bytes: int
    sha256: str = ""


class Room(msgspec.Struct, frozen=True):
    """What a conversation may have: files, and bytes of all of them."""

    files: int
    bytes: int


def check_room(tx: Connection, caller: Caller, new: Attachment, room: Room) -> bool:
    """Raise an error unless the conversation takes a file of this size. Returns whether the conversation exists.

    Conflict for too many files, PayloadTooLarge for too many bytes. A file with the same name is replaced, so it
    doesn't count.
    """
    row = tx.execute(_USED, {**_own(caller, new.conversation_id), "name": new.name}).one()
    if row.files >= room.files:
        raise Conflict(
            f"This conversation has {row.files} files, and can't have more (MAX_CONVERSATION_FILES). Remove a file, or "
            "start another conversation."
        )
    if row.bytes + new.bytes > room.bytes:
        raise PayloadTooLarge(
            f"The files of this conversation have {row.bytes:,} bytes. With this one, they would have more than "
            f"{room.bytes:,} (MAX_CONVERSATION_BYTES). Remove a file, or attach a smaller one."
        )
    exists: bool = row.is_there
    return exists


def add_file(
    tx: Connection, caller: Caller, new: Attachment, rows: DocumentRows, room: Room, *, quota: Quota, existed: bool
) -> ConversationFile:
    """Store a file that was read, in place of one with the same name. Creates the conversation with the first file.

    Raises NotFound if the conversation `existed` and was deleted meanwhile, what `check_room` raises, and what adding
    a version to the file store raises.
    """
    [document] = rows.documents
    if caller.subject == LOCAL:
        ensure_local_workspace(tx, caller.workspace_id)
    values = {**_own(caller, new.conversation_id), "name": new.name}
    # Locks the conversation's row until the transaction ends, so that files are stored one at a time.
    if existed:
        if tx.execute(_LOCK, values).rowcount == 0:
            raise NotFound(f"Conversation not found: {new.conversation_id}.")
    else:
        tx.execute(_CREATE, {**values, "client_id": new.conversation_id})
    check_room(tx, caller, new, room)
    tx.execute(_REPLACE, values)
    chunks = tx.execute(_CHUNKS, values).scalar_one()
    if chunks + len(rows.chunks) > MAX_CHUNKS:
        raise PayloadTooLarge(
            f"The text of this conversation's files is too long: with this one, it has {chunks + len(rows.chunks):,} "
            f"passages; {MAX_CHUNKS:,} are allowed. Remove a file, or add the file to a source."
        )
    values |= {"version_id": _add_version(tx, place_of(caller, new.conversation_id), new, quota)}
    stored = tx.execute(
        _INSERT, {**values, "row": json_rows([document]), "bytes": new.bytes, "chunks": len(rows.chunks)}
    ).one()
    copy_rows(tx, "new_conversation_chunks", _NEW_CHUNKS, (_without_key(row) for row in rows.chunks))
    tx.execute(_INSERT_CHUNKS, {"file_id": stored.id, "workspace_id": caller.workspace_id})
    return ConversationFile(**stored._mapping)


def list_files(tx: Connection, caller: Caller, conversation_id: str) -> ConversationFileList:
    """Return the files of a conversation; none if the caller has no such conversation."""
    rows = tx.execute(_LIST, _own(caller, conversation_id))
    return ConversationFileList([ConversationFile(**row._mapping) for row in rows])


def read_file(tx: Connection, caller: Caller, file_id: uuid.UUID) -> ConversationFileText:
    """Return a file of one of the caller's conversations. Raises NotFound."""
    row = tx.execute(_READ, _of_caller(caller, file_id)).one_or_none()
    if row is None:
        raise NotFound(f"File not found: {file_id}.")
    return ConversationFileText(**row._mapping)


def delete_file(tx: Connection, caller: Caller, file_id: uuid.UUID) -> None:
    """Delete a file of one of the caller's conversations, with all versions of it. Raises NotFound."""
    row = tx.execute(_DELETE, _of_caller(caller, file_id)).one_or_none()
    if row is None:
        raise NotFound(f"File not found: {file_id}.")
    if row.path is not None:
        versions.remove(tx, Place(caller.workspace_id, row.conversation_id), row.path)


def place_of(caller: Caller, conversation_id: str) -> Place:
    """Return the file store of one of the caller's conversations."""
    return Place(caller.workspace_id, row_id(caller, conversation_id))


def _add_version(tx: Connection, place: Place, new: Attachment, quota: Quota) -> uuid.UUID:
    """Add a file to the file store. Returns its version: the current one, if that has the same content."""
    path = path_of_attachment(new.name)
    added = versions.add(tx, place, [NewVersion(path, new.sha256, new.bytes)], quota)
    return added[0].id if added else versions.find(tx, place, path).id


def _own(caller: Caller, conversation_id: str) -> dict[str, Any]:
    stored_id = row_id(caller, conversation_id)
    return {"workspace_id": caller.workspace_id, "conversation_id": stored_id, "subject": caller.subject}


def _of_caller(caller: Caller, file_id: uuid.UUID) -> dict[str, Any]:
    return {"workspace_id": caller.workspace_id, "subject": caller.subject, "id": file_id}


def _without_key(row: Any) -> tuple[Any, ...]:
    """Return what is stored of a chunk's row: without key, input hash and number of tokens."""
    _, ordinal, start, end, headings, _, _, *rest = row
    return (ordinal, start, end, headings, *rest)


_COLUMNS = "f.id, f.name, f.media_type, f.bytes, f.title, f.warnings, f.created_at"

_CONVERSATION = "c.workspace_id = :workspace_id and c.id = :conversation_id and c.subject = :subject"

_JOINED = "c.workspace_id = f.workspace_id and c.id = f.conversation_id and c.subject = :subject"

_USED = sa.text(f"""
    select exists (select from conversations c where {_CONVERSATION}) as is_there,
      count(*) as files, cast(coalesce(sum(f.bytes), 0) as bigint) as bytes
    from conversation_files f
    where f.workspace_id = :workspace_id and f.conversation_id = :conversation_id and f.name <> :name
""")

_LOCK = sa.text(f"update conversations c set updated_at = now() where {_CONVERSATION}")

# A conversation without a question has the name of its first file as its title; its first question replaces it.
_CREATE = sa.text("""
    insert into conversations (workspace_id, id, subject, client_id, title)
    values (:workspace_id, :conversation_id, :subject, :client_id, left(:name, 80))
    on conflict (workspace_id, id) do update set updated_at = now()
""")

_IN_CONVERSATION = "workspace_id = :workspace_id and conversation_id = :conversation_id"

_REPLACE = sa.text(f"delete from conversation_files where {_IN_CONVERSATION} and name = :name")

_CHUNKS = sa.text(f"""
    select cast(coalesce(sum(chunks), 0) as bigint) from conversation_files where {_IN_CONVERSATION}
""")

_INSERT = sa.text(f"""
    insert into conversation_files as f (workspace_id, conversation_id, name, media_type, bytes, title, text, language,
      page_starts, warnings, chunks, version_id)
    select cast(:workspace_id as uuid), :conversation_id, r.k, r.media_type, :bytes, r.title, r.text, r.language,
      cast(r.pages as integer[]), r.warnings, :chunks, cast(:version_id as uuid)
    from json_to_recordset(cast(:row as json)) as r (k text, media_type text, title text, text text, language text,
      pages text, warnings jsonb)
    returning {_COLUMNS}
""")

_NEW_CHUNKS = """ordinal integer, start_offset integer, end_offset integer, heading_path text[], markup integer[],
    header_start integer, header_end integer, words sparsevec, word_count integer"""

_INSERT_CHUNKS = sa.text("""
    insert into conversation_chunks (workspace_id, file_id, ordinal, start_offset, end_offset, heading_path, markup,
      header_start, header_end, words, word_count)
    select cast(:workspace_id as uuid), cast(:file_id as uuid), ordinal, start_offset, end_offset, heading_path, markup,
      header_start, header_end, words, word_count
    from new_conversation_chunks
""")

_LIST = sa.text(f"""
    select {_COLUMNS} from conversation_files f join conversations c on {_JOINED}
    where f.workspace_id = :workspace_id and f.conversation_id = :conversation_id order by f.created_at, f.name
""")

_READ = sa.text(f"""
    select {_COLUMNS}, f.text, coalesce(f.page_starts, '{{}}') as pages
    from conversation_files f join conversations c on {_JOINED}
    where f.workspace_id = :workspace_id and f.id = :id
""")

_DELETE = sa.text(f"""
    delete from conversation_files f using conversations c
    where {_JOINED} and f.workspace_id = :workspace_id and f.id = :id
    returning f.conversation_id, (
      select v.path from file_versions v where v.workspace_id = f.workspace_id and v.id = f.version_id) as path
""")

"""Which path of a conversation has which content: list, read, add and remove versions.

Functions run in the caller's transaction. `add` locks the conversation's row; a transaction that also locks one of its
messages calls `lock` before, in the order in which a deletion locks them.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth.callers import Caller
from headwater.conversations import row_id
from headwater.errors import Conflict, NotFound
from headwater.file_store.contents import check_room
from headwater.file_store.places import MAX_FILES, MAX_VERSIONS, Place, Quota, check_paths


class Version(msgspec.Struct, frozen=True):
    """A version of a file. `sha256` is null for one that says that the file was deleted.

    `message_id` is the answer that wrote it, null for the person.
    """

    id: uuid.UUID
    path: str
    version: int
    sha256: str | None
    bytes: int
    message_id: uuid.UUID | None
    created_at: dt.datetime


class NewVersion(msgspec.Struct, frozen=True):
    """A version to add. `sha256` is that of a content that was put, None to delete the file.

    `based_on`: the version that must be the current one, 0 for none; None for any.
    """

    path: str
    sha256: str | None
    bytes: int = 0
    based_on: int | None = None


def find_place(tx: Connection, caller: Caller, conversation_id: str) -> Place:
    """Return the file store of one of the caller's conversations. Raises NotFound."""
    place = Place(caller.workspace_id, row_id(caller, conversation_id))
    if tx.execute(_OWN, {**_values(place), "subject": caller.subject}).one_or_none() is None:
        raise NotFound(f"Conversation not found: {conversation_id}.")
    return place


def lock(tx: Connection, place: Place) -> None:
    """Lock the conversation until the transaction ends. Raises NotFound if it was deleted."""
    if tx.execute(_LOCK, _values(place)).one_or_none() is None:
        raise NotFound("The conversation was deleted.")


def add(
    tx: Connection,
    place: Place,
    new: Sequence[NewVersion],
    quota: Quota,
    *,
    message_id: uuid.UUID | None = None,
    key: str | None = None,
) -> list[Version]:
    """Add versions, all or none. Returns those that were added: a file with the same content stays as it is.

    With a `key` that was used before, nothing is added, and what was added with it is returned.

    Raises Conflict if a file has changed since `based_on` or there are too many, PayloadTooLarge for the quota,
    UnprocessableContent for paths that exclude each other, NotFound if the conversation was deleted.
    """
    lock(tx, place)
    values = _values(place)
    if key is not None and (before := tx.execute(_BY_KEY, {**values, "key": key}).all()):
        return [_version(row) for row in before]
    current = {version.path: version for version in _last(tx, place)}
    changes = [each for each in new if _is_change(each, current.get(each.path))]
    if not changes:
        return []
    files = {path for path, version in current.items() if version.sha256}
    files |= {each.path for each in changes if each.sha256}
    files -= {each.path for each in changes if each.sha256 is None}
    check_paths(files)
    if len(files) > MAX_FILES:
        raise Conflict(f"The conversation would have {len(files):,} files, more than {MAX_FILES:,}. Delete some first.")
    count: int = tx.execute(_COUNT, values).scalar_one()
    if count + len(changes) > MAX_VERSIONS:
        raise Conflict(
            f"The conversation has {count:,} versions of files, and can't have more than {MAX_VERSIONS:,}. Remove "
            "files, or start another conversation."
        )
    check_room(tx, place, {each.sha256: each.bytes for each in changes if each.sha256}, quota)
    rows = [
        {
            "path": each.path,
            "version": current[each.path].version + 1 if each.path in current else 1,
            "sha256": each.sha256,
            "bytes": each.bytes,
        }
        for each in changes
    ]
    added = {**values, "rows": msgspec.json.encode(rows).decode(), "message_id": message_id, "key": key}
    return sorted((_version(row) for row in tx.execute(_INSERT, added)), key=lambda version: version.path)


def list_files(tx: Connection, place: Place) -> list[Version]:
    """Return the current versions of the files, by path."""
    return [version for version in _last(tx, place) if version.sha256]


def list_versions(tx: Connection, place: Place, path: str) -> list[Version]:
    """Return all versions of a file, latest first; none if there was no such file."""
    return [_version(row) for row in tx.execute(_VERSIONS, {**_values(place), "path": path})]


def list_changes(tx: Connection, place: Place, message_id: uuid.UUID) -> list[Version]:
    """Return the versions that an answer wrote, by path and version."""
    return [_version(row) for row in tx.execute(_CHANGES, {**_values(place), "message_id": message_id})]


def find(tx: Connection, place: Place, path: str, version: int | None = None) -> Version:
    """Return a version of a file, the current one by default. Raises NotFound, for a deleted one too."""
    row = tx.execute(_FIND, {**_values(place), "path": path, "version": version}).one_or_none()
    if row is None or row.sha256 is None:
        wanted = f"{path!r}" if version is None else f"version {version} of {path!r}"
        raise NotFound(f"File not found: {wanted}.")
    return _version(row)


def remove(tx: Connection, place: Place, path: str) -> int:
    """Remove a file with all its versions, for good. Returns the number of versions."""
    return tx.execute(_REMOVE, {**_values(place), "path": path}).rowcount


def _is_change(new: NewVersion, current: Version | None) -> bool:
    if new.based_on is not None and new.based_on != (current.version if current else 0):
        raise Conflict(f"{new.path} has changed since it was read. Read it again, then change it.")
    return new.sha256 != (current.sha256 if current else None)


def _last(tx: Connection, place: Place) -> list[Version]:
    """Return the last version of each path, deleted ones too."""
    return [_version(row) for row in tx.execute(_LAST, _values(place))]


def _version(row: Any) -> Version:
    return Version(**row._mapping)


def _values(place: Place) -> dict[str, Any]:
    return {"workspace_id": place.workspace_id, "conversation_id": place.conversation_id}


_IN_PLACE = "workspace_id = :workspace_id and conversation_id = :conversation_id"

_COLUMNS = "id, path, version, encode(sha256, 'hex') as sha256, bytes, message_id, created_at"

_OWN = sa.text("""
    select 1 from conversations where workspace_id = :workspace_id and id = :conversation_id and subject = :subject
""")

_LOCK = sa.text("""
    select 1 from conversations where workspace_id = :workspace_id and id = :conversation_id for no key update
""")

_BY_KEY = sa.text(f"select {_COLUMNS} from file_versions where {_IN_PLACE} and key = :key order by path")

_LAST = sa.text(f"""
    select distinct on (path) {_COLUMNS} from file_versions where {_IN_PLACE} order by path, version desc
""")

_COUNT = sa.text(f"select count(*) from file_versions where {_IN_PLACE}")

_INSERT = sa.text(f"""
    insert into file_versions (workspace_id, conversation_id, path, version, sha256, bytes, message_id, key)
    select cast(:workspace_id as uuid), :conversation_id, r.path, r.version, decode(r.sha256, 'hex'), r.bytes,
      cast(:message_id as uuid), cast(:key as text)
    from json_to_recordset(cast(:rows as json)) as r (path text, version integer, sha256 text, bytes bigint)
    returning {_COLUMNS}
""")

_VERSIONS = sa.text(f"""
    select {_COLUMNS} from file_versions where {_IN_PLACE} and path = :path order by version desc
""")

_CHANGES = sa.text(f"""
    select {_COLUMNS} from file_versions where {_IN_PLACE} and message_id = :message_id order by path, version
""")

_FIND = sa.text(f"""
    select {_COLUMNS} from file_versions
    where {_IN_PLACE} and path = :path and version = coalesce(cast(:version as integer), version)
    order by version desc limit 1
""")

_REMOVE = sa.text(f"delete from file_versions where {_IN_PLACE} and path = :path")

"""Uploaded files: store, list, delete and restore them. A replaced or deleted version stays for `KEEP_DELETED_DAYS`.

The content of a version is a blob of its own, which is stored before the row that names it. A crash in between leaves a
blob without a row, which is deleted with the source.
"""

import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from typing import Annotated

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from functions.collection.runs.locks import lock_source
from headwater.database.transactions import json_rows
from headwater.errors import Conflict, NotFound, PayloadTooLarge, UnprocessableContent

MAX_VERSIONS = 50_000
"""Files of a source, with their replaced and deleted versions."""

MAX_VERSIONS_PURGED = 100
"""Expired versions deleted with an upload."""


class UploadedFile(msgspec.Struct, frozen=True):
    """A version of an uploaded file. `replaced_at` is when it was replaced or deleted, null for the current one."""

    id: uuid.UUID
    source_id: uuid.UUID
    path: str
    bytes: int
    sha256: str
    created_at: dt.datetime
    replaced_at: dt.datetime | None


class FileQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page of files after `after`, the previous page's `next`.

    `versions` lists replaced and deleted versions, newest first, instead of current files.
    """

    versions: bool = False
    path: str = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class FileList(msgspec.Struct, frozen=True):
    """A page of files by path. `next` is the next page's `after`, null on the last page."""

    files: list[UploadedFile]
    next: str | None


class NewVersion(msgspec.Struct, frozen=True):
    """A version to store, whose content is stored."""

    id: uuid.UUID
    path: str
    bytes: int
    sha256: str


def new_version(path: str, content: bytes) -> NewVersion:
    """Describe a new version of a file."""
    return NewVersion(uuid.uuid4(), path, len(content), hashlib.sha256(content).hexdigest())


def check_room(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, new_bytes: int, max_bytes: int) -> None:
    """Raise an error unless the source takes a file of this size.

    NotFound; Conflict for a source of another kind, or with MAX_VERSIONS; PayloadTooLarge if its files would have more
    than `max_bytes`.
    """
    row = tx.execute(_SOURCE, {"id": source_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise NotFound(f"Source not found: {source_id}.")
    if row.kind != "uploads":
        raise Conflict("Files can't be uploaded to this source. Create a source of the kind `uploads`.")
    if row.versions >= MAX_VERSIONS:
        raise Conflict(
            f"This source has {row.versions:,} files, with replaced and deleted versions. It can't have more than "
            f"{MAX_VERSIONS:,}. Upload to another source."
        )
    if row.bytes + new_bytes > max_bytes:
        raise PayloadTooLarge(
            f"The files of this source have {row.bytes:,} bytes, with replaced and deleted versions. They may have "
            f"{max_bytes:,} (MAX_REPO_BYTES). Delete files, or upload to another source."
        )


def add_version(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, new: NewVersion) -> UploadedFile:
    """Make a version the current one of its path. Returns it, or the current one if that has the same content.

    Raises NotFound.
    """
    lock_source(tx, workspace_id, source_id)
    current = tx.execute(_CURRENT, {"source_id": source_id, "path": new.path}).one_or_none()
    if current is not None and current.sha256 == new.sha256:
        return UploadedFile(**current._mapping)
    tx.execute(_REPLACE, {"source_id": source_id, "path": new.path})
    values = {"source_id": source_id, "workspace_id": workspace_id, **msgspec.structs.asdict(new)}
    return UploadedFile(**tx.execute(_INSERT, values).one()._mapping)


def replace_folder(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, folder: str, new: Sequence[NewVersion]
) -> list[UploadedFile]:
    """Make versions the current files of a folder, whose path ends in `/`, and delete its other files.

    Returns the files as `add_version` does. Raises NotFound.
    """
    lock_source(tx, workspace_id, source_id)
    values = {"source_id": source_id, "path": folder, "kept": json_rows([version.path for version in new])}
    tx.execute(_DELETE_OTHERS, values)
    return [add_version(tx, workspace_id, source_id, version) for version in new]


def delete_files(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, path: str) -> int:
    """Delete the current file at a path, or all files in the folder `path` (which ends in `/`). Returns how many.

    Raises NotFound if there are none.
    """
    lock_source(tx, workspace_id, source_id)
    statement = _DELETE_FOLDER if path.endswith("/") else _REPLACE
    deleted: int = tx.execute(statement, {"source_id": source_id, "path": path}).rowcount
    if not deleted:
        raise NotFound(f"There is no uploaded file at {path}.")
    return deleted


def restore_version(tx: Connection, workspace_id: uuid.UUID, file_id: uuid.UUID) -> UploadedFile:
    """Make a replaced or deleted version the current one again, in place of another. Raises NotFound."""
    row = read_file(tx, workspace_id, file_id)
    lock_source(tx, workspace_id, row.source_id)
    if row.replaced_at is None:
        return row
    tx.execute(_REPLACE, {"source_id": row.source_id, "path": row.path})
    restored = tx.execute(_RESTORE, {"id": file_id}).one_or_none()
    if restored is None:
        raise NotFound(f"The version {file_id} has expired.")
    return UploadedFile(**restored._mapping)


def read_file(tx: Connection, workspace_id: uuid.UUID, file_id: uuid.UUID) -> UploadedFile:
    """Read a version. Raises NotFound."""
    row = tx.execute(_BY_ID, {"id": file_id, "workspace_id": workspace_id}).one_or_none()
    if row is None:
        raise NotFound(f"Uploaded file not found: {file_id}.")
    return UploadedFile(**row._mapping)


def list_files(tx: Connection, source_id: uuid.UUID, query: FileQuery) -> FileList:
    """Read a page of a source's current files, or of its replaced and deleted versions."""
    values = {"source_id": source_id, "path": query.path, "after": query.after, "limit": query.limit + 1}
    rows = [UploadedFile(**row._mapping) for row in tx.execute(_VERSIONS if query.versions else _FILES, values)]
    page = rows[: query.limit]
    if len(rows) <= query.limit:
        return FileList(page, None)
    last = page[-1]
    return FileList(page, str(last.id) if query.versions else last.path)


def read_current(tx: Connection, source_id: uuid.UUID) -> tuple[tuple[str, str], ...]:
    """Read the current files of a source, as path and version."""
    rows = tx.execute(_ALL_CURRENT, {"source_id": source_id})
    return tuple((row.path, row.id.hex) for row in rows)


def purge_versions(tx: Connection, source_id: uuid.UUID, days: int) -> Sequence[uuid.UUID]:
    """Delete some expired versions of a source. Returns them: their blobs are left to delete."""
    values = {"source_id": source_id, "days": days, "limit": MAX_VERSIONS_PURGED}
    return tx.execute(_PURGE, values).scalars().all()


def check_content(content: bytes, max_bytes: int) -> None:
    """Raise UnprocessableContent for an empty file, PayloadTooLarge for a large one."""
    if not content:
        raise UnprocessableContent("The file is empty.")
    if len(content) > max_bytes:
        raise PayloadTooLarge(f"The file has more than {max_bytes:,} bytes (MAX_UPLOADED_FILE_BYTES).")


_COLUMNS = "id, source_id, path, bytes, encode(sha256, 'hex') as sha256, created_at, replaced_at"

_SOURCE = sa.text("""
    select s.kind, coalesce(sum(f.bytes), 0) as bytes, count(f.id) as versions
    from sources s left join uploaded_files f on f.source_id = s.id
    where s.id = :id and s.workspace_id = :workspace_id group by s.id
""")

_CURRENT = sa.text(f"""
    select {_COLUMNS} from uploaded_files where source_id = :source_id and path = :path and replaced_at is null
""")

_REPLACE = sa.text("""
    update uploaded_files set replaced_at = now()
    where source_id = :source_id and path = :path and replaced_at is null
""")

_DELETE_FOLDER = sa.text("""
    update uploaded_files set replaced_at = now()
    where source_id = :source_id and starts_with(path, :path) and replaced_at is null
""")

_DELETE_OTHERS = sa.text("""
    update uploaded_files set replaced_at = now()
    where source_id = :source_id and starts_with(path, :path) and replaced_at is null
      and path not in (select json_array_elements_text(cast(:kept as json)))
""")

_INSERT = sa.text(f"""
    insert into uploaded_files (id, workspace_id, source_id, path, bytes, sha256)
    values (:id, :workspace_id, :source_id, :path, :bytes, decode(:sha256, 'hex')) returning {_COLUMNS}
""")

_RESTORE = sa.text(f"update uploaded_files set replaced_at = null where id = :id returning {_COLUMNS}")

_BY_ID = sa.text(f"select {_COLUMNS} from uploaded_files where id = :id and workspace_id = :workspace_id")

_FILES = sa.text(f"""
    select {_COLUMNS} from uploaded_files
    where source_id = :source_id and replaced_at is null and path > :after and starts_with(path, :path)
    order by path limit :limit
""")

_VERSIONS = sa.text(f"""
    select {_COLUMNS} from uploaded_files f
    where source_id = :source_id and replaced_at is not null and starts_with(path, :path)
      and (:after = '' or (replaced_at, id) < (
        select a.replaced_at, a.id from uploaded_files a
        where cast(a.id as text) = :after and a.source_id = :source_id))
    order by replaced_at desc, id desc limit :limit
""")

_ALL_CURRENT = sa.text("""
    select path, id from uploaded_files where source_id = :source_id and replaced_at is null order by path
""")

_PURGE = sa.text("""
    delete from uploaded_files where id in (
      select id from uploaded_files
      where source_id = :source_id and replaced_at < now() - make_interval(days => cast(:days as integer))
      order by replaced_at limit :limit)
    returning id
""")

"""Uploads of large files in parts: begin, look up, complete and delete them.

The parts are blobs next to the source's files, below `parts/` and the upload's id. Which ones have arrived is what the
blob store lists: parts are sent to a bucket directly, without a function's knowledge. A blob of another size than the
part's has not arrived. Completing joins the parts to the content of a new version, and checks its SHA-256.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from functions.collection.files.files import check_room
from functions.collection.runs.locks import lock_source
from functions.collection.sources.connect import file_prefix
from headwater.errors import NotFound, TooManyRequests

PART_BYTES = 8_000_000
"""Size of every part but the last. Three at a time fit into what the Worker keeps of one caller's bodies."""

MAX_OPEN = 100
"""Uploads in parts of one workspace at a time."""

KEEP_HOURS = 24
"""Time to complete an upload. Then the tick deletes its parts."""


class NewUpload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file to upload in parts: where it shall be, its size, and the SHA-256 of its content in hex."""

    path: str
    bytes: Annotated[int, Meta(ge=1, le=2**53)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Part(msgspec.Struct, frozen=True):
    """A part to send: `bytes` of the file from `offset` on, with PUT to `url`.

    An absolute URL is the bucket's, is good for an hour, and takes no `Authorization`. A path is this API's.
    """

    number: int
    offset: int
    bytes: int
    url: str


class FileUpload(msgspec.Struct, frozen=True):
    """An upload in parts. `received` are the numbers of parts that have arrived, `missing` the next ones to send.

    Not all missing parts are listed at once. `expires_at` is when the parts are deleted, unless it is complete.
    """

    id: uuid.UUID
    source_id: uuid.UUID
    path: str
    bytes: int
    sha256: str
    parts: int
    received: list[int]
    missing: list[Part]
    expires_at: dt.datetime


class UploadRow(msgspec.Struct, frozen=True):
    """An upload as it is stored."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    source_id: uuid.UUID
    path: str
    bytes: int
    sha256: str
    version_id: uuid.UUID | None
    expires_at: dt.datetime

    @property
    def parts(self) -> int:
        """The number of parts."""
        return -(-self.bytes // PART_BYTES)

    def part_bytes(self, number: int) -> int:
        """Return the size of a part, which are numbered from 1."""
        return min(PART_BYTES, self.bytes - (number - 1) * PART_BYTES)

    def received(self, sizes: Mapping[str, int]) -> list[int]:
        """Return the numbers of parts that are there, of the blobs' names and sizes."""
        return [n for n in range(1, self.parts + 1) if sizes.get(part_name(n)) == self.part_bytes(n)]


def part_name(number: int) -> str:
    """Return the name of a part's blob."""
    return f"{number:05}"


def blob_prefix(row: UploadRow) -> str:
    """Return the prefix of the parts' blobs, which are deleted with the source's files."""
    return f"{file_prefix(row.source_id)}/parts/{row.id.hex}"


def begin(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, new: NewUpload, *, max_source_bytes: int
) -> UploadRow:
    """Store an upload; return the one under way of the same content to the same path, if there is one.

    Raises TooManyRequests with MAX_OPEN uploads, and what `check_room` raises.
    """
    lock_source(tx, workspace_id, source_id)
    values = {"workspace_id": workspace_id, "source_id": source_id, **msgspec.structs.asdict(new)}
    if found := tx.execute(_SAME, values).one_or_none():
        return _row(found)
    if tx.execute(_COUNT).scalar_one() >= MAX_OPEN:
        raise TooManyRequests(
            f"{MAX_OPEN} files are being uploaded to this workspace in parts. Complete them, or delete those that you "
            f"no longer need. They are deleted after {KEEP_HOURS} hours."
        )
    waiting_bytes = tx.execute(_WAITING_BYTES, values).scalar_one()
    check_room(tx, workspace_id, source_id, new.bytes + waiting_bytes, max_source_bytes)
    return _row(tx.execute(_INSERT, {**values, "id": uuid.uuid4(), "hours": KEEP_HOURS}).one())


def read_upload(tx: Connection, workspace_id: uuid.UUID, upload_id: uuid.UUID) -> UploadRow:
    """Read an upload. Raises NotFound."""
    found = tx.execute(_BY_ID, {"id": upload_id, "workspace_id": workspace_id}).one_or_none()
    if found is None:
        raise NotFound(f"Upload not found: {upload_id}. It may have expired. Begin a new one.")
    return _row(found)


def mark_complete(tx: Connection, upload_id: uuid.UUID, version_id: uuid.UUID) -> bool:
    """Record the version that an upload has become. Returns False if it was completed or deleted meanwhile."""
    return bool(tx.execute(_COMPLETE, {"id": upload_id, "version_id": version_id}).rowcount)


def delete_upload(tx: Connection, upload_id: uuid.UUID) -> None:
    """Delete an upload's row."""
    tx.execute(_DELETE, {"id": upload_id})


def delete_expired(tx: Connection, upload_id: uuid.UUID) -> int:
    """Delete an upload's row, unless it was begun again. Returns 1 if it was deleted, else 0."""
    return tx.execute(_DELETE_EXPIRED, {"id": upload_id}).rowcount


def workspaces_with_expired(tx: Connection) -> Sequence[uuid.UUID]:
    """Return the workspaces with uploads whose time is over."""
    return tx.execute(sa.text("select workspaces_with_expired_uploads()")).scalars().all()


def read_expired(tx: Connection, limit: int) -> list[UploadRow]:
    """Read uploads of the workspace whose time is over."""
    return [_row(row) for row in tx.execute(_EXPIRED, {"limit": limit})]


def _row(row: Any) -> UploadRow:
    return UploadRow(**row._mapping)


_COLUMNS = "id, workspace_id, source_id, path, bytes, encode(sha256, 'hex') as sha256, version_id, expires_at"

_SAME = sa.text(f"""
    select {_COLUMNS} from file_uploads
    where source_id = :source_id and path = :path and sha256 = decode(:sha256, 'hex') and bytes = :bytes
      and version_id is null and expires_at > now()
""")

_WAITING_BYTES = sa.text("""
    select coalesce(sum(bytes), 0) from file_uploads
    where source_id = :source_id and version_id is null and expires_at > now()
      and not (path = :path and sha256 = decode(:sha256, 'hex'))
""")

_COUNT = sa.text("select count(*) from file_uploads where version_id is null and expires_at > now()")

# A row of the same content with another size, or one that has expired, has lost its parts' meaning.
_INSERT = sa.text(f"""
    insert into file_uploads (id, workspace_id, source_id, path, bytes, sha256, expires_at)
    values (:id, :workspace_id, :source_id, :path, :bytes, decode(:sha256, 'hex'),
      now() + make_interval(hours => cast(:hours as integer)))
    on conflict (source_id, path, sha256) where version_id is null
    do update set bytes = excluded.bytes, expires_at = excluded.expires_at
    returning {_COLUMNS}
""")

_BY_ID = sa.text(f"""
    select {_COLUMNS} from file_uploads where id = :id and workspace_id = :workspace_id and expires_at > now()
""")

_COMPLETE = sa.text("update file_uploads set version_id = :version_id where id = :id and version_id is null")

_DELETE = sa.text("delete from file_uploads where id = :id")

_DELETE_EXPIRED = sa.text("delete from file_uploads where id = :id and expires_at < now()")

_EXPIRED = sa.text(f"select {_COLUMNS} from file_uploads where expires_at < now() order by expires_at limit :limit")

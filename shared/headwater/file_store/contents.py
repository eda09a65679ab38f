"""The contents of files: blobs by their hash, within the quota, deleted once no version names them.

A row is stored before its blob, and deleted after it. So a crash leaves no blob without a row.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import HeadwaterError, NotFound, PayloadTooLarge
from headwater.file_store.places import MAX_FILE_BYTES, Place, Quota, blob_key

if TYPE_CHECKING:
    from headwater.blobs import Blobs

SWEEP_S = 10.0
"""Maximum duration in one tick; the next one continues."""

_SWEPT = 50
"""Blobs deleted in one transaction."""


class Contents:
    """Stores and reads contents."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def put(self, place: Place, contents: Sequence[bytes]) -> list[str]:
        """Store contents and return their SHA-256 in hex. They are deleted after an hour if no version names them.

        Raises PayloadTooLarge for the quota or a file of more than MAX_FILE_BYTES, UpstreamError.
        """
        if largest := max((len(content) for content in contents if len(content) > MAX_FILE_BYTES), default=0):
            raise PayloadTooLarge(f"The file has {largest:,} bytes, more than the limit of {MAX_FILE_BYTES:,}.")
        hashes = [hashlib.sha256(content).hexdigest() for content in contents]
        by_hash = dict(zip(hashes, contents, strict=True))
        sizes = {sha256: len(content) for sha256, content in by_hash.items()}
        with self._database.transaction(place.workspace_id) as tx:
            check_room(tx, place, sizes, Quota.of(self._settings))
            stored = set(tx.execute(_TOUCH, {**_values(place, sizes), "bytes": list(sizes.values())}).scalars())
        missing = ((blob_key(place, sha256), by_hash[sha256]) for sha256 in sizes if sha256 not in stored)
        self.blobs.put_all(missing)
        return hashes

    def get(self, place: Place, sha256: str) -> bytes:
        """Return a content. Raises NotFound if it was deleted, UpstreamError."""
        [content] = self.get_all(place, [sha256])
        return content

    def get_all(self, place: Place, hashes: Sequence[str]) -> list[bytes]:
        """Return contents, in order. Raises NotFound if one was deleted, UpstreamError."""
        found = [content for _, content in self.blobs.get_all(blob_key(place, sha256) for sha256 in hashes)]
        if None in found:
            raise NotFound("The content of this file is no longer stored.")
        return [content for content in found if content is not None]

    @property
    def blobs(self) -> "Blobs":
        """The blob store."""
        from headwater.blobs import shared_blobs

        return shared_blobs(self._settings.blob_url)


def check_room(tx: Connection, place: Place, new: Mapping[str, int], quota: Quota) -> None:
    """Raise PayloadTooLarge if the contents in use would exceed the quota with new ones: sizes by SHA-256."""
    row = tx.execute(_USED, _values(place, new)).one()
    added = sum(new.values())
    if row.of_conversation + added > quota.conversation_bytes:
        raise PayloadTooLarge(
            f"The files of this conversation have {row.of_conversation:,} bytes with all versions. They may have "
            f"{quota.conversation_bytes:,} (MAX_FILE_STORE_BYTES), and {added:,} more don't fit. Remove files, or "
            "start another conversation."
        )
    if row.of_workspace + added > quota.workspace_bytes:
        raise PayloadTooLarge(
            f"The files of this workspace's conversations may have {quota.workspace_bytes:,} bytes "
            f"(MAX_WORKSPACE_FILE_BYTES), and {added:,} more don't fit. Remove files or conversations."
        )


def delete_unused(database: Database, settings: Settings, for_s: float = SWEEP_S) -> int:
    """Delete the contents that no version names. Returns the number of blobs deleted."""
    until = time.monotonic() + for_s
    with database.transaction(ALL_WORKSPACES) as tx:
        workspaces = tx.execute(sa.text("select workspaces_with_unused_files()")).scalars().all()
    blobs = Contents(database, settings).blobs if workspaces else None
    deleted = 0
    try:
        for workspace_id in workspaces:
            more = blobs is not None
            while more and blobs and time.monotonic() < until:
                # The rows are locked until the blobs are deleted: a writer of the same content waits, then stores it.
                with database.transaction(workspace_id) as tx:
                    rows = tx.execute(_DELETE_UNUSED, {"workspace_id": workspace_id, "limit": _SWEPT}).all()
                    blobs.delete([blob_key(Place(workspace_id, row.conversation_id), row.sha256) for row in rows])
                deleted += len(rows)
                more = len(rows) == _SWEPT
    except HeadwaterError as error:  # the next tick tries again
        logs.event("files.not_deleted", severity=30, error=error)
    if deleted:
        logs.event("files.deleted", blobs=deleted)
    return deleted


def _values(place: Place, hashes: Iterable[str]) -> dict[str, Any]:
    return {
        "workspace_id": place.workspace_id,
        "conversation_id": place.conversation_id,
        "hashes": [bytes.fromhex(sha256) for sha256 in hashes],
    }


_IS_USED = """
    exists (select from file_versions v
      where v.workspace_id = c.workspace_id and v.conversation_id = c.conversation_id and v.sha256 = c.sha256)
"""

# The contents in use, without those that are being added.
_USED = sa.text(f"""
    select cast(coalesce(sum(bytes), 0) as bigint) as of_workspace,
      cast(coalesce(sum(bytes) filter (where conversation_id = :conversation_id), 0) as bigint) as of_conversation
    from file_contents c
    where c.workspace_id = :workspace_id and {_IS_USED}
      and not (c.conversation_id = :conversation_id and c.sha256 = any(cast(:hashes as bytea[])))
""")

# Returns the hashes of contents whose blobs are stored already: a version names them.
_TOUCH = sa.text(f"""
    with touched as (
      insert into file_contents as c (workspace_id, conversation_id, sha256, bytes)
      select cast(:workspace_id as uuid), :conversation_id, sha256, bytes
      from unnest(cast(:hashes as bytea[]), cast(:bytes as bigint[])) as new (sha256, bytes) order by sha256
      on conflict (workspace_id, conversation_id, sha256) do update set touched_at = clock_timestamp()
      returning workspace_id, conversation_id, sha256)
    select encode(c.sha256, 'hex') from touched c where {_IS_USED}
""")

_DELETE_UNUSED = sa.text(f"""
    delete from file_contents where (workspace_id, conversation_id, sha256) in (
      select c.workspace_id, c.conversation_id, c.sha256 from file_contents c
      where c.workspace_id = :workspace_id and c.touched_at < now() - interval '1 hour' and not {_IS_USED}
      order by c.conversation_id, c.sha256 limit :limit for update skip locked)
    returning conversation_id, encode(sha256, 'hex') as sha256
""")

"""Delete uploads in parts that were not completed in time. Called by the tick."""

import time
import uuid

from functions.collection.files import parts
from headwater import logs
from headwater.blobs import shared_blobs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import HeadwaterError

SWEEP_S = 10.0
"""Maximum duration in one tick; the next one continues."""

_UPLOADS = 100
"""Uploads of a workspace deleted per tick."""


def delete_expired_uploads(database: Database, settings: Settings, for_s: float = SWEEP_S) -> int:
    """Delete expired uploads with their parts. Returns the number of uploads deleted.

    Completed ones too: a part may have been sent to the bucket after the completion.
    """
    until = time.monotonic() + for_s
    with database.transaction(ALL_WORKSPACES) as tx:
        workspaces = parts.workspaces_with_expired(tx)
    deleted = sum(_delete_expired(database, settings, workspace_id, until) for workspace_id in workspaces)
    if deleted:
        logs.event("uploads.expired", uploads=deleted)
    return deleted


def _delete_expired(database: Database, settings: Settings, workspace_id: uuid.UUID, until: float) -> int:
    with database.transaction(workspace_id) as tx:
        expired = parts.read_expired(tx, _UPLOADS)
    deleted = 0
    for row in expired:
        if time.monotonic() > until:
            break
        try:
            shared_blobs(settings.blob_url).delete_prefix(parts.blob_prefix(row))
        except HeadwaterError as error:  # the next tick tries again
            logs.event("files.not_released", severity=30, error=error, source_id=row.source_id)
            break
        with database.transaction(workspace_id) as tx:
            deleted += parts.delete_expired(tx, row.id)
    return deleted

"""From a source's credentials to the connector that talks to it; `list`, `fetch` and `finish` call it."""

import uuid
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors import Connector, decode_config, open_connector
from functions.collection.sources.sources import Credentials
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import after_commit
from headwater.errors import HeadwaterError

if TYPE_CHECKING:
    from headwater.blobs import Blobs

Connect = Callable[[Credentials], Connector]


def connect_with(settings: Settings) -> Connect:
    """Return what opens a connector for a source; what it stages lies under the source's own prefix."""

    @cache
    def blobs() -> "Blobs":
        from headwater.blobs import open_blobs

        return open_blobs(settings.blob_url)

    def connect(source: Credentials) -> Connector:
        return open_connector(source.kind, settings, blobs(), f"staged/{source.source_id}")

    return connect


def release_staged(tx: Connection, connect: Connect, source_id: uuid.UUID) -> None:
    """Have what was staged for a source let go of once the transaction is committed: nobody is going to fetch it.

    What can't be is logged, and left to the source's next run or to the bucket's own rule.
    """
    source = tx.execute(_SOURCE, {"id": source_id}).one_or_none()
    if source is not None:
        after_commit(tx, partial(_release, connect, source_id, source.kind, source.config))


def _release(connect: Connect, source_id: uuid.UUID, kind: str, config: Any) -> None:
    try:
        connect(Credentials(source_id, kind, decode_config(kind, config), None, None)).release()
    except HeadwaterError as error:
        logs.event("stage.not_released", severity=30, error=error, source_id=source_id)


_SOURCE = sa.text("select kind, config from sources where id = :id")

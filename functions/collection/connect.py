"""From a source's credentials to the connector that talks to it; `list`, `fetch` and `finish` call it."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from functions.collection.connectors import Connector, open_connector
from functions.collection.sources import Credentials
from headwater.config import Settings

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

"""Stage a listing under way, so that another step can go on with it."""

import hashlib
import zlib
from typing import Any, TypeVar

import msgspec

from headwater.connectors import ConnectorContext
from headwater.errors import PermanentError

T = TypeVar("T")

_RESUME = "listing "


def stage_listing(context: ConnectorContext, listing: Any) -> str:
    """Stage what is known so far. Returns the `resume` of the listing."""
    content = zlib.compress(msgspec.msgpack.encode(listing), 1)
    name = f"{_RESUME}{hashlib.sha256(content).hexdigest()[:40]}"
    context.blobs().put(f"{context.stage_prefix}/{name}", content)
    return name


def staged_listing(context: ConnectorContext, cursor: str | None, kind: type[T]) -> T | None:
    """Return the listing to go on with; None if the cursor isn't the `resume` of one."""
    if not cursor or not cursor.startswith(_RESUME):
        return None
    content = context.blobs().get(f"{context.stage_prefix}/{cursor}")
    if content is None:
        raise PermanentError("The unfinished listing was lost. Collect again.")
    return msgspec.msgpack.decode(zlib.decompress(content), type=kind)

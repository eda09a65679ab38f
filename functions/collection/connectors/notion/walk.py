"""What a listing of a Notion workspace has found: between the steps of one listing, and for the next. Pure."""

import base64
import datetime as dt
import re
import zlib
from typing import Any

import msgspec

from functions.collection.connectors.api_values import as_dict, as_text
from functions.collection.connectors.notion.properties import page_title
from functions.collection.connectors.page_paths import PathNode
from headwater.connectors import MAX_CURSOR_CHARS
from headwater.errors import SystemicError

RECENT = dt.timedelta(minutes=2)
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


class FoundPage(msgspec.Struct, frozen=True, array_like=True):
    """A page, or a data source if it has no `edited`, the time of its last change."""

    title: str
    parent: str
    edited: str = ""


class Walk(msgspec.Struct):
    """A listing under way. `queue` has what is to be read: `page`, `data_source` or a data source's id.

    `start` is the cursor at which the first of the queue goes on. `restarted`: Notion has refused a cursor of that
    list, which is read again from its beginning.
    """

    queue: list[str]
    start: str = ""
    restarted: bool = False
    found: dict[str, FoundPage] = {}
    previous: dict[str, FoundPage] = {}

    def nodes(self) -> dict[str, PathNode]:
        """Return the pages and data sources for `page_keys`."""
        return {page_id: PathNode(page.title, page.parent) for page_id, page in self.found.items()}


def read_id(value: Any) -> str:
    """Return an id in its one form, with hyphens and in lower case; "" for anything else."""
    text = as_text(value).lower()
    if not _ID.fullmatch(text):
        return ""
    plain = text.replace("-", "")
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def read_object(value: Any) -> tuple[str, FoundPage] | None:
    """Return the id of a page or data source, and what is needed of it; None for what is in the trash."""
    found = as_dict(value)
    object_id = read_id(found.get("id"))
    if not object_id or found.get("in_trash") is True or found.get("archived") is True:
        return None
    parent = as_dict(found.get("database_parent") or found.get("parent"))
    parent_id = next(
        (read_id(parent.get(name)) for name in ("page_id", "data_source_id", "database_id") if parent.get(name)), ""
    )
    if found.get("object") == "data_source":
        return object_id, FoundPage(page_title(found), parent_id)
    edited = as_text(found.get("last_edited_time"))
    return (object_id, FoundPage(page_title(found), parent_id, edited)) if read_time(edited) else None


def read_time(text: str) -> dt.datetime | None:
    """Read a time such as `2024-01-31T12:00:00.000Z`."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def fingerprint(page_id: str, page: FoundPage, now: dt.datetime) -> str:
    """Return the fingerprint of a page: its id and time, with a mark if it may change within that minute."""
    edited = read_time(page.edited)
    is_recent = edited is not None and now - edited < RECENT
    return f"{page_id}@{page.edited[:40]}{'~' if is_recent else ''}"


def encode_cursor(walk: Walk) -> str | None:
    """Return the pages as a cursor; None if there are too many."""
    cursor = base64.b85encode(zlib.compress(msgspec.msgpack.encode(walk.found), 6)).decode()
    return cursor if len(cursor) <= MAX_CURSOR_CHARS else None


def decode_cursor(cursor: str | None) -> dict[str, FoundPage]:
    """Return the pages of the last listing."""
    if not cursor:
        return {}
    try:
        return msgspec.msgpack.decode(zlib.decompress(base64.b85decode(cursor)), type=dict[str, FoundPage])
    except (ValueError, zlib.error, msgspec.DecodeError) as error:
        raise SystemicError(
            f"The stored state of the source can't be read ({error}). Collect everything again."
        ) from None

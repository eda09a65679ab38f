"""Pages of lists that are ordered by time of creation, latest first."""

import datetime as dt
import uuid
from typing import Annotated

import msgspec
from msgspec import Meta

from headwater.errors import UnprocessableContent


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page: the one after `after`, the previous page's `next`."""

    after: Annotated[str, Meta(max_length=200)] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


def cursor_of(created_at: dt.datetime, id_: uuid.UUID) -> str:
    """Return the cursor of the page after a row."""
    return f"{created_at.isoformat()}~{id_}"


def position_of(cursor: str) -> tuple[dt.datetime | None, uuid.UUID | None]:
    """Return the row before a page; None for the first page. Raises UnprocessableContent if it is no cursor."""
    if not cursor:
        return None, None
    time, _, id_ = cursor.partition("~")
    try:
        created_at = dt.datetime.fromisoformat(time)
        if created_at.tzinfo is None:
            raise ValueError(time)
        return created_at, uuid.UUID(id_)
    except ValueError as error:
        raise UnprocessableContent("after: expected the `next` of a page.") from error

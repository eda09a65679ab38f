"""List, search, rename and pin the caller's conversations. Functions run in the caller's transaction."""

import datetime as dt
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.engine import Connection

from functions.chat.conversations.conversations import own_values
from headwater.auth.callers import Caller
from headwater.errors import NotFound, UnprocessableContent

MAX_TITLE_CHARS = 200
"""Length of a title that its owner has chosen."""

MAX_SEARCH_CHARS = 200
MAX_SEARCH_WORDS = 8
"""Words of a search that count; further ones are ignored."""


class ConversationSummary(msgspec.Struct, frozen=True):
    """A conversation in a list. `title` is its first question, shortened, until its owner renames it."""

    id: str
    title: str
    pinned: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class ConversationQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of the conversations: the one after `after`, the previous page's `next`.

    `q`: only conversations that have each of these words in their title or messages.
    """

    q: Annotated[str, Meta(max_length=MAX_SEARCH_CHARS)] = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 200


class ConversationList(msgspec.Struct, frozen=True):
    """A page of conversations: pinned ones first, then most recently used first.

    `next` is the next page's `after`, null on the last page.
    """

    conversations: list[ConversationSummary]
    next: str | None


class ConversationChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a conversation. Omitted fields stay as they are."""

    title: str | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


def read_conversations(tx: Connection, caller: Caller, query: ConversationQuery) -> ConversationList:
    """Return a page of the caller's conversations. Raises UnprocessableContent if `after` is not a page's `next`.

    A conversation that is used or pinned while its caller pages moves to the first page.
    """
    words = query.q.replace("\0", " ").split()[:MAX_SEARCH_WORDS]
    values: dict[str, Any] = {f"word{n}": _patterns(word) for n, word in enumerate(words)}
    values |= {"workspace_id": caller.workspace_id, "subject": caller.subject, "n": query.limit + 1}
    rows = list(tx.execute(_list_statement(len(words)), values | _decode_cursor(query.after)))
    page = [_summary(row) for row in rows[: query.limit]]
    if len(rows) <= query.limit:
        return ConversationList(page, None)
    last = rows[query.limit - 1]
    return ConversationList(page, f"{int(last.pinned)}~{last.updated_at.isoformat()}~{last.id}")


def change_conversation(
    tx: Connection, caller: Caller, conversation_id: str, changes: ConversationChanges
) -> ConversationSummary:
    """Rename, pin or unpin a conversation. Raises NotFound, or UnprocessableContent for an empty or long title."""
    title = None if changes.title is UNSET else _check_title(changes.title)
    pinned = None if changes.pinned is UNSET else changes.pinned
    values = {**own_values(caller, conversation_id), "title": title, "pinned": pinned}
    row = tx.execute(_CHANGE, values).one_or_none()
    if row is None:
        raise NotFound(f"Conversation not found: {conversation_id}.")
    return _summary(row)


def _summary(row: Any) -> ConversationSummary:
    return ConversationSummary(row.client_id, row.title, row.pinned, row.created_at, row.updated_at)


def _check_title(title: str) -> str:
    """Return a title on one line. Raises UnprocessableContent."""
    line = " ".join(title.replace("\0", "").split())
    if not line:
        raise UnprocessableContent("title is empty. Enter a title.")
    if len(line) > MAX_TITLE_CHARS:
        raise UnprocessableContent(f"title has {len(line)} characters; {MAX_TITLE_CHARS} are allowed. Shorten it.")
    return line


def _patterns(word: str) -> list[str]:
    """Return patterns of LIKE that find a word in its usual cases.

    ILIKE knows only the letters of the database's locale, which may be those of ASCII.
    """
    forms = dict.fromkeys((word, word.lower(), word.upper(), word.title()))
    return [f"%{form.translate(_ESCAPES)}%" for form in forms]


def _decode_cursor(after: str) -> dict[str, Any]:
    """Return the last conversation of the previous page: whether it is pinned, its time and its stored id."""
    pinned, _, rest = after.partition("~")
    time, _, row = rest.partition("~")
    try:
        updated_at = dt.datetime.fromisoformat(time) if after else None
    except ValueError as error:
        raise UnprocessableContent("after is not the `next` of a page of conversations.") from error
    return {"last_pinned": pinned == "1", "updated_at": updated_at, "row": row}


_ESCAPES = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})

# Rows from before callers were stored have no `client_id`; their `id` is the client's.
_COLUMNS = "c.id, coalesce(c.client_id, c.id) as client_id, c.title, c.pinned, c.created_at, c.updated_at"

_LIST = f"""
    select {_COLUMNS} from conversations c
    where c.workspace_id = :workspace_id and c.subject = :subject and (cast(:updated_at as timestamptz) is null
      or (cast(:last_pinned as boolean) and not c.pinned)
      or (c.pinned = cast(:last_pinned as boolean)
        and (c.updated_at < :updated_at or (c.updated_at = :updated_at and c.id > cast(:row as text)))))
      [condition on words]
    order by c.pinned desc, c.updated_at desc, c.id limit :n
"""

_HAS_WORD = """
    and (c.title ilike any(cast(:word as text[])) or exists (
      select 1 from messages m where m.workspace_id = c.workspace_id and m.conversation_id = c.id
        and m.search_text ilike any(cast(:word as text[]))))
"""


@lru_cache
def _list_statement(words: int) -> sa.TextClause:
    """Return the statement that lists conversations which have a number of words."""
    conditions = "".join(_HAS_WORD.replace(":word", f":word{n}") for n in range(words))
    return sa.text(_LIST.replace("[condition on words]", conditions))


_CHANGE = sa.text(f"""
    update conversations c set title = coalesce(cast(:title as text), c.title),
      pinned = coalesce(cast(:pinned as boolean), c.pinned)
    where c.workspace_id = :workspace_id and c.id = :conversation_id and c.subject = :subject returning {_COLUMNS}
""")

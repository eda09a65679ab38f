"""Tools that read the workspace's documents: search, read, list, find an exact text.

They read as any search does, by row-level security. None changes anything.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from functions.chat.changes.listing import summarize
from functions.chat.changes.passages import MAX_PASSAGES, read_beginnings
from functions.chat.changes.recent import read_changes
from functions.chat.retrieval.search import Search
from functions.chat.web.ranking import Evidence
from headwater.database.transactions import Database
from headwater.errors import NotFound, UnprocessableContent
from headwater.filters.parse import parse_filter
from headwater.filters.sql import SETTINGS, where
from headwater.filters.tree import And, Filter
from headwater.tools import Tool, ToolContext

MAX_READ_CHARS = 20_000
MAX_QUERY_CHARS = 2_000
MAX_LISTED = 200
MAX_MATCHES = 100
MAX_RELATED = 100
LINE_CHARS = 300
STATEMENT_S = 15
"""Time for a statement: looking for a text reads all documents."""
_MAX_OFFSET = 2**31 - 1

_FILTER_HELP = "Restricts to documents that match, as in `source:handbook path:guides/** date>=2026`. Empty: all."

Filtered = Annotated[str, msgspec.Meta(max_length=2_000, description=_FILTER_HELP)]


class SearchArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to search for."""

    query: Annotated[str, msgspec.Meta(max_length=MAX_QUERY_CHARS, description="A question, or key words.")]
    limit: Annotated[int, msgspec.Meta(ge=1, le=20, description="Maximum number of passages.")] = 8
    filter: Filtered = ""


class Found(msgspec.Struct, frozen=True):
    """Passages, best first. The agent numbers them, so that its answer can cite them. `note` comes after them."""

    passages: Sequence[Evidence]
    note: str = ""


class SearchKnowledge(Tool[SearchArguments]):
    """Hybrid search, as for answers."""

    name = "search_knowledge"
    description = (
        "Finds passages of the documents by meaning and by words, best first, each with a number [n] to cite. Search "
        "again in other words, and in the language of the documents, if they don't answer the question."
    )
    arguments_type = SearchArguments

    def __init__(self, search: Search, document_filter: Filter | None) -> None:
        self._search = search
        self._filter = document_filter

    def run(self, context: ToolContext, arguments: SearchArguments) -> Found:
        """Search, within the filter of the question."""
        if not arguments.query.strip():
            raise UnprocessableContent("query is empty.")
        chosen = where(_both(self._filter, parse_filter(arguments.filter)))
        found = self._search.find(context.workspace_id, arguments.query, arguments.limit, chosen)
        return Found([passage for passage in found.passages if passage.relevant])


class ChangesArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Since when, and of which source."""

    since: Annotated[dt.datetime, msgspec.Meta(tz=True, description="A time, as 2026-01-31T08:00:00+00:00.")]
    source: Annotated[str, msgspec.Meta(max_length=200, description="The name of a source. Empty: all.")] = ""


class RecentChanges(Tool[ChangesArguments]):
    """The documents that were added, changed and removed since a time."""

    name = "recent_changes"
    description = (
        "Lists the documents that were added, changed and removed since a time, at most 200, with the beginnings of "
        "added and changed ones as passages, each with a number [n] to cite. Read on with read_document."
    )
    arguments_type = ChangesArguments

    def __init__(self, database: Database, document_filter: Filter | None) -> None:
        self._database = database
        self._filter = document_filter

    def run(self, context: ToolContext, arguments: ChangesArguments) -> Found | str:
        """List the changes, within the filter of the question."""
        workspace_id, wanted = context.workspace_id, where(self._filter)
        with self._database.transaction(workspace_id, settings=_SETTINGS) as tx:
            changes = read_changes(tx, workspace_id, arguments.since, wanted=wanted, source_name=arguments.source)
            ids = [change.document_id for change in changes.changes if change.document_id is not None]
            passages = read_beginnings(tx, workspace_id, ids, MAX_PASSAGES)
        lines = [
            f"{change.change} {change.document_id or '-'} {change.source}: {change.key} {change.title}".rstrip()
            for change in changes.changes
        ]
        text = "\n".join([summarize(changes, arguments.since), *lines])
        return Found(passages, text) if passages else text


class ReadArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of which document."""

    document_id: uuid.UUID
    offset: Annotated[int, msgspec.Meta(ge=0, description="The first character to read.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_READ_CHARS, description="Maximum number of characters.")] = 8_000


class _OnDocuments:
    """What the tools that read documents by SQL have in common."""

    def __init__(self, database: Database, document_filter: Filter | None) -> None:
        self._database = database
        self._filter = document_filter

    def _rows(self, context: ToolContext, statement: str, more: Filter | None, values: dict[str, Any]) -> list[Any]:
        """Run a statement on the live documents `d` that match the question's filter, and another."""
        chosen = where(_both(self._filter, more))
        values = {**chosen.values, **values, "workspace_id": context.workspace_id}
        with self._database.transaction(context.workspace_id, settings=_SETTINGS) as tx:
            return list(tx.execute(sa.text(statement.replace("{documents}", f"{_LIVE} and {chosen.sql}")), values))


class ReadDocument(_OnDocuments, Tool[ReadArguments]):
    """A part of a document's text."""

    name = "read_document"
    description = "Returns a part of a document's text as Markdown. Long documents are read in several calls."
    arguments_type = ReadArguments

    def run(self, context: ToolContext, arguments: ReadArguments) -> str:
        """Read."""
        values = {"id": arguments.document_id, "first": arguments.offset + 1, "limit": arguments.limit}
        rows = self._rows(context, _READ, None, values) if arguments.offset < _MAX_OFFSET else []
        if not rows:
            raise NotFound(f"Document not found: {arguments.document_id}. List the documents, or search for it.")
        row = rows[0]
        end = arguments.offset + len(row.text)
        more = f"\n\n(Read on at offset {end} of {row.chars}.)" if end < row.chars else ""
        return f"# {row.title or row.key}\n\n{row.text}{more}"


class ListArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which documents."""

    path: Annotated[str, msgspec.Meta(max_length=300, description="A glob, as `guides/**` or `*.md`.")] = "**"
    filter: Filtered = ""
    after: Annotated[str, msgspec.Meta(max_length=2_000, description="The last path of the page before.")] = ""


class ListDocuments(_OnDocuments, Tool[ListArguments]):
    """The documents by path, as a file system lists them."""

    name = "list_documents"
    description = f"Lists documents by path, {MAX_LISTED} at a time: id, source, path, characters, title."
    arguments_type = ListArguments

    def run(self, context: ToolContext, arguments: ListArguments) -> str:
        """List."""
        values = {"after": arguments.after, "limit": MAX_LISTED}
        rows = self._rows(context, _LIST, _narrowed(arguments.filter, arguments.path), values)
        lines = [f"{row.id} {row.source}: {row.key} ({row.chars} characters) {row.title}" for row in rows]
        if len(rows) == MAX_LISTED:
            lines.append(f"(More after {rows[-1].key!r}.)")
        return "\n".join(lines) or "No document matches."


class GrepArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for, and where."""

    text: Annotated[str, msgspec.Meta(min_length=2, max_length=200, description="Exact text, in any case.")]
    path: Annotated[str, msgspec.Meta(max_length=300, description="A glob, as `guides/**` or `*.md`.")] = "**"
    filter: Filtered = ""


class GrepDocuments(_OnDocuments, Tool[GrepArguments]):
    """Lines of documents that have a text."""

    name = "grep_documents"
    description = (
        f"Finds lines that contain an exact text, at most {MAX_MATCHES}, with the id of the document and the offset of "
        "the line. Use it for names, identifiers and error messages."
    )
    arguments_type = GrepArguments

    def run(self, context: ToolContext, arguments: GrepArguments) -> str:
        """Find the text in the documents that have it."""
        wanted = arguments.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values = {"pattern": f"%{wanted}%", "limit": MAX_MATCHES}
        rows = self._rows(context, _GREP, _narrowed(arguments.filter, arguments.path), values)
        lines = [f"{row.id} {row.key} @{row.offset}: {row.line.strip()}" for row in rows]
        more = [f"(Only the first {MAX_MATCHES} lines are shown.)"] if len(rows) == MAX_MATCHES else []
        return "\n".join([*lines, *more]) or "No document contains this text."


class RelatedArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which document."""

    document_id: uuid.UUID


class Related(_OnDocuments, Tool[RelatedArguments]):
    """The documents that a document links to, and those that link to it."""

    name = "related"
    description = (
        f"Lists the documents that a document links to, and those that link to it, at most {MAX_RELATED}: id, source, "
        "path, title. Read them with read_document."
    )
    arguments_type = RelatedArguments

    def run(self, context: ToolContext, arguments: RelatedArguments) -> str:
        """Follow the links, in both directions."""
        values = {"id": arguments.document_id}
        if not self._rows(context, _FIND, None, values):
            raise NotFound(f"Document not found: {arguments.document_id}. List the documents, or search for it.")
        rows = self._rows(context, _RELATED, None, {**values, "limit": MAX_RELATED})
        lines = [f"{row.direction} {row.id} {row.source}: {row.key} {row.title}".rstrip() for row in rows]
        more = [f"(Only the first {MAX_RELATED} are shown.)"] if len(rows) == MAX_RELATED else []
        return "\n".join([*lines, *more]) or "No document links to it, and it links to none."


def _narrowed(text: str, path: str) -> Filter | None:
    narrowed = parse_filter(text)
    return narrowed if path in ("", "**") else _both(narrowed, parse_filter(f'path:"{path.replace(chr(34), "")}"'))


def _both(one: Filter | None, other: Filter | None) -> Filter | None:
    return And((one, other)) if one is not None and other is not None else one if one is not None else other


_SETTINGS = (*SETTINGS, ("statement_timeout", str(STATEMENT_S * 1000)))

_LIVE = "d.workspace_id = :workspace_id and d.deleted_at is null"

_READ = """
    select d.key, d.title, substr(d.text, :first, :limit) as text, char_length(d.text) as chars
    from documents d where {documents} and d.id = :id
"""

_LIST = """
    select d.id, d.key, d.title, s.name as source, char_length(d.text) as chars
    from documents d join sources s on s.id = d.source_id
    where {documents} and d.key > :after order by d.key, d.id limit :limit
"""

_FIND = "select d.id from documents d where {documents} and d.id = :id"

_RELATED = """
    select d.id, d.key, d.title, s.name as source, linked.direction
    from (
      select target_document_id as id, 'links to' as direction from relations where document_id = :id
      union
      select document_id, 'is linked from' from relations where target_document_id = :id) linked
    join documents d on d.id = linked.id join sources s on s.id = d.source_id
    where {documents} and d.id <> :id
    order by linked.direction desc, d.key, d.id limit :limit
"""

# The offset is that of the first equal line.
_GREP = f"""
    select d.id, d.key, left(lines.line, {LINE_CHARS}) as line, strpos(d.text, lines.line) - 1 as offset
    from documents d cross join lateral string_to_table(d.text, chr(10)) with ordinality as lines (line, number)
    where {{documents}} and d.text ilike :pattern and lines.line ilike :pattern
    order by d.key, d.id, lines.number limit :limit
"""
